package kv

import (
	"context"
	"sync"
)

type pending struct {
	Op
	ctx  context.Context //nolint:containedctx // of the call of Do that waits for it
	raw  bool            // it is a whole entry: neither Begin nor Finish adds to it
	err  error
	done chan struct{} // gets one value once err is the outcome
}

func (p *pending) release() { p.done <- struct{}{} }

func release(ops []*pending) {
	for _, p := range ops {
		p.release()
	}
}

// queue holds the operations that wait for the writer, in order and within bounds.
type queue struct {
	cfg  *Config
	wake chan struct{} // holds a value when there may be something new

	mu     sync.Mutex
	ops    []*pending
	bytes  int64
	closed bool
}

func newQueue(cfg *Config) queue { return queue{cfg: cfg, wake: make(chan struct{}, 1)} }

// push adds an operation, or returns ErrClosed or ErrOverloaded. One that is alone fits whatever its size.
func (q *queue) push(p *pending) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	if n := len(q.ops); n > 0 && !p.Internal &&
		(n >= q.cfg.QueueLength || q.bytes+int64(p.Bytes) > q.cfg.QueueBytes) {
		return ErrOverloaded
	}
	q.ops = append(q.ops, p)
	q.bytes += int64(p.Bytes)
	q.signal()
	return nil
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// maxBatch is about how much weight goes into one commit.
const maxBatch = 1024

// batch is what goes into one commit, if it can.
type batch struct {
	ops    []*pending
	weight int
	bytes  int64
}

func (b *batch) add(p *pending) {
	b.ops = append(b.ops, p)
	b.weight += max(1, p.Weight)
	b.bytes += int64(p.Bytes)
}

func (b *batch) reset() {
	clear(b.ops)
	*b = batch{ops: b.ops[:0]}
}

func (b *batch) full(cfg *Config) bool {
	return b.weight >= maxBatch || b.bytes >= int64(cfg.MaxEntry)
}

// take moves operations to the end of a batch until that is full. It reports whether there may be more.
func (q *queue) take(b *batch) (more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for ; n < len(q.ops) && !b.full(q.cfg); n++ {
		b.add(q.ops[n])
		q.bytes -= int64(q.ops[n].Bytes)
	}
	rest := copy(q.ops, q.ops[n:])
	clear(q.ops[rest:])
	q.ops = q.ops[:rest]
	if rest > 0 || q.closed {
		q.signal()
	}
	return !q.closed && !b.full(q.cfg)
}

func (q *queue) size() (n int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ops), q.bytes
}

func (q *queue) over() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ops) == 0 && q.closed
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

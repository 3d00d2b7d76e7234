package kv

import (
	"context"
	"sync"
)

// pending is an operation that waits for its outcome.
type pending struct {
	Op
	ctx  context.Context //nolint:containedctx // of the call of Do that waits for it
	raw  bool            // it is a whole entry: neither Begin nor Finish adds to it
	err  error
	done chan struct{} // gets one value once err is the outcome
}

// release tells the caller the outcome.
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

// take moves operations to the end of a batch, until it has the weight or the bytes of a full one.
func (q *queue) take(batch []*pending) []*pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	weight, bytes := size(batch)
	n := 0
	for n < len(q.ops) && weight < q.cfg.MaxBatch && bytes < int64(q.cfg.MaxEntry) {
		weight += max(1, q.ops[n].Weight)
		bytes += int64(q.ops[n].Bytes)
		q.bytes -= int64(q.ops[n].Bytes)
		n++
	}
	batch = append(batch, q.ops[:n]...)
	rest := copy(q.ops, q.ops[n:])
	clear(q.ops[rest:])
	q.ops = q.ops[:rest]
	if rest > 0 || q.closed {
		q.signal()
	}
	return batch
}

// filled reports whether nothing more will come into a batch: it is full, or the queue is closed.
func (q *queue) filled(batch []*pending) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	weight, bytes := size(batch)
	return q.closed || weight >= q.cfg.MaxBatch || bytes >= int64(q.cfg.MaxEntry)
}

// size returns the weight of a batch and how many bytes it is about.
func size(batch []*pending) (weight int, bytes int64) {
	for _, p := range batch {
		weight += max(1, p.Weight)
		bytes += int64(p.Bytes)
	}
	return weight, bytes
}

// size returns how many operations wait, and their bytes.
func (q *queue) size() (n int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ops), q.bytes
}

// over reports whether nothing waits and nothing more will come.
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

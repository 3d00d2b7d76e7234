// Package warm keeps goroutines whose stacks have grown.
//
// Go makes the stack of a goroutine larger by copying it. A call that runs on a new one pays for that, and
// beside many streams, which hold gRPC's own workers for as long as they last, each call does.
// Its invariant: what is to run begins at once, on a goroutine that is kept or on its caller's; it never waits for another.
package warm

import "sync"

// Pool keeps goroutines. They are started when they are needed, and end with Close.
// The nil Pool keeps none.
type Pool struct {
	most int

	mu     sync.Mutex
	idle   []*kept // the last that came back is the next to be used: its stack is in the processor's cache
	count  int
	closed bool
}

// kept is a goroutine that is kept.
type kept struct {
	work chan func()
	done chan struct{}
}

// New makes a Pool that keeps so many goroutines at most.
func New(most int) *Pool { return &Pool{most: most} }

// Do runs f and returns when it has: on a goroutine of the pool or, when all are busy, on its caller's. A panic of f ends
// the process, as in any goroutine that nobody recovers; f must not call runtime.Goexit.
func (p *Pool) Do(f func()) {
	k := p.take()
	if k == nil {
		f()
		return
	}
	k.work <- f
	<-k.done
	p.give(k)
}

// Close ends the goroutines, those that are busy as soon as they are not: it does not wait. What comes later is run by its callers.
func (p *Pool) Close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, k := range p.idle {
		close(k.work)
	}
	p.idle = nil
}

// take answers a goroutine that has nothing to do; nil when there must not be another.
func (p *Pool) take() *kept {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.idle) - 1; last >= 0 {
		k := p.idle[last]
		p.idle = p.idle[:last]
		return k
	}
	if p.closed || p.count >= p.most {
		return nil
	}
	p.count++
	k := &kept{work: make(chan func()), done: make(chan struct{}, 1)}
	go k.run()
	return k
}

func (p *Pool) give(k *kept) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		close(k.work)
		return
	}
	p.idle = append(p.idle, k)
}

func (k *kept) run() {
	for f := range k.work {
		f()
		k.done <- struct{}{}
	}
}

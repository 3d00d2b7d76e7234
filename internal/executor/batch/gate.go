package batch

import (
	"sync"
	"time"
)

// gates remember which queues of the cluster take no jobs for now, so that
// thousands of attempts that wait for one of them ask the cluster as often as a single one.
type gates struct {
	pause, maxPause time.Duration // between two attempts that ask a closed queue

	mu     sync.Mutex
	closed map[string]gate
}

func newGates(p Patience) *gates {
	return &gates{pause: p.Confirm / 4, maxPause: p.Confirm, closed: make(map[string]gate)}
}

// gate is a queue that takes no jobs for now.
type gate struct {
	hold  Hold
	until time.Time     // then one attempt may ask again
	pause time.Duration // between two such attempts
}

// look reports whether it is worth to enter a queue, or else what an attempt has to wait for.
func (g *gates) look(queue string) (Hold, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	closed, found := g.closed[queue]
	return closed.hold, !found || !time.Now().Before(closed.until)
}

// enter reports whether an attempt may be submitted to a queue, or else why it has to wait. Where it is
// time to ask a closed queue again, one caller may, and the others go on waiting.
func (g *gates) enter(queue string) (Hold, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	closed, found := g.closed[queue]
	now := time.Now()
	if found && now.Before(closed.until) {
		return closed.hold, false
	}
	if found {
		closed.until = now.Add(closed.pause)
		g.closed[queue] = closed
	}
	return Hold{}, true
}

// learn takes in the result of a submission to a queue.
func (g *gates) learn(queue string, result Submitted) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case result.Outcome == Accepted:
		delete(g.closed, queue)
	case result.Hold != Hold{}:
		pause := min(max(g.pause, 2*g.closed[queue].pause), g.maxPause)
		g.closed[queue] = gate{hold: result.Hold, until: time.Now().Add(pause), pause: pause}
	}
}

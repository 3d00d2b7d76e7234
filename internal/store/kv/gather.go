package kv

import "time"

// gather lets the callers that were just released come back before the next
// batch is written, where that has been worth it.
//
// Callers that write again as soon as they are released otherwise split into two
// halves, one of which always waits while the other is written, and each batch
// is half as large as it could be. So the writer waits for as many operations as were there
// when the last batch ended, for at most the time that its commit took. Where
// most do not come by then, it waits more and more rarely, so that other kinds of load
// lose little. A caller who is alone never waits.
type gather struct {
	expected int           // operations that were there when the last batch ended, its own included
	patience time.Duration // how long to wait for as many
	skip     int           // batches to write without waiting
	misses   int           // how often in a row it was in vain
	timer    *time.Timer
}

// maxMisses bounds how rare the attempts become: one in 2^maxMisses batches.
const maxMisses = 6

func (g *gather) await(q *queue, b *batch) {
	if len(b.ops) >= g.expected || b.full(q.cfg) || g.patience <= 0 {
		return
	}
	if g.skip > 0 {
		g.skip--
		return
	}
	if g.timer == nil {
		g.timer = time.NewTimer(g.patience)
	} else {
		g.timer.Reset(g.patience)
	}
	defer g.timer.Stop()
	first := len(b.ops)
	for len(b.ops) < g.expected {
		select {
		case <-q.wake:
			if !q.take(b) {
				return
			}
		case <-g.timer.C:
			g.late(first, len(b.ops))
			return
		}
	}
	g.misses = 0
}

// late notes that the time was over when a batch of first operations had grown to
// last. Where more than half of the missing ones came it was still worth it.
func (g *gather) late(first, last int) {
	if 2*(last-first) > g.expected-first {
		g.misses = 0
		return
	}
	g.misses = min(g.misses+1, maxMisses)
	g.skip = 1<<g.misses - 1
}

func (g *gather) committed(took time.Duration, there int) {
	g.expected, g.patience = there, took
}

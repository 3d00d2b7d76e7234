package store

import "time"

// gather lets the callers that were just released come back before the next
// batch is written, where that has been worth it.
//
// Callers that write again as soon as they are answered otherwise split into
// two halves, one of which always waits while the other is written, and every
// batch is half as large as it could be. So the writer waits for as many writes as were there when the last batch
// ended, for at most the time that its commit took: when all come by then, each has waited for one
// commit and not for two. Where most do not, it waits rarer and rarer, so that
// other kinds of load lose nothing that counts. A caller who is alone never waits.
type gather struct {
	expected int           // writes that were there when the last batch ended, its own included
	patience time.Duration // how long to wait for as many
	skip     int           // batches to write without waiting
	misses   int           // how often in a row it was in vain
	timer    *time.Timer
}

// mostMisses bounds how rare the attempts become: one in 2^mostMisses batches.
const mostMisses = 6

// await adds to a batch of that weight what comes in time.
func (g *gather) await(s *Store, b *batch, weight int) {
	if len(b.ops) >= g.expected || weight >= s.cfg.MaxBatch || g.patience <= 0 {
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
	began := len(b.ops)
	for len(b.ops) < g.expected && weight < s.cfg.MaxBatch {
		select {
		case o, ok := <-s.queue:
			if !ok {
				return
			}
			b.ops = append(b.ops, o)
			weight = s.takeWaiting(b, weight+max(1, o.weight))
		case <-g.timer.C:
			g.late(began, len(b.ops))
			return
		}
	}
	g.misses = 0
}

// late notes that the time was over when a batch of first writes had grown to
// last. Where more than half of those that were missing came it was still worth it.
func (g *gather) late(first, last int) {
	if 2*(last-first) > g.expected-first {
		g.misses = 0
		return
	}
	g.misses = min(g.misses+1, mostMisses)
	g.skip = 1<<g.misses - 1
}

// committed notes how long a commit took and how many writes were there at its end.
func (g *gather) committed(took time.Duration, there int) {
	g.expected, g.patience = there, took
}

package store

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// gathering is a writer's queue without a writer, on fake time.
func gathering(t *testing.T, test func(s *Store, await func() (ops int, took time.Duration), g *gather)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		s := &Store{queue: make(chan *op, 100)}
		s.cfg.setDefaults()
		g := &gather{}
		test(s, func() (int, time.Duration) {
			b := newBatch(s)
			b.ops = append(b.ops, &op{weight: 1})
			begin := time.Now()
			g.await(s, b, 1)
			return len(b.ops), time.Since(begin)
		}, g)
	})
}

// come has writes arrive, one after each pause.
//
//nolint:forbidigo // fake time: a synctest bubble
func come(s *Store, n int, pause time.Duration) {
	for range n {
		time.Sleep(pause)
		s.queue <- &op{weight: 1}
	}
}

func TestTheWriterWaitsForThoseWhoWereThere(t *testing.T) {
	gathering(t, func(s *Store, await func() (int, time.Duration), g *gather) {
		g.committed(10*time.Millisecond, 4)
		var others sync.WaitGroup
		others.Go(func() { come(s, 5, time.Millisecond) })
		if n, took := await(); n != 4 || took != 3*time.Millisecond {
			t.Errorf("a batch of %d after %v, want 4 after 3ms", n, took)
		}
		others.Wait()
	})
}

func TestNobodyWaitsLongerThanACommitTakes(t *testing.T) {
	gathering(t, func(s *Store, await func() (int, time.Duration), g *gather) {
		g.committed(10*time.Millisecond, 8)
		var others sync.WaitGroup
		others.Go(func() { come(s, 7, 4*time.Millisecond) })
		if n, took := await(); n != 3 || took != 10*time.Millisecond {
			t.Errorf("a batch of %d after %v, want 3 after 10ms", n, took)
		}
		if g.misses != 1 {
			t.Errorf("%d misses after one", g.misses)
		}
		others.Wait()
	})
}

func TestOneWhoIsAloneDoesNotWait(t *testing.T) {
	gathering(t, func(_ *Store, await func() (int, time.Duration), g *gather) {
		for range 3 {
			g.committed(time.Second, 1)
			if n, took := await(); n != 1 || took != 0 {
				t.Errorf("a batch of %d after %v, want 1 at once", n, took)
			}
		}
	})
}

func TestWaitingInVainBecomesRare(t *testing.T) {
	gathering(t, func(_ *Store, await func() (int, time.Duration), g *gather) {
		var waited time.Duration
		const batches = 1000
		for range batches {
			g.committed(time.Millisecond, 2)
			_, took := await()
			waited += took
		}
		if most := 25 * time.Millisecond; waited == 0 || waited > most {
			t.Errorf("waited %v in %d batches in which nobody came, want at most %v and more than nothing", waited, batches, most)
		}
	})
}

func TestAQueueThatIsClosedEndsTheWait(t *testing.T) {
	gathering(t, func(s *Store, await func() (int, time.Duration), g *gather) {
		g.committed(time.Hour, 3)
		close(s.queue)
		if n, took := await(); n != 1 || took != 0 {
			t.Errorf("a batch of %d after %v, want 1 at once", n, took)
		}
	})
}

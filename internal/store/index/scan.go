package index

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/stint-jobs/stint/internal/job"
)

// scan goes over the jobs that a plan admits, a slice of them at a time, and lets the writer in
// between. Which jobs it goes over is decided when it is made; each counts as it is when the scan
// comes by.
type scan struct {
	ix       *Index
	plan     plan
	ids      *idSet // what it goes over; no other scan has this set
	desc     bool
	budget   int              // how many of ids it looks at; zero means all
	revision uint64           // of the index when it was made
	checked  uint64           // a job that did not change after this revision fits the plan's match
	skip     func(*slot) bool // says of a job that the plan admits that it need not be copied; nil copies all

	last job.ID // all ids up to this one were looked at
	done bool   // all of ids were looked at
}

// newScan returns a scan over a set of the index. The caller holds mu.
func (ix *Index) newScan(p *plan, ids *idSet, desc bool) *scan {
	return &scan{ix: ix, plan: *p, ids: ids.clone(), desc: desc, revision: ix.revision}
}

// each calls fn with each job until it returns false. Neither fn nor the plan's match is called
// under a lock.
func (s *scan) each(ctx context.Context, fn func(*Entry) bool) error {
	it := s.ids.iterate(s.desc)
	batch := make([]Entry, 0, min(s.plan.slice(), s.ids.len()))
	for looked := 0; it.HasNext(); looked += cap(batch) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.budget > 0 && looked >= s.budget {
			return nil
		}
		last, batch := s.copy(it, batch)
		if !s.evaluate(batch, fn) {
			return nil
		}
		s.last = last
	}
	s.done = true
	return nil
}

// copy fills a batch from the next ids, and returns the last of these.
func (s *scan) copy(it idIter, batch []Entry) (last job.ID, _ []Entry) {
	s.ix.mu.RLock()
	defer s.ix.mu.RUnlock()
	var c *chunk // of the last id; the next one is most often there too
	for n := 0; n < cap(batch) && it.HasNext(); n++ {
		id := job.ID(it.Next())
		if c == nil || id/chunkSize != last/chunkSize {
			c = s.ix.table.chunks[id/chunkSize]
		}
		if at := c.find(id); at != nil && s.plan.admits(at) && (s.skip == nil || !s.skip(at)) {
			batch = append(batch, s.ix.entry(c, at))
		}
		last = id
	}
	return last, batch
}

// evaluate calls fn with those of a batch that match, until it returns false, and reports whether
// it never did.
func (s *scan) evaluate(batch []Entry, fn func(*Entry) bool) bool {
	if s.plan.match != nil {
		defer s.ix.takeTurn()()
	}
	for i := range batch {
		e := &batch[i]
		if (s.plan.match == nil || e.revision <= s.checked || s.plan.match(e)) && !fn(e) {
			return false
		}
	}
	return true
}

// takeTurn waits until a goroutine may call a Match for a batch, and returns what ends that. Half
// of the processors do so at a time, batch by batch in turn, and others who can run come first. Who
// evaluates for long pauses behind each batch for as long as it took: filters use what is left over,
// and a thread that wakes does not wait until the system takes the processor from one of them.
func (ix *Index) takeTurn() (end func()) {
	ix.evaluators <- struct{}{}
	start := time.Now()
	return func() {
		if took := time.Since(start); ix.credit.spend(start, took) {
			time.Sleep(took) //nolint:forbidigo // it waits for nothing: the pause is what is wanted
		}
		<-ix.evaluators
		runtime.Gosched()
	}
}

// maxCredit is for how long filters are evaluated without a pause, where none were of late.
const maxCredit = 100 * time.Millisecond

// credit is the time for which filters may be evaluated without a pause. It comes back four times
// as slowly as it is spent.
type credit struct {
	mu    sync.Mutex
	spent time.Duration
	at    time.Time // up to when it has come back
}

// spend notes how long a batch took and reports whether the credit is used up.
func (c *credit) spend(start time.Time, took time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if start.After(c.at) {
		c.spent, c.at = max(0, c.spent-start.Sub(c.at)/4), start
	}
	c.spent = min(c.spent+took, maxCredit)
	return c.spent == maxCredit
}

// What is done between two looks at the caller's context: so much work, counted in bytes that a
// Match looks at.
const (
	sliceWork = 1 << 16
	entryCost = 16  // of coming by at all
	maxSlice  = 256 // jobs, whatever they cost
)

// slice returns how many jobs are copied at a time.
func (p *plan) slice() int {
	if p.match == nil {
		return maxSlice
	}
	return min(maxSlice, max(1, sliceWork/(p.cost+entryCost)))
}

// Scan calls fn with the jobs that a query asks for, in the order of ids, until it returns false.
// It lets the writer in now and then: each job counts as it is when the scan comes by. The query's
// order, cursor and limit do not count.
func (ix *Index) Scan(q Query, fn func(*Entry) bool) {
	ix.mu.RLock()
	p, ok := ix.plan(&q)
	if !ok {
		ix.mu.RUnlock()
		return
	}
	s := ix.newScan(&p, ix.candidates(&p.condition), false)
	ix.mu.RUnlock()
	_ = s.each(context.Background(), fn) // it has no other error than that of its context
}

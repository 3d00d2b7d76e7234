package store

import (
	"context"

	"github.com/stint-jobs/stint/internal/job"
)

// pick is a job on a page, as the index had it.
type pick struct {
	id       job.ID
	revision uint64
}

// picked is a page before its jobs are read.
type picked struct {
	jobs     []pick
	next     *Cursor
	total    int64
	partial  bool // total is a lower bound
	revision uint64
}

func (p *picked) take(e *Entry) { p.jobs = append(p.jobs, pick{e.ID(), e.Revision()}) }

const (
	// defaultSmallScan is up to which cost a condition is evaluated for each page anew; above, its answers are kept in a view.
	defaultSmallScan = 1 << 13
	// scanPause is after how many candidates a long scan lets the writer in.
	scanPause = 1 << 14
)

// pick finds the jobs of a page in the index.
func (s *Store) pick(ctx context.Context, q *Query, o order) (*picked, error) {
	s.ix.mu.RLock()
	p, ok := s.ix.plan(q)
	if !ok {
		defer s.ix.mu.RUnlock()
		return &picked{revision: s.ix.revision}, nil
	}
	n := s.ix.candidates(&p)
	_, cost := s.ix.byOwner(&p)
	s.ix.mu.RUnlock()

	desc, byID := o.byID()
	if byID && p.match != nil && n > int64(s.cfg.ScanBudget) {
		return s.pickSome(ctx, q, p, desc)
	}
	if p.match != nil && cost > s.cfg.smallScan {
		v, err := s.view(ctx, q.MatchKey, p)
		if err != nil {
			return nil, err
		}
		p.view = v
		if q.MatchKey == "" {
			defer func() {
				s.ix.mu.Lock()
				defer s.ix.mu.Unlock()
				s.ix.dropView(v)
			}()
		}
	}
	if byID {
		return s.pickByID(q, p, desc), nil
	}
	return s.pickSorted(ctx, q, p, o)
}

// pickByID picks in the order of ids, at one moment.
func (s *Store) pickByID(q *Query, p plan, desc bool) *picked {
	s.ix.mu.RLock()
	defer s.ix.mu.RUnlock()
	s.ix.checkView(&p)
	out := &picked{revision: s.ix.revision}
	w := walk{ix: s.ix, plan: &p, desc: desc, look: int(^uint(0) >> 1)}
	if q.After != nil {
		w.from = q.After.at.id
	}
	out.total = s.ix.total(&p)
	if out.total == 0 {
		return out
	}
	w.run(func(e *Entry) bool {
		if len(out.jobs) == q.Limit {
			out.next = &Cursor{at: place{id: out.jobs[q.Limit-1].id}}
			return false
		}
		out.take(e)
		return int64(len(out.jobs)) < out.total // there are no more
	})
	return out
}

// total counts the jobs that a plan admits, by counters where they tell.
func (ix *index) total(p *plan) int64 {
	switch {
	case p.view != nil:
		return p.view.count
	case p.match == nil:
		return ix.candidates(p)
	}
	var n int64
	w := walk{ix: ix, plan: p, look: int(^uint(0) >> 1)}
	w.run(func(*Entry) bool { n++; return true })
	return n
}

// checkView goes without a view that does not tell the truth any more. The caller holds mu.
func (ix *index) checkView(p *plan) {
	if p.view != nil && !ix.usable(p.view) {
		p.view = nil
	}
}

// pickSorted picks in any other order, out of all jobs that fit. A long scan
// lets the writer in: each job counts as it is when the scan comes by.
func (s *Store) pickSorted(ctx context.Context, q *Query, p plan, o order) (*picked, error) {
	f := first{order: o, most: q.Limit + 1}
	out := &picked{}
	// Times grow with the ids, so this direction mostly meets the first ones first.
	w := walk{ix: s.ix, plan: &p, desc: o[0].Desc, look: scanPause}
	for !w.done {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.ix.mu.RLock()
		s.ix.checkView(&p)
		if w.from == 0 {
			out.revision, out.total = s.ix.revision, s.ix.total(&p)
		}
		w.run(func(e *Entry) bool {
			if q.After == nil || o.compare(e, &q.After.at) > 0 {
				f.show(e)
			}
			return true
		})
		s.ix.mu.RUnlock()
	}
	places := f.sorted()
	if len(places) > q.Limit {
		places = places[:q.Limit]
		out.next = cursorAt(places[q.Limit-1])
	}
	s.ix.mu.RLock()
	defer s.ix.mu.RUnlock()
	for _, at := range places {
		if k, i, ok := s.ix.slab.find(at.id); ok {
			out.jobs = append(out.jobs, pick{at.id, s.ix.slab.chunks[k].revision[i]})
		}
	}
	return out, nil
}

// pickSome picks in the order of ids among so many candidates that looking at
// all of them is too much: it looks at no more than the budget, and a page that is not full by then ends there.
func (s *Store) pickSome(ctx context.Context, q *Query, p plan, desc bool) (*picked, error) {
	out := &picked{partial: true}
	w := walk{ix: s.ix, plan: &p, desc: desc, look: scanPause}
	if q.After != nil {
		w.from = q.After.at.id
	}
	for looked := 0; !w.done && looked < s.cfg.ScanBudget; looked += scanPause {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.ix.mu.RLock()
		if looked == 0 {
			out.revision = s.ix.revision
		}
		w.run(func(e *Entry) bool {
			out.total++
			if len(out.jobs) < q.Limit {
				out.take(e)
			}
			return true
		})
		s.ix.mu.RUnlock()
	}
	switch n := len(out.jobs); {
	case out.total > int64(n):
		out.next = &Cursor{at: place{id: out.jobs[n-1].id}}
	case !w.done:
		out.next = &Cursor{at: place{id: w.from}}
	}
	return out, nil
}

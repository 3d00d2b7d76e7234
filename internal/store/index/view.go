package index

import (
	"context"
	"slices"
	"time"
)

// view keeps the results of one condition for all jobs. Apply notes which jobs changed and
// evaluates nothing. The next query that uses the view evaluates the noted jobs, without the lock,
// so that the writer does not wait for what a query asks for. A new view has all its candidates
// noted.
type view struct {
	key  string // MatchKey of the queries
	plan plan

	turn chan struct{} // holds one for the goroutine that evaluates or reads the results; taken before Index.mu
	fits *idSet        // the jobs that match; guarded by turn

	// Guarded by Index.mu for writing, or by Index.mu for reading together with turn.
	stale *idSet // jobs that changed since they were evaluated

	// Guarded by Index.mu.
	used    time.Time // when it was last asked for
	dropped bool      // changes are not noted any more
}

const (
	maxViews = 16
	viewIdle = time.Minute // a view without queries is dropped after this
)

// findView returns the view of a condition; nil when there is none. The caller holds mu for
// writing.
func (ix *Index) findView(key string, c condition) *view {
	for _, v := range ix.views {
		if v.key == key && v.plan.condition == c {
			v.used = ix.cfg.Now()
			return v
		}
	}
	return nil
}

// addView adds a view of some candidates, in the place of the one that was not used for longest.
// The caller holds mu for writing.
func (ix *Index) addView(key string, p *plan, candidates *idSet) *view {
	if len(ix.views) >= maxViews {
		ix.dropView(slices.MinFunc(ix.views, func(a, b *view) int { return a.used.Compare(b.used) }))
	}
	v := &view{
		key: key, plan: *p, turn: make(chan struct{}, 1),
		fits: new(idSet), stale: candidates.clone(), used: ix.cfg.Now(),
	}
	ix.views = append(ix.views, v)
	return v
}

// dropView gives a view up. The caller holds mu for writing.
func (ix *Index) dropView(v *view) {
	v.dropped = true
	ix.views = slices.DeleteFunc(ix.views, func(other *view) bool { return other == v })
}

// dropIdleViews drops the views without a recent query. The caller holds mu for writing.
func (ix *Index) dropIdleViews(now time.Time) {
	for _, v := range slices.Clone(ix.views) {
		if now.Sub(v.used) > viewIdle {
			ix.dropView(v)
		}
	}
}

// noteChange tells the views of a job that came, changed or goes. The caller is Apply, which holds
// mu for writing.
func (ix *Index) noteChange(s *slot) {
	for _, v := range ix.views {
		if v.plan.owner == anyNumber || v.plan.owner == int(s.ownerNo) {
			v.stale.add(s.id)
		}
	}
}

func (ix *Index) pageOfView(ctx context.Context, q *Query, o order, v *view) (*Page, error) {
	select {
	case v.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-v.turn }()
	for ctx.Err() == nil {
		page, s := ix.readView(q, o, v)
		switch {
		case page != nil:
			return page, nil
		case s != nil:
			return s.page(ctx, q, o)
		}
		ix.settle(ctx, v)
	}
	return nil, ctx.Err()
}

// readView returns a page of a view, or what to make the page of: a scan over the jobs that match,
// or over all candidates when the view was given up. It returns neither while there are stale
// results. The caller has the view's turn.
func (ix *Index) readView(q *Query, o order, v *view) (*Page, *scan) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	desc, byID := o.byID()
	switch {
	case v.dropped:
		return nil, ix.newScan(&v.plan, ix.candidates(&v.plan.condition), desc)
	case v.stale.len() > 0:
		return nil, nil
	case byID:
		return ix.pageOf(v.fits, q, o), nil
	default:
		s := ix.newScan(&v.plan, v.fits, desc)
		s.checked = ix.revision
		return nil, s
	}
}

// settle evaluates the jobs that changed until now, and ends early with ctx. The caller has the
// view's turn.
func (ix *Index) settle(ctx context.Context, v *view) {
	ix.mu.RLock()
	s := ix.newScan(&v.plan, v.stale, false)
	v.stale = new(idSet)
	ix.mu.RUnlock()
	defer func() { // also when match panics
		if !s.done {
			s.ids.keepBehind(s.last, false)
			ix.mu.RLock()
			defer ix.mu.RUnlock()
			v.stale = v.stale.or(s.ids)
		}
	}()
	v.fits.removeAll(s.ids)
	_ = s.each(ctx, func(e *Entry) bool { v.fits.add(e.id); return true }) // the caller looks at ctx
}

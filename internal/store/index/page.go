package index

import (
	"container/heap"
	"context"
	"fmt"
	"slices"

	"github.com/stint-jobs/stint/internal/job"
)

// Page is the part of a query's result that begins behind its cursor.
type Page struct {
	// Rows in the query's order.
	Rows []Row
	// Next continues behind this page. Nil when it is the last one.
	Next *Cursor
	// Total is how many jobs match on all pages.
	Total int64
	// Exact is whether Total was counted to the end. Otherwise it is a lower bound.
	Exact bool
	// Revision that the page was read at.
	Revision uint64

	sorted []position // of the rows, where they are not in the order of ids
}

// Behind returns the cursor that continues behind a row of the page.
func (p *Page) Behind(row int) *Cursor {
	if p.sorted != nil {
		return cursorAt(p.sorted[row])
	}
	return &Cursor{at: position{id: p.Rows[row].ID}}
}

// Row is a job on a page, as the index had it.
type Row struct {
	// ID of the job.
	ID job.ID
	// Revision of its last change.
	Revision uint64
}

func (p *Page) add(e *Entry) { p.Rows = append(p.Rows, Row{e.ID(), e.Revision()}) }

// Page returns a page of jobs. A cursor that cannot be of the query's order is a job.InvalidError.
func (ix *Index) Page(ctx context.Context, q *Query) (*Page, error) {
	o := normalOrder(q.Order)
	if q.Limit <= 0 {
		return nil, fmt.Errorf("of %d jobs: %w", q.Limit, job.Invalid("page_size", "must be positive"))
	}
	if q.After != nil && !q.After.fits(o) {
		return nil, job.Invalid("page_token", "belongs to another order")
	}
	ix.mu.RLock()
	p, ok := ix.plan(q)
	if !ok {
		defer ix.mu.RUnlock()
		return &Page{Exact: true, Revision: ix.revision}, nil
	}
	n := ix.candidates(&p)
	_, cost := ix.byOwner(&p)
	ix.mu.RUnlock()

	desc, byID := o.byID()
	switch {
	case p.match == nil && byID:
		return ix.pageByID(q, p, desc), nil
	case p.match == nil:
		return ix.pageSorted(ctx, q, p, o)
	case byID && n > ix.matchBudget(&p):
		return ix.pageWithinBudget(ctx, q, p, desc)
	case cost > ix.cfg.SmallScan:
		return ix.pageOfView(ctx, q, p, o)
	case byID:
		return ix.pageScanned(ctx, q, p, desc)
	}
	return ix.pageSorted(ctx, q, p, o)
}

// matchBudget is how many candidates a page looks at: fewer than ScanBudget where Match costs more than usual.
func (ix *Index) matchBudget(p *plan) int64 {
	return int64(max(1, ix.cfg.ScanBudget*defaultMatchCost/max(defaultMatchCost, p.cost)))
}

// pageOfView makes a page of a condition whose results are kept.
func (ix *Index) pageOfView(ctx context.Context, q *Query, p plan, o order) (*Page, error) {
	v, err := ix.view(ctx, q.MatchKey, p)
	if err != nil {
		return nil, err
	}
	if q.MatchKey == "" {
		defer func() {
			ix.mu.Lock()
			defer ix.mu.Unlock()
			ix.dropView(v)
		}()
	}
	desc, byID := o.byID()
	for ctx.Err() == nil {
		page, ok, err := ix.pageOfSettled(ctx, q, p, v, o)
		switch {
		case err != nil || page != nil:
			return page, err
		case !ok && byID:
			return ix.pageScanned(ctx, q, p, desc)
		case !ok:
			return ix.pageSorted(ctx, q, p, o)
		}
	}
	return nil, ctx.Err()
}

// pageOfSettled makes a page of a view that is up to date. It returns nil when it is not up to date, after it has evaluated some
// of what changed, and is not ok when the view was given up.
func (ix *Index) pageOfSettled(ctx context.Context, q *Query, p plan, v *view, o order) (page *Page, ok bool, err error) {
	select {
	case v.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	defer func() { <-v.turn }()
	p.view = v
	desc, byID := o.byID()
	settled := false
	ix.slice(func() {
		if ok = ix.usable(v); !ok {
			return
		}
		if settled = len(v.stale) == 0; settled && byID {
			page = ix.pageNow(q, p, desc)
		}
	})
	switch {
	case !ok || page != nil:
		return page, ok, nil
	case settled:
		page, err = ix.pageSorted(ctx, q, p, o)
		return page, true, err
	}
	ix.settle(v)
	return nil, true, nil
}

// pageByID makes a page in the order of ids without a Match, at one moment.
func (ix *Index) pageByID(q *Query, p plan, desc bool) *Page {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return ix.pageNow(q, p, desc)
}

// pageNow makes a page of a plan that calls no Match. The caller holds mu, and that of the plan's view.
func (ix *Index) pageNow(q *Query, p plan, desc bool) *Page {
	out := &Page{Exact: true, Revision: ix.revision}
	s := scanner{ix: ix, plan: &p, desc: desc, look: noPause}
	if q.After != nil {
		s.from = q.After.at.id
	}
	out.Total = ix.total(&p)
	if out.Total == 0 {
		return out
	}
	s.run(func(e *Entry) bool {
		if len(out.Rows) == q.Limit {
			out.Next = &Cursor{at: position{id: out.Rows[q.Limit-1].ID}}
			return false
		}
		out.add(e)
		return int64(len(out.Rows)) < out.Total // there are no more
	})
	return out
}

// pageScanned makes a page in the order of ids by calling Match for all candidates, slice by slice: each job counts as it is
// when the scan comes by.
func (ix *Index) pageScanned(ctx context.Context, q *Query, p plan, desc bool) (*Page, error) {
	out := &Page{Exact: true, Revision: ix.Revision()}
	s := scanner{ix: ix, plan: &p, desc: desc}
	for !s.done {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.next(func(e *Entry) bool {
			out.Total++
			switch id := e.ID(); {
			case q.After != nil && (id == q.After.at.id || id < q.After.at.id != desc):
			case len(out.Rows) == q.Limit:
				out.Next = &Cursor{at: position{id: out.Rows[q.Limit-1].ID}}
			default:
				out.add(e)
			}
			return true
		})
	}
	return out, nil
}

// total counts the jobs of a plan that calls no Match. The caller holds mu, and that of the plan's view.
func (ix *Index) total(p *plan) int64 {
	if p.view != nil {
		return p.view.count
	}
	return ix.candidates(p)
}

// pageSorted makes a page in any other order, out of all jobs that fit. A long scan
// lets the writer in: each job counts as it is when the scan comes by. The caller has the turn of the plan's view.
func (ix *Index) pageSorted(ctx context.Context, q *Query, p plan, o order) (*Page, error) {
	top := topN{order: o, limit: q.Limit + 1}
	out := &Page{Exact: true, Revision: ix.Revision()}
	// Times grow with the ids, so this direction mostly meets the first ones first.
	s := scanner{ix: ix, plan: &p, desc: o[0].Desc}
	for !s.done {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.next(func(e *Entry) bool {
			out.Total++
			if q.After == nil || o.compare(e, &q.After.at) > 0 {
				top.offer(e)
			}
			return true
		})
	}
	positions := top.sorted()
	if len(positions) > q.Limit {
		positions = positions[:q.Limit]
		out.Next = cursorAt(positions[q.Limit-1])
	}
	for _, at := range positions {
		out.Rows = append(out.Rows, Row{at.id, at.revision})
		out.sorted = append(out.sorted, at)
	}
	return out, nil
}

// pageWithinBudget makes a page in the order of ids among so many candidates that looking at
// all of them is too much: it looks at no more than the budget, and a page that is not full by then ends there.
func (ix *Index) pageWithinBudget(ctx context.Context, q *Query, p plan, desc bool) (*Page, error) {
	out := &Page{Revision: ix.Revision()}
	s := scanner{ix: ix, plan: &p, desc: desc}
	if q.After != nil {
		s.from = q.After.at.id
	}
	for looked := int64(0); !s.done && looked < ix.matchBudget(&p); looked += int64(s.look) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.next(func(e *Entry) bool {
			out.Total++
			if len(out.Rows) < q.Limit {
				out.add(e)
			}
			return true
		})
	}
	switch n := len(out.Rows); {
	case out.Total > int64(n):
		out.Next = &Cursor{at: position{id: out.Rows[n-1].ID}}
	case !s.done:
		out.Next = &Cursor{at: position{id: s.from}}
	}
	return out, nil
}

// topN keeps the jobs that come first in an order, out of any number that it is offered.
type topN struct {
	order order
	limit int
	heap  positionHeap // the last of the kept is on top
}

// offer keeps the job, if it is among the first so far.
func (t *topN) offer(e *Entry) {
	if len(t.heap.positions) == t.limit {
		if t.order.compare(e, &t.heap.positions[0]) >= 0 {
			return
		}
		t.order.setPosition(&t.heap.positions[0], e)
		heap.Fix(&t.heap, 0)
		return
	}
	t.heap.order = t.order
	var p position
	t.order.setPosition(&p, e)
	heap.Push(&t.heap, p)
}

// sorted returns the kept jobs in order.
func (t *topN) sorted() []position {
	slices.SortFunc(t.heap.positions, func(a, b position) int { return t.order.comparePositions(&a, &b) })
	return t.heap.positions
}

// positionHeap orders positions for container/heap, the last on top.
type positionHeap struct {
	order     order
	positions []position
}

func (h *positionHeap) Len() int { return len(h.positions) }
func (h *positionHeap) Less(i, j int) bool {
	return h.order.comparePositions(&h.positions[i], &h.positions[j]) > 0
}

func (h *positionHeap) Swap(i, j int) {
	h.positions[i], h.positions[j] = h.positions[j], h.positions[i]
}

// Push appends; it is called by container/heap.
func (h *positionHeap) Push(x any) {
	if p, ok := x.(position); ok {
		h.positions = append(h.positions, p)
	}
}

// Pop takes the last; it is called by container/heap.
func (h *positionHeap) Pop() any {
	last := len(h.positions) - 1
	p := h.positions[last]
	h.positions = h.positions[:last]
	return p
}

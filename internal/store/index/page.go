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
	if byID && p.match != nil && n > int64(ix.cfg.ScanBudget) {
		return ix.pageWithinBudget(ctx, q, p, desc)
	}
	if p.match != nil && cost > ix.cfg.SmallScan {
		v, err := ix.view(ctx, q.MatchKey, p)
		if err != nil {
			return nil, err
		}
		p.view = v
		if q.MatchKey == "" {
			defer func() {
				ix.mu.Lock()
				defer ix.mu.Unlock()
				ix.dropView(v)
			}()
		}
	}
	if byID {
		return ix.pageByID(q, p, desc), nil
	}
	return ix.pageSorted(ctx, q, p, o)
}

// pageByID makes a page in the order of ids, at one moment.
func (ix *Index) pageByID(q *Query, p plan, desc bool) *Page {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	ix.checkView(&p)
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

// total counts the jobs that a plan admits, by counters where they tell.
func (ix *Index) total(p *plan) int64 {
	switch {
	case p.view != nil:
		return p.view.count
	case p.match == nil:
		return ix.candidates(p)
	}
	var n int64
	s := scanner{ix: ix, plan: p, look: noPause}
	s.run(func(*Entry) bool { n++; return true })
	return n
}

// checkView takes a view out of a plan when it is not kept right any more. The caller holds mu.
func (ix *Index) checkView(p *plan) {
	if p.view != nil && !ix.usable(p.view) {
		p.view = nil
	}
}

// pageSorted makes a page in any other order, out of all jobs that fit. A long scan
// lets the writer in: each job counts as it is when the scan comes by.
func (ix *Index) pageSorted(ctx context.Context, q *Query, p plan, o order) (*Page, error) {
	top := topN{order: o, limit: q.Limit + 1}
	out := &Page{Exact: true}
	// Times grow with the ids, so this direction mostly meets the first ones first.
	s := scanner{ix: ix, plan: &p, desc: o[0].Desc, look: scanPause}
	for !s.done {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ix.mu.RLock()
		ix.checkView(&p)
		if s.from == 0 {
			out.Revision, out.Total = ix.revision, ix.total(&p)
		}
		s.run(func(e *Entry) bool {
			if q.After == nil || o.compare(e, &q.After.at) > 0 {
				top.offer(e)
			}
			return true
		})
		ix.mu.RUnlock()
	}
	positions := top.sorted()
	if len(positions) > q.Limit {
		positions = positions[:q.Limit]
		out.Next = cursorAt(positions[q.Limit-1])
	}
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	for _, at := range positions {
		if k, i, ok := ix.table.find(at.id); ok {
			out.Rows = append(out.Rows, Row{at.id, ix.table.chunks[k].revision[i]})
			out.sorted = append(out.sorted, at)
		}
	}
	return out, nil
}

// pageWithinBudget makes a page in the order of ids among so many candidates that looking at
// all of them is too much: it looks at no more than the budget, and a page that is not full by then ends there.
func (ix *Index) pageWithinBudget(ctx context.Context, q *Query, p plan, desc bool) (*Page, error) {
	out := &Page{}
	s := scanner{ix: ix, plan: &p, desc: desc, look: scanPause}
	if q.After != nil {
		s.from = q.After.at.id
	}
	for looked := 0; !s.done && looked < ix.cfg.ScanBudget; looked += scanPause {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if looked == 0 {
			out.Revision = ix.Revision()
		}
		s.locked(func(e *Entry) bool {
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

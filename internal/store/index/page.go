package index

import (
	"bytes"
	"context"
	"fmt"
	"math"
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

	order order // of rows without a key
}

// Behind returns the cursor that continues behind a row of the page.
func (p *Page) Behind(row int) *Cursor {
	if r := &p.Rows[row]; r.key == nil {
		return p.order.cursorBehind(r.ID)
	}
	return &Cursor{p.Rows[row].key}
}

func (p *Page) cut(limit int) {
	if len(p.Rows) > limit {
		p.Rows = p.Rows[:limit]
		p.Next = p.Behind(limit - 1)
	}
}

// Page returns a page of jobs. A cursor that cannot be of the query's order is a job.InvalidError.
func (ix *Index) Page(ctx context.Context, q *Query) (*Page, error) {
	o := normalOrder(q.Order)
	if q.Limit <= 0 {
		return nil, fmt.Errorf("of %d jobs: %w", q.Limit, job.Invalid("page_size", "must be positive"))
	}
	if q.After != nil && !o.fits(q.After) {
		return nil, job.Invalid("page_token", "belongs to another order")
	}
	page, s, v := ix.startPage(q, o)
	switch {
	case page != nil:
		return page, nil
	case v != nil:
		return ix.pageOfView(ctx, q, o, v)
	default:
		return s.page(ctx, q, o)
	}
}

// startPage returns a page that needs no evaluation, or the scan or the view that it has to be made
// of.
func (ix *Index) startPage(q *Query, o order) (*Page, *scan, *view) {
	kept := q.Match != nil && q.MatchKey != ""
	lock := ix.mu.RLocker()
	if kept {
		lock = &ix.mu // to add a view
	}
	lock.Lock()
	defer lock.Unlock()
	p, ok := ix.plan(q)
	if !ok {
		return &Page{Exact: true, Revision: ix.revision}, nil, nil
	}
	if kept {
		if v := ix.findView(q.MatchKey, p.condition); v != nil {
			return nil, nil, v
		}
	}
	set := ix.candidates(&p.condition)
	desc, byID := o.byID()
	// The budget is less where Match costs more than usual.
	budget := max(1, ix.cfg.ScanBudget*defaultMatchCost/max(defaultMatchCost, p.cost))
	switch {
	case p.match == nil && byID:
		return ix.pageOf(set, q, o), nil, nil
	case p.match != nil && byID && set.len() > budget:
		s := ix.newScan(&p, set, desc)
		s.budget = budget
		return nil, s, nil
	case kept && int64(set.len()) > ix.cfg.SmallScan:
		return nil, nil, ix.addView(q.MatchKey, &p, set)
	default:
		return nil, ix.newScan(&p, set, desc), nil
	}
}

func (ix *Index) pageOf(set *idSet, q *Query, o order) *Page {
	page := &Page{Total: int64(set.len()), Exact: true, Revision: ix.revision, order: o}
	for _, id := range set.behind(o.idOf(q.After), o[0].Desc, q.Limit+1) {
		_, s := ix.table.find(id)
		page.Rows = append(page.Rows, Row{ID: id, Revision: s.revision})
	}
	page.cut(q.Limit)
	return page
}

// page makes a page of what the scan goes over.
func (s *scan) page(ctx context.Context, q *Query, o order) (*Page, error) {
	first := firstRows{order: o, limit: min(q.Limit, s.ids.len()) + 1, last: math.MaxUint64}
	if q.After != nil {
		first.after = q.After.key
	}
	if q.After != nil && s.budget > 0 {
		s.ids.keepBehind(o.idOf(q.After), s.desc)
	}
	page := &Page{Exact: s.budget == 0, Revision: s.revision}
	if s.plan.match == nil && o.byTime() {
		if q.After != nil {
			first.first = o.time(first.after)
		}
		s.skip = func(at *slot) bool {
			page.Total++
			return first.outside(at)
		}
	}
	err := s.each(ctx, func(e *Entry) bool {
		if s.skip == nil {
			page.Total++
		}
		first.offer(e)
		return true
	})
	if err != nil {
		return nil, err
	}
	page.Rows = first.rows()
	page.cut(q.Limit)
	if page.Next == nil && !s.done {
		page.Next = o.cursorBehind(s.last) // the page ends where the budget does
	}
	return page, nil
}

// firstRows keeps the rows that come first in an order behind a key, out of any number of jobs.
type firstRows struct {
	order  order
	limit  int
	after  []byte // nil means before all
	kept   []Row
	sorted bool   // the first limit of kept are in order, and what stands behind them is not wanted
	key    []byte // of the job that is looked at

	// Of an order by time, as order.place has them: what is before the first or behind the last is not wanted.
	first, last uint64
}

// outside reports whether its time alone says that a job is not among the rows.
func (f *firstRows) outside(s *slot) bool {
	at := f.order.place(s)
	return at < f.first || at > f.last
}

// offer keeps a job, if it is among the first so far.
func (f *firstRows) offer(e *Entry) {
	f.key = f.order.appendKey(f.key[:0], e)
	if bytes.Compare(f.key, f.after) <= 0 || f.sorted && bytes.Compare(f.key, f.kept[f.limit-1].key) >= 0 {
		return
	}
	f.kept = append(f.kept, Row{e.id, e.revision, bytes.Clone(f.key)})
	if len(f.kept) >= 2*f.limit {
		f.kept, f.sorted = f.rows(), true
		if f.order.byTime() {
			f.last = f.order.time(f.kept[f.limit-1].key)
		}
	}
}

func (f *firstRows) rows() []Row {
	slices.SortFunc(f.kept, func(a, b Row) int { return bytes.Compare(a.key, b.key) })
	return f.kept[:min(len(f.kept), f.limit)]
}

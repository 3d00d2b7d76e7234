package store

import (
	"context"
	"fmt"
	"slices"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Query asks for a page of jobs. What it says of the jobs is taken together:
// a job must be in Scope and in one of States and of Service and fit Match.
type Query struct {
	// Scope is whose jobs.
	Scope Scope
	// States wanted; empty means any.
	States []jobsv1.State
	// Service wanted; empty means any.
	Service string
	// Match is any further condition; nil means none. It is called under the
	// index's lock, so it must be quick, call nothing of the store, and answer the same for the
	// same entry as long as it lives: of an expensive one the store keeps the answers.
	Match func(*Entry) bool
	// MatchKey names what Match asks for, for example the filter's text. Queries
	// with the same key share the answers that the store keeps. Empty means that they are kept for nobody.
	MatchKey string
	// Order to answer in; nil means newest first. Ties are broken by id in the direction of the last field.
	Order []Order
	// After continues behind another page of the same query. Nil means the beginning.
	After *Cursor
	// Limit is the most jobs to answer. It must be positive.
	Limit int
	// View is how much of each job: BASIC (also when unspecified) is without parameters, attempts and history.
	View jobsv1.JobView
}

// Page is the answer to a Query.
type Page struct {
	// Jobs in order. A job that stopped matching while the page was read is left out.
	Jobs []*jobsv1.Job
	// Next continues behind this page. Nil when it is the last one.
	Next *Cursor
	// Total is how many jobs match on all pages.
	Total int64
	// Exact is whether Total was counted to the end. Otherwise it is a lower bound.
	Exact bool
	// Revision that the page was read at. A watch may go on from it.
	Revision uint64
}

// Page answers a page of jobs. A cursor that cannot be of this order is a job.InvalidError.
func (s *Store) Page(ctx context.Context, q Query) (*Page, error) {
	o := normalOrder(q.Order)
	if q.Limit <= 0 {
		return nil, fmt.Errorf("page of %d jobs: %w", q.Limit, job.Invalid("page_size", "must be positive"))
	}
	if q.After != nil && !q.After.fits(o) {
		return nil, fmt.Errorf("page of jobs: %w", job.Invalid("page_token", "belongs to another order"))
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	p, err := s.pick(ctx, &q, o)
	if err != nil {
		return nil, fmt.Errorf("page of jobs: %w", err)
	}
	if s.betweenReads != nil {
		s.betweenReads()
	}
	page := &Page{Next: p.next, Total: p.total, Exact: !p.partial, Revision: p.revision}
	page.Jobs, err = s.rows(&q, p.jobs)
	return page, err
}

// rows reads the picked jobs. The index was read a moment before, and a job may
// have changed since: what was deleted or does not fit any more is left out.
func (s *Store) rows(q *Query, picked []pick) ([]*jobsv1.Job, error) {
	jobs := make([]*jobsv1.Job, 0, len(picked))
	err := s.read(func(r *reader) error {
		for _, p := range picked {
			j, raw, err := r.job(p.id, q.View)
			if err != nil {
				return err
			}
			if j == nil || j.GetRevision() != p.revision && !q.fits(p.id, raw) {
				continue
			}
			jobs = append(jobs, j)
		}
		return nil
	})
	return jobs, err
}

// fits decides by a record whether the query still wants the job.
func (q *Query) fits(id job.ID, raw []byte) bool {
	var h header
	if decodeHeader(id, raw, &h) != nil {
		return false
	}
	if q.Service != "" && h.service != q.Service {
		return false
	}
	if q.Match != nil && !q.Match(&Entry{h: &h}) {
		return false
	}
	return len(q.States) == 0 || slices.Contains(q.States, h.state)
}

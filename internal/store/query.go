package store

import (
	"context"
	"fmt"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
	"github.com/stint-jobs/stint/internal/store/record"
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
	// Match is any further condition; nil means none. It is called without a lock, and must return the same for the
	// same entry as long as it lives: of an expensive one the store keeps the results.
	Match func(*Entry) bool
	// MatchCost is how many bytes of a job Match looks at, at most. Zero means 1,024.
	MatchCost int
	// MatchKey names what Match asks for, for example the filter's text. Queries
	// with the same key share the results that the store keeps. Empty means that they are kept for nobody.
	MatchKey string
	// Order of the page; nil means newest first. Ties are broken by id in the direction of the last field.
	Order []Order
	// After continues behind another page of the same query. Nil means the first page.
	After *Cursor
	// Limit is how many jobs a page has at most. It must be positive.
	Limit int
	// MaxBytes ends a page early, once its stored jobs have so many bytes. A page has at least one job, however
	// large that is. 0 means no such bound.
	MaxBytes int
	// View is how much of each job: BASIC (also when unspecified) is without parameters, attempts and history.
	View jobsv1.JobView
}

// ViewStatus is what the status of a job is made of: FULL without parameters. No request can name it.
const ViewStatus = record.ViewStatus

// Page is the part of a query's result behind its cursor.
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

// Page returns a page of jobs. A cursor that cannot be of this order is a job.InvalidError.
func (s *Store) Page(ctx context.Context, q Query) (*Page, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	p, err := s.state.Index.Page(ctx, q.index())
	if err != nil {
		return nil, fmt.Errorf("page of jobs: %w", err)
	}
	if s.afterIndexRead != nil {
		s.afterIndexRead()
	}
	page := &Page{Next: p.Next, Total: p.Total, Exact: p.Exact, Revision: p.Revision}
	var read int
	page.Jobs, read, err = s.rows(&q, p.Rows)
	if read < len(p.Rows) {
		page.Next = p.Behind(read - 1)
	}
	return page, err
}

func (q *Query) index() *index.Query {
	return &index.Query{
		Scope: q.Scope, States: q.States, Service: q.Service, Match: q.Match, MatchCost: q.MatchCost, MatchKey: q.MatchKey,
		Order: q.Order, After: q.After, Limit: q.Limit,
	}
}

// rows reads the jobs of a page, as many as the query's bytes allow, and returns how many rows they are from. The index was
// read a moment before, and a job may have changed since: what was deleted or does not fit any more is left out.
func (s *Store) rows(q *Query, rows []index.Row) (jobs []*jobsv1.Job, read int, err error) {
	jobs = make([]*jobsv1.Job, 0, len(rows))
	err = s.view(func(tx *kv.ReadTx) error {
		size := 0
		for i, row := range rows {
			if size += record.Size(tx, row.ID, q.View); q.MaxBytes > 0 && size > q.MaxBytes && i > 0 {
				return nil
			}
			read = i + 1
			j, err := record.GetJob(tx, row.ID, q.View)
			if err != nil {
				return err
			}
			if j == nil || j.GetRevision() != row.Revision && !admits(tx, q, row.ID) {
				continue
			}
			jobs = append(jobs, j)
		}
		return nil
	})
	return jobs, read, err
}

// admits decides by a record whether the query still wants the job.
func admits(tx *kv.ReadTx, q *Query, id job.ID) bool {
	var h storev1.Header
	return record.DecodeHeader(id, tx.Get(record.Jobs, id.Key()), &h) == nil && q.index().Admits(id, &h)
}

// What a page is ordered by and continued with, and what a Match sees of a job; see package index.
type (
	// Entry is one job as the index sees it.
	Entry = index.Entry
	// Field is what a page may be ordered by.
	Field = index.Field
	// Order is one field of an order.
	Order = index.Order
	// Cursor is a position in an order.
	Cursor = index.Cursor
)

// The fields of an order. A time that is not set sorts before all times.
const (
	ByID           = index.ByID
	BySubmitTime   = index.BySubmitTime
	ByStartTime    = index.ByStartTime
	ByCompleteTime = index.ByCompleteTime
	ByService      = index.ByService
	ByState        = index.ByState
	ByOutputName   = index.ByOutputName
)

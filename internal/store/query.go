package store

import (
	"context"
	"fmt"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
	"github.com/stint-jobs/stint/internal/weight"
)

// Page is the part of a query's result behind its cursor.
type Page struct {
	index.Page

	// Jobs are those of Rows, in order. A job that stopped matching while the page was read is left out.
	Jobs []*jobsv1.Job
}

// Page returns a page of jobs. A cursor that cannot be of this order is a job.InvalidError.
func (s *Store) Page(ctx context.Context, q Query) (*Page, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	p, err := s.mem.index.Page(ctx, &q)
	if err != nil {
		return nil, fmt.Errorf("page of jobs: %w", err)
	}
	if s.afterIndexRead != nil {
		s.afterIndexRead()
	}
	jobs, taken, err := s.rows(&q, p.Rows)
	if err != nil {
		return nil, fmt.Errorf("page of jobs: %w", err)
	}
	if taken < len(p.Rows) {
		p.Next = p.Behind(taken - 1)
	}
	return &Page{Page: *p, Jobs: jobs}, nil
}

// smallPage is how many jobs are read without a turn.
const smallPage = 100

// rows reads the jobs of a page, as many as the query's bound allows, and returns how many rows they are from. The index was
// read a moment before, and a job may have changed since: what was deleted or does not fit any more is left out.
func (s *Store) rows(q *Query, rows []index.Row) (jobs []*jobsv1.Job, taken int, err error) {
	if s.cfg.Turn != nil && len(rows) > smallPage {
		defer s.cfg.Turn()() // before the transaction begins: one that waits keeps old pages of the database
	}
	jobs = make([]*jobsv1.Job, 0, len(rows))
	err = s.view(func(tx *kv.ReadTx) error {
		room := weight.NewBudget(q.Bound)
		for i, row := range rows {
			if !room.Add(file.Stored(tx, row.ID, q.View)...) {
				return nil
			}
			taken = i + 1
			j, err := file.GetJob(tx, row.ID, q.View)
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
	return jobs, taken, err
}

func admits(tx *kv.ReadTx, q *Query, id job.ID) bool {
	h, err := file.GetHeader(tx, id)
	return err == nil && h != nil && q.Admits(id, h)
}

// Admits reports whether a query asks for a job that is in memory. Its scope, order, cursor and limit do not count.
func Admits(q *Query, j *jobsv1.Job) bool {
	id, err := job.ParseID(j.GetId())
	return err == nil && q.Admits(id, file.HeaderOf(&storev1.Record{Job: j}))
}

// Count returns the exact counts by service and state of the jobs that a query asks for, and the revision that they hold at.
// Its order, cursor and limit do not count.
func (s *Store) Count(ctx context.Context, q Query) (*jobsv1.Summary, uint64, error) {
	if err := s.open(); err != nil {
		return nil, 0, err
	}
	sum, revision, err := s.mem.index.Count(ctx, q)
	if err != nil {
		return nil, 0, fmt.Errorf("count jobs: %w", err)
	}
	return sum, revision, nil
}

// What a page is ordered by and continued with, and what a Match sees of a job; see package index.
type (
	// Query asks for a page of jobs.
	Query = index.Query
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

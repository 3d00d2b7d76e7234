package jobs

import (
	"context"
	"slices"
	"strings"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/weight"
)

// selection is which jobs a watch, a summary or a batch is about: those of an owner, of some ids, that fit a filter.
type selection struct {
	scope  store.Scope
	ids    []job.ID // nil means all of the scope; 0 is the id of no job
	filter *filter  // nil means all
}

// filter is a compiled filter.
type filter struct {
	condition

	text string
}

// query returns the part of the scope that the filter asks for.
func (f *filter) query(scope store.Scope) store.Query {
	if f == nil {
		return store.Query{Scope: scope}
	}
	q := store.Query{Scope: scope, States: f.states, Service: f.service, Match: f.match, MatchCost: f.cost, MatchKey: f.text}
	if f.derived {
		q.MatchKey = "" // what it matches changes without a change of the jobs
	}
	return q
}

// fits reports whether a job fits the filter.
func (f *filter) fits(j *jobsv1.Job) bool {
	if f == nil {
		return true
	}
	q := f.query(store.Everyone)
	return !f.never && store.Admits(&q, j)
}

// compile reads the filter of a request. It is nil for one without words, which all jobs fit.
func (s *Service) compile(text string) (*filter, error) {
	text = strings.TrimSpace(text)
	cond, err := parseFilter(text, s.cfg.reasonOf)
	if err != nil || text == "" {
		return nil, err
	}
	return &filter{cond, text}, nil
}

// selected is what a request says of the jobs that it is about.
type selected interface {
	GetIds() []string
	GetOwner() string
	GetFilter() string
}

// selection reads what a request says of its jobs. Without an owner, ids reach what the caller may address.
func (s *Service) selection(ctx context.Context, req selected, ids []string) (selection, error) {
	var sel selection
	var err error
	if len(ids) > 0 && req.GetOwner() == "" {
		sel.scope, err = call.Reach(ctx)
	} else {
		sel.scope, err = call.Wanted(ctx, req.GetOwner())
	}
	if err != nil {
		return sel, err
	}
	if len(ids) > 0 {
		if sel.ids, err = parseIDs(ids); err != nil {
			return sel, err
		}
	}
	sel.filter, err = s.compile(req.GetFilter())
	return sel, err
}

// evaluate calls fn when it is the caller's turn to have a filter evaluated. Without a filter it need not wait.
func (s *Service) evaluate(ctx context.Context, f *filter, fn func() error) error {
	if f == nil || f.match == nil {
		return fn()
	}
	p, err := call.Caller(ctx)
	if err != nil {
		return err
	}
	leave, err := s.turns.enter(ctx, p.User)
	if err != nil {
		return err
	}
	defer leave()
	return fn()
}

// count returns the counts of the selected jobs, and the revision that they hold at.
func (s *Service) count(ctx context.Context, sel selection) (sum *jobsv1.Summary, revision uint64, err error) {
	switch {
	case sel.ids != nil:
		return s.countIDs(sel)
	case sel.filter == nil:
		sum, revision = s.cfg.Store.SummarizeAt(sel.scope)
		return sum, revision, nil
	case sel.filter.never:
		return &jobsv1.Summary{Total: &jobsv1.StateCounts{}}, s.cfg.Store.Revision(), nil
	}
	err = s.evaluate(ctx, sel.filter, func() error {
		sum, revision, err = s.cfg.Store.Count(ctx, sel.filter.query(sel.scope))
		return err
	})
	return sum, revision, err
}

// countIDs counts jobs one by one.
func (s *Service) countIDs(sel selection) (*jobsv1.Summary, uint64, error) {
	revision := s.cfg.Store.Revision()
	ids := slices.Compact(slices.Sorted(slices.Values(sel.ids)))
	found, _, err := s.cfg.Store.GetMany(sel.scope, ids, jobsv1.JobView_JOB_VIEW_BASIC, weight.Bound{})
	if err != nil {
		return nil, 0, err
	}
	sum := &jobsv1.Summary{Total: &jobsv1.StateCounts{}, Services: map[string]*jobsv1.StateCounts{}}
	for _, j := range found {
		if !sel.filter.fits(j) {
			continue
		}
		of := sum.Services[j.GetService()]
		if of == nil {
			of = &jobsv1.StateCounts{}
			sum.Services[j.GetService()] = of
		}
		for _, c := range []*jobsv1.StateCounts{sum.Total, of} {
			switch j.GetState() {
			case jobsv1.State_STATE_QUEUED:
				c.Queued++
			case jobsv1.State_STATE_RUNNING:
				c.Running++
			case jobsv1.State_STATE_COMPLETED:
				c.Completed++
			case jobsv1.State_STATE_FAILED:
				c.Failed++
			case jobsv1.State_STATE_CANCELLED:
				c.Cancelled++
			case jobsv1.State_STATE_UNSPECIFIED: // no job is in it
			}
		}
	}
	return sum, revision, nil
}

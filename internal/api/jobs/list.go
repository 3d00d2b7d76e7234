package jobs

import (
	"context"
	"strconv"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/store"
)

// List returns a page of jobs, filtered and sorted.
func (s *Service) List(ctx context.Context, req *jobsv1.ListRequest) (*jobsv1.ListResponse, error) {
	scope, err := call.Wanted(ctx, req.GetOwner())
	if err != nil {
		return nil, err
	}
	limit, err := page.Size(req.GetPageSize(), page.Default, page.Max)
	if err != nil {
		return nil, err
	}
	order, err := parseOrder(req.GetOrderBy())
	if err != nil {
		return nil, err
	}
	cond, err := parseFilter(req.GetFilter(), s.cfg.reasonOf)
	if err != nil {
		return nil, err
	}
	bound, err := s.bound(ctx, scope, req)
	if err != nil {
		return nil, err
	}
	after, err := s.cfg.Pages.Open(req.GetPageToken(), bound...)
	if err != nil {
		return nil, err
	}
	if cond.never {
		return &jobsv1.ListResponse{TotalSizeExact: true, Cursor: s.cfg.Pages.Cursor(s.cfg.Store.Revision())}, nil
	}
	kept := req.GetFilter()
	if cond.derived {
		kept = "" // what it matches changes without a change of the jobs
	}
	found, err := s.page(ctx, store.Query{
		Scope: scope, States: cond.states, Service: cond.service, Match: cond.match, MatchCost: cond.cost, MatchKey: kept,
		Order: order, After: after, Limit: limit, Bound: page.Bound, View: req.GetView(),
	})
	if err != nil {
		return nil, err
	}
	if req.GetView() == jobsv1.JobView_JOB_VIEW_FULL {
		if err := call.AuditRead(ctx, s.cfg.Store, found.Jobs...); err != nil {
			return nil, err
		}
	}
	s.cfg.explain(found.Jobs...)
	next, err := s.cfg.Pages.Seal(found.Next, bound...)
	if err != nil {
		return nil, err
	}
	return &jobsv1.ListResponse{
		Jobs: found.Jobs, NextPageToken: next,
		TotalSize: found.Total, TotalSizeExact: found.Exact, Cursor: s.cfg.Pages.Cursor(found.Revision),
	}, nil
}

// page reads a page, and where jobs have to be looked at one by one, when it is the caller's turn.
func (s *Service) page(ctx context.Context, q store.Query) (*store.Page, error) {
	if q.Match != nil {
		p, err := call.Caller(ctx)
		if err != nil {
			return nil, err
		}
		leave, err := s.turns.enter(ctx, p.User)
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	return s.cfg.Store.Page(ctx, q)
}

// bound is what must be the same on all pages of a list.
func (s *Service) bound(ctx context.Context, scope store.Scope, req *jobsv1.ListRequest) ([]string, error) {
	p, err := call.Caller(ctx)
	return []string{"jobs", p.User, scope.Owner, strconv.FormatBool(scope.All), req.GetFilter(), req.GetOrderBy()}, err
}

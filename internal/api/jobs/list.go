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
	f, err := s.compile(req.GetFilter())
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
	if f != nil && f.never {
		return &jobsv1.ListResponse{TotalSizeExact: true, Cursor: s.cfg.Pages.Cursor(s.cfg.Store.Revision())}, nil
	}
	q := f.query(scope)
	q.Order, q.After, q.Limit, q.Bound, q.View = order, after, limit, page.Bound, req.GetView()
	var found *store.Page
	if err := s.evaluate(ctx, f, func() error {
		found, err = s.cfg.Store.Page(ctx, q)
		return err
	}); err != nil {
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

// bound is what must be the same on all pages of a list.
func (s *Service) bound(ctx context.Context, scope store.Scope, req *jobsv1.ListRequest) ([]string, error) {
	p, err := call.Caller(ctx)
	return []string{"jobs", p.User, scope.Owner, strconv.FormatBool(scope.All), req.GetFilter(), req.GetOrderBy()}, err
}

package jobs

import (
	"context"
	"errors"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Keep keeps a finished job against retention. What its folder takes has to fit into the quota of the caller's workspace.
func (s *Service) Keep(ctx context.Context, req *jobsv1.KeepRequest) (*jobsv1.KeepResponse, error) {
	scope, id, err := address(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	j, err := s.cfg.Store.Get(scope, id)
	if err != nil {
		return nil, orNoJob(err, req.GetId())
	}
	s.keeping.Lock() // so that two that would not fit together do not both fit
	defer s.keeping.Unlock()
	var bytes int64
	if j.GetKeepTime() == nil && job.Terminal(j.GetState()) {
		if bytes, err = s.cfg.Folders.Job(id).DiskUse(ctx); err != nil {
			return nil, err
		}
		if err := s.cfg.Workspace.Fits(ctx, j.GetOwner(), bytes); err != nil {
			return nil, aboutJob(err)
		}
	}
	if j, err = s.cfg.Store.KeepJob(ctx, scope, id, bytes); err != nil {
		return nil, orNoJob(err, req.GetId())
	}
	s.cfg.explain(j)
	return &jobsv1.KeepResponse{Job: j}, nil
}

// aboutJob says of a quota that is reached that it is the job which does not fit.
func aboutJob(err error) error {
	if full, ok := errors.AsType[*job.UserError](err); ok && full.Reached != nil {
		full.Reached.Field = "id"
	}
	return err
}

// Unkeep takes back Keep.
func (s *Service) Unkeep(ctx context.Context, req *jobsv1.UnkeepRequest) (*jobsv1.UnkeepResponse, error) {
	scope, id, err := address(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	j, err := s.cfg.Store.UnkeepJob(ctx, scope, id)
	if err != nil {
		return nil, orNoJob(err, req.GetId())
	}
	s.cfg.explain(j)
	return &jobsv1.UnkeepResponse{Job: j}, nil
}

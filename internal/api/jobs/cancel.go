package jobs

import (
	"context"
	"errors"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/api/status"
	"github.com/stint-jobs/stint/internal/job"
)

// Cancel asks for a job to be ended. For a finished job it returns the job as it is.
func (s *Service) Cancel(ctx context.Context, req *jobsv1.CancelRequest) (*jobsv1.CancelResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	scope, id, err := address(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	j, err := s.cfg.Store.Update(ctx, scope, id, call.WishToCancel(p, req.GetReason()))
	if err != nil {
		return nil, orNoJob(err, req.GetId())
	}
	return &jobsv1.CancelResponse{Job: j}, nil
}

// BatchCancel asks for several jobs to be ended and returns what became of each.
func (s *Service) BatchCancel(ctx context.Context, req *jobsv1.BatchCancelRequest) (*jobsv1.BatchCancelResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	scope, err := call.Reach(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := parseIDs(req.GetIds())
	if err != nil {
		return nil, err
	}
	results, err := s.cfg.Store.UpdateMany(ctx, scope, ids, call.WishToCancel(p, req.GetReason()))
	if err != nil {
		return nil, err
	}
	resp := &jobsv1.BatchCancelResponse{}
	for i, r := range results {
		out := &jobsv1.CancelResult{Id: req.GetIds()[i]}
		if r.Err != nil {
			out.Error = status.Of(orNoJob(r.Err, out.GetId())).Proto()
		} else {
			out.Job = basic(r.Job)
		}
		resp.Results = append(resp.Results, out)
	}
	return resp, nil
}

// orNoJob gives a missing job the words for the one who asked for it.
func orNoJob(err error, id string) error {
	if errors.Is(err, job.ErrNotFound) {
		return noJob(id)
	}
	return err
}

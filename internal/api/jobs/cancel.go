package jobs

import (
	"context"
	"errors"
	"slices"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/api/status"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/weight"
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
	sel, err := s.selection(ctx, req, req.GetIds())
	if err != nil {
		return nil, err
	}
	if sel.ids == nil && sel.filter == nil {
		return nil, job.Invalid("ids", "must have at least one id, or a filter must be given, to say which jobs are to be cancelled")
	}
	resp := &jobsv1.BatchCancelResponse{}
	texts, err := s.toCancel(ctx, sel, req.GetIds(), resp)
	if err != nil {
		return nil, err
	}
	if len(texts) == 0 {
		return resp, nil
	}
	ids, err := parseIDs(texts)
	if err != nil {
		return nil, err
	}
	results, err := s.cfg.Store.UpdateMany(ctx, sel.scope, ids, call.WishToCancel(p, req.GetReason()))
	if err != nil {
		return nil, err
	}
	for i, r := range results {
		out := &jobsv1.CancelResult{Id: texts[i]}
		if r.Err != nil {
			out.Error = status.Of(orNoJob(r.Err, out.GetId())).Proto()
		} else {
			out.Job = basic(r.Job)
		}
		resp.Results = append(resp.Results, out)
	}
	return resp, nil
}

// toCancel returns the ids of the selected jobs, as they are named in results, and notes in the response how many more there are.
func (s *Service) toCancel(ctx context.Context, sel selection, asked []string, resp *jobsv1.BatchCancelResponse) ([]string, error) {
	switch {
	case sel.filter == nil:
		return asked, nil
	case sel.ids != nil:
		return s.fitting(sel, asked)
	case sel.filter.never:
		return nil, nil
	}
	q := sel.filter.query(sel.scope)
	q.MatchKey, q.Order = "", []store.Order{{Field: store.ByID}}
	if q.States = intersect(activeStates, q.States); sel.filter.states == nil {
		q.States = activeStates
	}
	if len(q.States) == 0 {
		return nil, nil
	}
	var texts []string
	err := s.evaluate(ctx, sel.filter, func() error {
		for len(texts) < job.MaxBatch {
			q.Limit = job.MaxBatch - len(texts)
			found, err := s.cfg.Store.Page(ctx, q)
			if err != nil {
				return err
			}
			for _, j := range found.Jobs {
				texts = append(texts, j.GetId())
			}
			if q.After = found.Next; q.After == nil {
				return nil
			}
		}
		all, _, err := s.cfg.Store.Count(ctx, q)
		resp.RemainingSize = max(0, all.GetTotal().GetQueued()+all.GetTotal().GetRunning()-int64(len(texts)))
		return err
	})
	return texts, err
}

// fitting returns those of the ids whose jobs are not left out by the filter. Ids of no job are among them.
func (s *Service) fitting(sel selection, asked []string) ([]string, error) {
	found, _, err := s.cfg.Store.GetMany(sel.scope, sel.ids, jobsv1.JobView_JOB_VIEW_BASIC, weight.Bound{})
	if err != nil {
		return nil, err
	}
	left := make(map[string]bool)
	for _, j := range found {
		left[j.GetId()] = !sel.filter.fits(j)
	}
	return slices.DeleteFunc(slices.Clone(asked), func(id string) bool { return left[id] }), nil
}

// activeStates are the states that are not final.
var activeStates = slices.DeleteFunc(slices.Clone(job.States), job.Terminal)

// orNoJob gives a missing job the words for the one who asked for it.
func orNoJob(err error, id string) error {
	if errors.Is(err, job.ErrNotFound) {
		return noJob(id)
	}
	return err
}

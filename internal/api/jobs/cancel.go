package jobs

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/api/status"
	"github.com/stint-jobs/stint/internal/auth"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// Cancel asks for a job to be ended. For a finished job it returns the job as it is.
func (s *Service) Cancel(ctx context.Context, req *jobsv1.CancelRequest) (*jobsv1.CancelResponse, error) {
	if err := job.CheckText("reason", req.GetReason(), job.MaxReason).Err(); err != nil {
		return nil, err
	}
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	scope, id, err := address(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	j, err := s.cfg.Store.Update(ctx, scope, id, wishToCancel(p, req.GetReason()))
	if err != nil {
		return nil, orNoJob(err, req.GetId())
	}
	return &jobsv1.CancelResponse{Job: j}, nil
}

// BatchCancel asks for several jobs to be ended and returns what became of each.
func (s *Service) BatchCancel(ctx context.Context, req *jobsv1.BatchCancelRequest) (*jobsv1.BatchCancelResponse, error) {
	if err := job.CheckText("reason", req.GetReason(), job.MaxReason).Err(); err != nil {
		return nil, err
	}
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
	results, err := s.cfg.Store.UpdateMany(ctx, scope, ids, wishToCancel(p, req.GetReason()))
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

// wishToCancel stores the wish. A job that no executor has yet is cancelled with it;
// otherwise the scheduler sees the wish and asks the executor.
func wishToCancel(p auth.Principal, reason string) func(*storev1.Record) error {
	return func(rec *storev1.Record) error {
		j := rec.GetJob()
		if err := needsReason(p, j.GetOwner(), reason); err != nil {
			return err
		}
		if job.Terminal(j.GetState()) || j.GetCancelTime() != nil { // the first wish counts
			return store.ErrUnchanged
		}
		j.CancelTime, j.CancelledBy, j.CancelReason = timestamppb.Now(), p.User, reason
		rec.CancelledByOperator = p.User != j.GetOwner()
		if rec.GetPhase() == storev1.Phase_PHASE_UNSPECIFIED {
			_, err := job.Transition(j, job.Cancelled(j, rec.GetCancelledByOperator()))
			return err
		}
		return nil
	}
}

// needsReason refuses what an operator does to somebody else's job without saying why.
func needsReason(p auth.Principal, owner, reason string) error {
	if owner == p.User || !p.Has(auth.RoleOperator) || strings.TrimSpace(reason) != "" {
		return nil
	}
	return job.Invalid("reason", "must say why, since the job belongs to %s; it is stored in the audit", owner)
}

// orNoJob gives a missing job the words for the one who asked for it.
func orNoJob(err error, id string) error {
	if errors.Is(err, job.ErrNotFound) {
		return noJob(id)
	}
	return err
}

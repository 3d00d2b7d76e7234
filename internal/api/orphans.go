package api

import (
	"context"
	"errors"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// ListOrphans answers the jobs on the engines that this installation started and does not know.
func (s *admin) ListOrphans(ctx context.Context, _ *stintv1.ListOrphansRequest) (*stintv1.ListOrphansResponse, error) {
	orphans, unreachable := s.Scheduler.Orphans(ctx)
	return &stintv1.ListOrphansResponse{Orphans: orphans, Unreachable: unreachable}, nil
}

// CancelOrphan asks an engine to end an orphan.
func (s *admin) CancelOrphan(ctx context.Context, req *stintv1.CancelOrphanRequest) (*stintv1.CancelOrphanResponse, error) {
	err := s.Scheduler.CancelOrphan(ctx, req.GetExecutor(), req.GetEngineId())
	if errors.Is(err, job.ErrNotFound) {
		return nil, job.Userf(job.ErrNotFound, "There is no orphan %q on an executor %q.", short(req.GetEngineId()), short(req.GetExecutor()))
	}
	if err != nil {
		return nil, err
	}
	return &stintv1.CancelOrphanResponse{}, nil
}

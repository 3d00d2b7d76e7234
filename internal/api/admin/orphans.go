package admin

import (
	"context"
	"errors"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/job"
)

// ListOrphans returns the jobs on the engines that this installation started and does not know.
func (s *admin) ListOrphans(ctx context.Context, _ *adminv1.ListOrphansRequest) (*adminv1.ListOrphansResponse, error) {
	orphans, unreachable := s.cfg.Scheduler.Orphans(ctx)
	return &adminv1.ListOrphansResponse{Orphans: orphans, Unreachable: unreachable}, nil
}

// CancelOrphan asks an engine to end an orphan.
func (s *admin) CancelOrphan(ctx context.Context, req *adminv1.CancelOrphanRequest) (*adminv1.CancelOrphanResponse, error) {
	err := s.cfg.Scheduler.CancelOrphan(ctx, req.GetExecutor(), req.GetEngineId())
	if errors.Is(err, job.ErrNotFound) {
		return nil, job.Missingf("stint.admin.v1.Orphan", req.GetEngineId(), "There is no orphan %q on an executor %q.", call.Short(req.GetEngineId()), call.Short(req.GetExecutor()))
	}
	if err != nil {
		return nil, err
	}
	return &adminv1.CancelOrphanResponse{}, nil
}

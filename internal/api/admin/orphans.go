package admin

import (
	"context"
	"errors"
	"slices"
	"strings"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/job"
)

// ListOrphans returns the jobs on the engines that this installation started and does not know.
func (s *admin) ListOrphans(ctx context.Context, req *adminv1.ListOrphansRequest) (*adminv1.ListOrphansResponse, error) {
	limit, err := page.Size(req.GetPageSize(), page.Default, page.Max)
	if err != nil {
		return nil, err
	}
	after, err := s.cfg.Pages.OpenKey(req.GetPageToken(), "orphans")
	if err != nil {
		return nil, err
	}
	orphans, unreachable := s.cfg.Scheduler.Orphans(ctx)
	orphans = slices.Clone(orphans)
	slices.SortFunc(orphans, func(a, b *adminv1.Orphan) int { return strings.Compare(orphanKey(a), orphanKey(b)) })
	part, next := page.Cut(orphans, orphanKey, after, limit)
	return &adminv1.ListOrphansResponse{
		Orphans: part, Unreachable: unreachable, NextPageToken: s.cfg.Pages.SealKey(next, "orphans"), TotalSize: int64(len(orphans)),
	}, nil
}

// orphanKey is what orphans are sorted by. Names of executors have no zero byte.
func orphanKey(o *adminv1.Orphan) string { return o.GetExecutor() + "\x00" + o.GetEngineId() }

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

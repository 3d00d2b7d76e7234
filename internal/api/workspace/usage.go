package workspace

import (
	"context"

	"google.golang.org/protobuf/proto"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workspace"
)

// GetUsage returns what the caller's files take and may take, and of each kind in job.Quotas how much is used and where it ends.
func (s *Service) GetUsage(ctx context.Context, _ *workspacev1.GetUsageRequest) (*workspacev1.GetUsageResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	u, err := s.cfg.Workspace.Usage(ctx, p.User)
	if err != nil {
		return nil, err
	}
	quotas, err := s.quotas(p, u)
	return &workspacev1.GetUsageResponse{
		UsedBytes: u.UsedBytes, MaxBytes: u.QuotaBytes,
		UsedEntries: u.UsedEntries, MaxEntries: u.QuotaEntries, MaxDepth: int32(u.MaxDepth), //nolint:gosec // a flag bounds it
		Quotas: quotas,
	}, err
}

// quotas returns a row for each kind of the table.
func (s *Service) quotas(p auth.Principal, u workspace.Usage) (rows []*workspacev1.Quota, _ error) {
	has, err := s.cfg.Store.Has(p.User)
	if err != nil {
		return nil, err
	}
	used := map[job.Quota]int64{
		job.QuotaWorkspaceBytes: u.UsedBytes, job.QuotaWorkspaceEntries: u.UsedEntries, job.QuotaActiveJobs: has.Active,
		job.QuotaUploads:  int64(s.cfg.Workspace.OpenUploads(p.User)),
		job.QuotaKeptJobs: int64(has.Kept), job.QuotaShares: int64(has.Given), job.QuotaTokens: int64(has.Tokens), job.QuotaSessions: int64(has.Sessions),
		job.QuotaReports: int64(has.Reports), job.QuotaReportsPerDay: s.cfg.ReportsToday(p.User),
	}
	limits := make(map[job.Quota]int64, len(job.Quotas))
	for i := range job.Quotas {
		limits[job.Quotas[i].Quota] = s.cfg.Limits.Of(job.Quotas[i].Quota)
	}
	if s.cfg.Audited != nil {
		used[job.QuotaAuditPerDay], limits[job.QuotaAuditPerDay] = s.cfg.Audited(p)
	}
	for i := range job.Quotas {
		kind := &job.Quotas[i]
		row := &workspacev1.Quota{
			Kind: string(kind.Quota), Title: kind.Title, Max: limits[kind.Quota], Bytes: kind.Unit == job.QuotaBytes, WayOut: kind.WayOut,
		}
		if kind.Of == job.OfUser {
			row.Used = proto.Int64(used[kind.Quota])
		}
		rows = append(rows, row)
	}
	return rows, nil
}

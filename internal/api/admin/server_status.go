package admin

import (
	"context"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	"github.com/stint-jobs/stint/internal/api/call"
)

// serverStatus is the StatusService.
type serverStatus struct {
	adminv1.UnimplementedStatusServiceServer
	cfg Config
}

// GetServerStatus returns what users should know of the server.
func (s *serverStatus) GetServerStatus(ctx context.Context, _ *adminv1.GetServerStatusRequest) (*adminv1.GetServerStatusResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	set := s.cfg.Store.Settings()
	resp := &adminv1.GetServerStatusResponse{
		SubmissionsOpen: !set.GetSubmissionsClosed(), Message: set.GetMessage(), Version: s.cfg.Version,
		User: p.User, Executors: s.cfg.Scheduler.Status(),
	}
	for _, r := range p.Roles {
		resp.Roles = append(resp.Roles, string(r))
	}
	return resp, nil
}

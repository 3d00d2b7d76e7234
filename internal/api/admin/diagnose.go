package admin

import (
	"context"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
)

// Diagnose returns what the checks of the server found.
func (s *admin) Diagnose(ctx context.Context, _ *adminv1.DiagnoseRequest) (*adminv1.DiagnoseResponse, error) {
	resp := &adminv1.DiagnoseResponse{}
	if s.cfg.Diagnose != nil {
		resp.Checks = s.cfg.Diagnose(ctx)
	}
	return resp, nil
}

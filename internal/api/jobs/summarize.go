package jobs

import (
	"context"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
)

// Summarize returns exact counts of jobs by state and by service.
func (s *Service) Summarize(ctx context.Context, req *jobsv1.SummarizeRequest) (*jobsv1.SummarizeResponse, error) {
	scope, err := call.Wanted(ctx, req.GetOwner())
	if err != nil {
		return nil, err
	}
	sum, revision := s.cfg.Store.SummarizeAt(scope)
	return &jobsv1.SummarizeResponse{Summary: sum, Cursor: s.cfg.Pages.Cursor(revision)}, nil
}

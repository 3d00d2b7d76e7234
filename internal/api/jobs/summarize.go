package jobs

import (
	"context"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// Summarize returns exact counts of jobs by state and by service.
func (s *Service) Summarize(ctx context.Context, req *jobsv1.SummarizeRequest) (*jobsv1.SummarizeResponse, error) {
	sel, err := s.selection(ctx, req, req.GetIds())
	if err != nil {
		return nil, err
	}
	sum, revision, err := s.count(ctx, sel)
	if err != nil {
		return nil, err
	}
	return &jobsv1.SummarizeResponse{Summary: sum, Cursor: s.cfg.Pages.Cursor(revision)}, nil
}

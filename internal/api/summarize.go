package api

import (
	"context"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
)

// Summarize answers exact counts of jobs by state and by service.
func (s *jobs) Summarize(ctx context.Context, req *stintv1.SummarizeRequest) (*stintv1.SummarizeResponse, error) {
	scope, err := wanted(ctx, req.GetOwner())
	if err != nil {
		return nil, err
	}
	return &stintv1.SummarizeResponse{Summary: s.Store.Summarize(scope)}, nil
}

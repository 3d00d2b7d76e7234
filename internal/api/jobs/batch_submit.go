package jobs

import (
	"context"
	"fmt"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// BatchSubmit stores up to 1,000 jobs in one commit: all of them or none.
func (s *Service) BatchSubmit(ctx context.Context, req *jobsv1.BatchSubmitRequest) (*jobsv1.BatchSubmitResponse, error) {
	switch n := len(req.GetJobs()); {
	case n == 0:
		return nil, job.Invalid("jobs", "must have at least one job")
	case n > job.MaxBatch:
		return nil, job.Invalid("jobs", "has %d jobs; at most %d may be submitted at a time", n, job.MaxBatch)
	}
	in := submission{
		jobs: req.GetJobs(), requestID: requestID(ctx, req.GetRequestId()), validateOnly: req.GetValidateOnly(), body: req,
	}
	for i := range req.GetJobs() {
		in.prefixes = append(in.prefixes, fmt.Sprintf("jobs[%d].", i))
	}
	out, err := s.submit(ctx, in)
	if err != nil {
		return nil, err
	}
	return &jobsv1.BatchSubmitResponse{Jobs: out.jobs, Deduplicated: out.deduplicated, Warnings: out.warnings}, nil
}

package catalog

import (
	"context"
	"fmt"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/catalog"
	"github.com/stint-jobs/stint/internal/job"
)

// maxAdvisedFiles bounds the files that are looked for in one call. A form asks with each change.
const maxAdvisedFiles = 1000

// Advise returns what a job should ask for, by completed jobs like it. The files that the parameters
// name are looked for in the caller's own workspace, and nowhere else.
func (s *Service) Advise(ctx context.Context, req *catalogv1.AdviseRequest) (*catalogv1.AdviseResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	svc, err := s.cfg.Catalog.Catalog().Find(req.GetService())
	if err != nil {
		return nil, job.Invalid("service", "cannot be advised on: %s", err)
	}
	spec := svc.Proto()
	j := &jobsv1.Job{Service: spec.GetId(), ServiceVersion: spec.GetVersion(), Executor: spec.GetExecutor()}
	if req.GetVersion() != "" {
		j.ServiceVersion = req.GetVersion()
	}
	if j.GetExecutor() == "" {
		j.Executor = s.cfg.DefaultExecutor
	}
	_, wrong := svc.Check(req.GetParameters(), atMost(maxAdvisedFiles, s.cfg.Inputs(ctx, p.User, &j.InputBytes)))
	if err := job.Violations(wrong).Err(); err != nil {
		return nil, err
	}
	return &catalogv1.AdviseResponse{Advice: s.cfg.Advisor.Advise(j), InputBytes: j.GetInputBytes()}, nil
}

// atMost refuses files after the first n without a look at them.
func atMost(n int, files catalog.FileChecker) catalog.FileChecker {
	return func(path string, want catalog.Kind) error {
		if n--; n < 0 {
			return fmt.Errorf("is one file too many: advice looks at no more than %d", maxAdvisedFiles)
		}
		return files(path, want)
	}
}

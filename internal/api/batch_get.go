package api

import (
	"context"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/job"
)

// BatchGet answers several jobs; those that do not exist are listed apart.
func (s *jobs) BatchGet(ctx context.Context, req *jobsv1.BatchGetRequest) (*jobsv1.BatchGetResponse, error) {
	scope, err := call.Reach(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := parseIDs(req.GetIds())
	if err != nil {
		return nil, err
	}
	if err := checkView(req.GetView()); err != nil {
		return nil, err
	}
	found, _, err := s.Store.GetMany(scope, ids, req.GetView())
	if err != nil {
		return nil, err
	}
	if req.GetView() == jobsv1.JobView_JOB_VIEW_FULL {
		if err := call.AuditRead(ctx, s.Store, found...); err != nil {
			return nil, err
		}
	}
	byID := make(map[string]*jobsv1.Job, len(found))
	for _, j := range found {
		byID[j.GetId()] = j
	}
	resp := &jobsv1.BatchGetResponse{}
	for i, text := range req.GetIds() {
		if j := byID[text]; j != nil && ids[i] != 0 {
			resp.Jobs = append(resp.Jobs, j)
		} else {
			resp.MissingIds = append(resp.MissingIds, text)
		}
	}
	return resp, nil
}

// noJob says that there is no such job for the caller. Whether it is somebody
// else's or nobody's makes no difference in the answer.
func noJob(text string) error {
	return job.Userf(job.ErrNotFound, "There is no job %q, or it is not yours.", call.Short(text))
}

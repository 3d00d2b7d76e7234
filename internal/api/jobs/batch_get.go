package jobs

import (
	"context"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/job"
)

// BatchGet returns several jobs; those that do not exist are listed apart.
func (s *Service) BatchGet(ctx context.Context, req *jobsv1.BatchGetRequest) (*jobsv1.BatchGetResponse, error) {
	scope, err := call.Reach(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := parseIDs(req.GetIds())
	if err != nil {
		return nil, err
	}
	before := s.cfg.Store.Revision()
	found, _, err := s.cfg.Store.GetMany(scope, ids, req.GetView(), page.BatchBound)
	if err != nil {
		return nil, err
	}
	if req.GetView() == jobsv1.JobView_JOB_VIEW_FULL {
		if err := call.AuditRead(ctx, s.cfg.Store, found...); err != nil {
			return nil, err
		}
	}
	s.cfg.explain(found...)
	byID := make(map[string]*jobsv1.Job, len(found))
	for _, j := range found {
		byID[j.GetId()] = j
	}
	resp := &jobsv1.BatchGetResponse{Cursor: s.cfg.Pages.Cursor(before)}
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
	return job.Missingf("stint.jobs.v1.Job", text, "There is no job %q, or it is not yours.", call.Short(text))
}

// parseIDs reads the ids of a batch call.
func parseIDs(texts []string) ([]job.ID, error) {
	switch {
	case len(texts) == 0:
		return nil, job.Invalid("ids", "must have at least one id")
	case len(texts) > job.MaxBatch:
		return nil, job.Invalid("ids", "has %d ids; at most %d may be asked for at a time", len(texts), job.MaxBatch)
	}
	ids := make([]job.ID, len(texts))
	for i, t := range texts {
		id, err := job.ParseID(t)
		if err != nil {
			continue // 0 is the id of no job
		}
		ids[i] = id
	}
	return ids, nil
}

package api

import (
	"context"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Get answers one job in full.
func (s *jobs) Get(ctx context.Context, req *stintv1.GetRequest) (*stintv1.GetResponse, error) {
	j, err := s.find(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	return &stintv1.GetResponse{Job: j}, nil
}

// find is the job of that id, in full, if the caller may see it.
func (s *jobs) find(ctx context.Context, text string) (*stintv1.Job, error) {
	scope, err := reach(ctx)
	if err != nil {
		return nil, err
	}
	id, err := job.ParseID(text)
	if err != nil {
		return nil, noJob(text)
	}
	j, err := s.Store.Get(scope, id)
	if err != nil {
		return nil, orNoJob(err, text)
	}
	return j, s.auditRead(ctx, j)
}

package jobs

import (
	"context"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// Get returns one job in full.
func (s *Service) Get(ctx context.Context, req *jobsv1.GetRequest) (*jobsv1.GetResponse, error) {
	before := s.cfg.Store.Revision()
	j, err := s.find(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	s.cfg.explain(j)
	return &jobsv1.GetResponse{Job: j, Cursor: s.cfg.Pages.Cursor(before)}, nil
}

// holds returns the id of a job that a stream is about, and what it asks before each
// message: nil as long as the caller may see the job, then as if there were none.
func (s *Service) holds(ctx context.Context, j *jobsv1.Job) (job.ID, func() error, error) {
	scope, err := call.Reach(ctx)
	if err != nil {
		return 0, nil, err
	}
	id, err := job.ParseID(j.GetId())
	return id, func() error {
		if !s.cfg.Store.Sees(scope, id) {
			return noJob(j.GetId())
		}
		return nil
	}, err
}

// find is the job of that id, in full, if the caller may see it.
func (s *Service) find(ctx context.Context, text string) (*jobsv1.Job, error) {
	scope, id, err := address(ctx, text)
	if err != nil {
		return nil, err
	}
	j, err := s.cfg.Store.Get(scope, id)
	if err != nil {
		return nil, orNoJob(err, text)
	}
	return j, call.AuditRead(ctx, s.cfg.Store, j)
}

// address is the job of that id and the scope in which the caller may address
// it. An id that no job can have is answered like one that no job has.
func address(ctx context.Context, text string) (store.Scope, job.ID, error) {
	scope, err := call.Reach(ctx)
	if err != nil {
		return store.Scope{}, 0, err
	}
	id, err := job.ParseID(text)
	if err != nil {
		return store.Scope{}, 0, noJob(text)
	}
	return scope, id, nil
}

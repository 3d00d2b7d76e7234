package jobs

import (
	"context"
	"errors"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Share lets another user see parts of a job. Only its owner can. A name that was never seen is
// refused unless the request allows it. Rights that the user has already are replaced.
func (s *Service) Share(ctx context.Context, req *jobsv1.ShareRequest) (*jobsv1.ShareResponse, error) {
	scope, id, err := address(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	if known, err := s.known(req.GetUser()); err != nil {
		return nil, err
	} else if !known && !req.GetUnknownUser() {
		if _, err := s.cfg.Store.Get(scope, id); err != nil { // who cannot share the job learns nothing of users
			return nil, orNoJob(err, req.GetId())
		}
		return nil, job.Userf(job.ErrUserUnknown, "Nobody of the name %s was ever seen here. Check its spelling. A share can name somebody who is still to come, if the request sets unknown_user.", req.GetUser())
	}
	sh, err := s.cfg.Store.Share(ctx, scope, id, &jobsv1.Share{User: req.GetUser(), Rights: req.GetRights()})
	if err != nil {
		return nil, orNoJob(err, req.GetId())
	}
	return &jobsv1.ShareResponse{Share: sh}, nil
}

// Unshare takes back all that a user was given of a job. Its owner can, and operators. Their streams of it
// end: each asks before every message, and is woken by this.
func (s *Service) Unshare(ctx context.Context, req *jobsv1.UnshareRequest) (*jobsv1.UnshareResponse, error) {
	scope, id, err := address(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Store.Unshare(ctx, scope, id, req.GetUser()); err != nil {
		return nil, orNoJob(err, req.GetId())
	}
	return &jobsv1.UnshareResponse{}, nil
}

// known reports whether the server has seen a user of that name: one who signed in by a browser, or has a credential, jobs or files.
func (s *Service) known(user string) (bool, error) {
	if has, err := s.cfg.Store.Has(user); err != nil || has.Sessions > 0 || has.Tokens > 0 || has.Jobs > 0 || has.Received > 0 {
		return true, err
	}
	switch _, err := s.cfg.Store.User(user); {
	case err == nil:
		return true, nil
	case !errors.Is(err, job.ErrNotFound):
		return false, err
	}
	return s.cfg.Workspace.Exists(user), nil
}

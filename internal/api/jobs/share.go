package jobs

import (
	"context"
	"errors"
	"fmt"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Share lets another user see parts of a job. Only its owner can. A name that was never seen is
// refused unless the request allows it. Rights that the user has already are replaced.
func (s *Service) Share(ctx context.Context, req *jobsv1.ShareRequest) (*jobsv1.ShareResponse, error) {
	wrong := checkGrantee(req.GetUser())
	wrong = append(wrong, checkRights(req.GetRights())...)
	if err := wrong.Err(); err != nil {
		return nil, err
	}
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
	if err := checkGrantee(req.GetUser()).Err(); err != nil {
		return nil, err
	}
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
	if has := s.cfg.Store.Has(user); has.Sessions > 0 || has.Tokens > 0 || has.Jobs > 0 || has.Received > 0 {
		return true, nil
	}
	switch _, err := s.cfg.Store.User(user); {
	case err == nil:
		return true, nil
	case !errors.Is(err, job.ErrNotFound):
		return false, err
	}
	return s.cfg.Workspace.Exists(user), nil
}

func checkGrantee(user string) job.Violations {
	var wrong job.Violations
	switch {
	case user == "":
		wrong.Add("user", "must be the name of a user")
	case !job.ValidOwner(user):
		wrong.Add("user", "is no user name: letters, digits and . _ @ + - only, at most 128")
	}
	return wrong
}

// maxRights bounds the rights in one request: repeating one is no mistake, sending them by the thousand is.
const maxRights = 16

func checkRights(rights []jobsv1.ShareRight) job.Violations {
	var wrong job.Violations
	if n := len(rights); n == 0 || n > maxRights {
		wrong.Add("rights", "must have at least one right: HISTORY, LOGS, RESULTS or RERUN")
		return wrong
	}
	for i, r := range rights {
		if _, known := jobsv1.ShareRight_name[int32(r)]; !known || r == jobsv1.ShareRight_SHARE_RIGHT_UNSPECIFIED {
			wrong.Add(fmt.Sprintf("rights[%d]", i), "is no right; they are HISTORY, LOGS, RESULTS and RERUN")
		}
	}
	return wrong
}

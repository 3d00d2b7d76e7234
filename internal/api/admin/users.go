package admin

import (
	"context"
	"errors"
	"strings"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/auth"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// users is the UserService.
type users struct {
	adminv1.UnimplementedUserServiceServer
	cfg Config
}

// ListUsers returns the users of whom something is stored, by name.
func (s *users) ListUsers(_ context.Context, req *adminv1.ListUsersRequest) (*adminv1.ListUsersResponse, error) {
	limit, err := page.Size(req.GetPageSize(), page.Default, page.Max)
	if err != nil {
		return nil, err
	}
	bound := []string{"users", map[bool]string{true: "disabled"}[req.GetDisabled()]}
	after := ""
	if token := req.GetPageToken(); token != "" {
		plain, err := s.cfg.Pages.OpenBytes(token, bound...)
		if err != nil {
			return nil, err
		}
		after = string(plain)
	}
	found, more, err := s.cfg.Store.Users(after, limit, req.GetDisabled())
	if err != nil {
		return nil, err
	}
	resp := &adminv1.ListUsersResponse{}
	for _, u := range found {
		one, err := s.public(u.Name, u.User)
		if err != nil {
			return nil, err
		}
		resp.Users = append(resp.Users, one)
	}
	if more {
		resp.NextPageToken = s.cfg.Pages.SealBytes([]byte(found[len(found)-1].Name), bound...)
	}
	return resp, nil
}

// GetUser returns what is known of a user.
func (s *users) GetUser(_ context.Context, req *adminv1.GetUserRequest) (*adminv1.GetUserResponse, error) {
	u, err := s.user(req.GetUser())
	if err != nil {
		return nil, err
	}
	return &adminv1.GetUserResponse{User: u}, nil
}

// DisableUser lets a user in no more.
func (s *users) DisableUser(ctx context.Context, req *adminv1.DisableUserRequest) (*adminv1.DisableUserResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	name := req.GetUser()
	switch err := checkWhy(req.GetReason()); {
	case err != nil:
		return nil, err
	case name == p.User || name == p.Actor:
		return nil, job.Userf(job.ErrConflict, "You cannot disable yourself; ask another operator.")
	}
	ended, err := s.cfg.Users.Disable(ctx, name, p.User, req.GetReason())
	if err != nil {
		return nil, err
	}
	resp := &adminv1.DisableUserResponse{
		EndedSessions: int32(len(ended.Sessions)), RevokedTokens: int32(len(ended.Tokens)), //nolint:gosec // a user has few of both
	}
	if req.GetCancelJobs() {
		if resp.CancelledJobs, err = s.cancelAll(ctx, p, name, req.GetReason()); err != nil {
			return nil, err
		}
	}
	resp.User, err = s.user(name)
	return resp, err
}

// EnableUser lets a user in again.
func (s *users) EnableUser(ctx context.Context, req *adminv1.EnableUserRequest) (*adminv1.EnableUserResponse, error) {
	name := req.GetUser()
	if !s.cfg.Store.Standing(name).Disabled {
		return nil, job.Userf(job.ErrConflict, "%s is not disabled.", name)
	}
	if err := s.cfg.Users.Enable(ctx, name); err != nil {
		return nil, err
	}
	u, err := s.user(name)
	return &adminv1.EnableUserResponse{User: u}, err
}

// EraseUser deletes what a disabled user has here. Each step is audited with what it deletes, and may be repeated.
func (s *users) EraseUser(ctx context.Context, req *adminv1.EraseUserRequest) (*adminv1.EraseUserResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	name := req.GetUser()
	switch err := checkWhy(req.GetReason()); {
	case err != nil:
		return nil, err
	case req.GetConfirmUser() != name:
		return nil, job.Invalid("confirmUser", "must be the name of the user once more, %q", name)
	case !s.cfg.Store.Standing(name).Disabled:
		return nil, job.Userf(job.ErrConflict, "%s is not disabled. Disable them first, so that nothing new comes.", name)
	}
	e := call.AuditEntry(p, adminv1.UserService_EraseUser_FullMethodName)
	e.Subject, e.Reason = name, req.GetReason()
	if err := s.cfg.Store.Audit(ctx, e); err != nil {
		return nil, err
	}
	if _, err := s.cancelAll(ctx, p, name, req.GetReason()); err != nil {
		return nil, err
	}
	return s.erase(ctx, name)
}

func (s *users) erase(ctx context.Context, name string) (*adminv1.EraseUserResponse, error) {
	st, resp := s.cfg.Store, &adminv1.EraseUserResponse{}
	jobs, err := st.DeleteJobsOf(ctx, name)
	if err != nil {
		return nil, err
	}
	shares, err := st.UnshareWith(ctx, name)
	if err != nil {
		return nil, err
	}
	issues, err := st.DeleteIssuesOf(ctx, name)
	if err != nil {
		return nil, err
	}
	queued, running := st.Load(store.OwnedBy(name))
	resp.RemainingJobs = int64(queued + running)
	if resp.DeletedEntries, err = s.cfg.Workspace.Erase(ctx, name); err != nil {
		return nil, err
	}
	resp.DeletedJobs, resp.DeletedShares, resp.DeletedIssues = int64(jobs), int64(shares), int64(issues)
	return resp, nil
}

// cancelBatch is how many jobs are asked to end in one commit.
const cancelBatch = 500

// cancelAll asks for all jobs of a user to be ended that are not final, and returns how many.
func (s *users) cancelAll(ctx context.Context, p auth.Principal, name, reason string) (n int64, _ error) {
	for ids := s.cfg.Store.JobsOf(name, false); len(ids) > 0; {
		some := ids[:min(len(ids), cancelBatch)]
		results, err := s.cfg.Store.UpdateMany(ctx, store.OwnedBy(name), some, call.WishToCancel(p, reason))
		if err != nil {
			return n, err
		}
		for _, r := range results {
			if r.Err == nil {
				n++
			}
		}
		ids = ids[len(some):]
	}
	return n, nil
}

// user returns what is known of a user, or job.ErrNotFound where that is nothing.
func (s *users) user(name string) (*adminv1.User, error) {
	u, err := s.cfg.Store.User(name)
	if err != nil && !errors.Is(err, job.ErrNotFound) {
		return nil, err
	}
	out, err := s.public(name, u)
	if err == nil && u == nil && out.GetTokens() == 0 && out.GetTotalJobs() == 0 {
		return nil, job.Missingf("stint.admin.v1.User", name, "nothing is known here of a user %s", name)
	}
	return out, err
}

func (s *users) public(name string, u *storev1.User) (*adminv1.User, error) {
	has, err := s.cfg.Store.Has(name)
	if err != nil {
		return nil, err
	}
	return &adminv1.User{
		User: name, FirstSignInTime: u.GetFirstSignInTime(), DisableTime: u.GetDisableTime(), DisableReason: u.GetDisableReason(),
		DisabledBy: u.GetDisabledBy(), SignOutTime: u.GetSignOutTime(),
		Sessions: int32(has.Sessions), Tokens: int32(has.Tokens), //nolint:gosec // a user has few of both
		ActiveJobs: has.Active, TotalJobs: has.Jobs,
	}, nil
}

func checkWhy(reason string) error {
	if strings.TrimSpace(reason) == "" {
		return job.Invalid("reason", "must say why; it is stored in the audit")
	}
	return nil
}

package auth

import (
	"context"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/job"
)

// sessions is the SessionService.
type sessions struct {
	authv1.UnimplementedSessionServiceServer

	sessions *auth.Sessions // nil where browsers cannot sign in
	users    *auth.Users
}

// ListSessions returns where a user is signed in by a browser.
func (s *sessions) ListSessions(ctx context.Context, req *authv1.ListSessionsRequest) (*authv1.ListSessionsResponse, error) {
	p, user, err := whose(ctx, req.GetUser())
	if err != nil {
		return nil, err
	}
	resp := &authv1.ListSessionsResponse{}
	if s.sessions == nil {
		return resp, nil
	}
	all, err := s.sessions.List(user)
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		resp.Sessions = append(resp.Sessions, &authv1.Session{
			Id: one.GetId(), User: one.GetUser(), Roles: one.GetRoles(), CreateTime: one.GetCreateTime(),
			LastUseTime: one.GetLastUseTime(), ExpireTime: one.GetExpireTime(), Address: one.GetAddress(), UserAgent: one.GetUserAgent(),
			Current: p.How == auth.HowSession && p.TokenID == one.GetId(),
		})
	}
	return resp, nil
}

// RevokeSession ends a session, also for streams that are open.
func (s *sessions) RevokeSession(ctx context.Context, req *authv1.RevokeSessionRequest) (*authv1.RevokeSessionResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	user := p.User
	if call.Foreign(ctx, p) {
		user = ""
	}
	if s.sessions == nil {
		return nil, job.Missingf("stint.auth.v1.Session", req.GetId(), "there is no session with that id")
	}
	if err := s.sessions.Revoke(ctx, req.GetId(), user); err != nil {
		return nil, err
	}
	return &authv1.RevokeSessionResponse{}, nil
}

// SignOutEverywhere ends all sessions of a user.
func (s *sessions) SignOutEverywhere(ctx context.Context, req *authv1.SignOutEverywhereRequest) (*authv1.SignOutEverywhereResponse, error) {
	_, user, err := whose(ctx, req.GetUser())
	if err != nil {
		return nil, err
	}
	ended, err := s.users.SignOut(ctx, user, req.GetRevokeTokens())
	if err != nil {
		return nil, err
	}
	return &authv1.SignOutEverywhereResponse{
		EndedSessions: int32(len(ended.Sessions)), RevokedTokens: int32(len(ended.Tokens)), //nolint:gosec // a user has few of both
	}, nil
}

// whose returns the caller, and the user whom a call is about: the caller where it names none.
func whose(ctx context.Context, named string) (auth.Principal, string, error) {
	p, err := call.Caller(ctx)
	switch {
	case err != nil:
		return p, "", err
	case named == p.User:
		return p, named, nil
	case named != "":
		if err := call.Named(ctx); err != nil {
			return p, "", err
		}
	default:
		named = p.User
	}
	return p, named, nil
}

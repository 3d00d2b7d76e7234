package cli

import (
	"context"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
)

func (f *fake) ListSessions(_ context.Context, req *authv1.ListSessionsRequest) (*authv1.ListSessionsResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	resp := &authv1.ListSessionsResponse{}
	for _, s := range f.browsers {
		if user := req.GetUser(); user == s.GetUser() || user == "" && s.GetUser() == fakeCaller {
			resp.Sessions = append(resp.Sessions, s)
		}
	}
	return resp, nil
}

func (f *fake) RevokeSession(_ context.Context, req *authv1.RevokeSessionRequest) (*authv1.RevokeSessionResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.browsers)
	f.browsers = slices.DeleteFunc(f.browsers, func(s *authv1.Session) bool { return s.GetId() == req.GetId() })
	if len(f.browsers) == before {
		return nil, refuse(codes.NotFound, "NOT_FOUND", "there is no session with that id")
	}
	return &authv1.RevokeSessionResponse{}, nil
}

func (f *fake) SignOutEverywhere(_ context.Context, req *authv1.SignOutEverywhereRequest) (*authv1.SignOutEverywhereResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	resp := &authv1.SignOutEverywhereResponse{EndedSessions: int32(len(f.browsers))} //nolint:gosec // few
	f.browsers = nil
	if req.GetRevokeTokens() {
		resp.RevokedTokens = 2
	}
	return resp, nil
}

func (f *fake) find1(user string) *adminv1.User {
	for _, u := range f.known {
		if u.GetUser() == user {
			return u
		}
	}
	return nil
}

// ListUsers gives one user a page.
func (f *fake) ListUsers(_ context.Context, req *adminv1.ListUsersRequest) (*adminv1.ListUsersResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := 0
	if req.GetPageToken() != "" {
		at = int(req.GetPageToken()[0] - '0')
	}
	resp := &adminv1.ListUsersResponse{}
	if at < len(f.known) && (!req.GetDisabled() || f.known[at].GetDisableTime() != nil) {
		resp.Users = f.known[at : at+1]
	}
	if at+1 < len(f.known) {
		resp.NextPageToken = string(rune('0' + at + 1))
	}
	return resp, nil
}

func (f *fake) GetUser(_ context.Context, req *adminv1.GetUserRequest) (*adminv1.GetUserResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if u := f.find1(req.GetUser()); u != nil {
		return &adminv1.GetUserResponse{User: u}, nil
	}
	return nil, refuse(codes.NotFound, "NOT_FOUND", "nothing is known here of a user")
}

func (f *fake) DisableUser(_ context.Context, req *adminv1.DisableUserRequest) (*adminv1.DisableUserResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.find1(req.GetUser())
	u.DisableTime, u.DisableReason = timestamppb.Now(), req.GetReason()
	resp := &adminv1.DisableUserResponse{User: u, EndedSessions: 1, RevokedTokens: 2}
	if req.GetCancelJobs() {
		resp.CancelledJobs, u.ActiveJobs = u.GetActiveJobs(), 0
	}
	return resp, nil
}

func (f *fake) EnableUser(_ context.Context, req *adminv1.EnableUserRequest) (*adminv1.EnableUserResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.find1(req.GetUser())
	if u.GetDisableTime() == nil {
		return nil, refuse(codes.FailedPrecondition, "CONFLICT", "it is not disabled")
	}
	u.DisableTime, u.DisableReason = nil, ""
	return &adminv1.EnableUserResponse{User: u}, nil
}

func (f *fake) EraseUser(_ context.Context, req *adminv1.EraseUserRequest) (*adminv1.EraseUserResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if req.GetConfirmUser() != req.GetUser() || req.GetReason() == "" {
		return nil, invalid(violation("confirmUser", "must be the name once more"))
	}
	left := f.find1(req.GetUser()).GetActiveJobs()
	f.find1(req.GetUser()).ActiveJobs = 0
	return &adminv1.EraseUserResponse{DeletedJobs: 3, RemainingJobs: left, DeletedEntries: 1}, nil
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	f := startFake(t)
	f.browsers = []*authv1.Session{
		{Id: "s1", User: fakeCaller, Address: "192.0.2.7", UserAgent: "Firefox\x1b[2J"}, {Id: "s2", User: fakeCaller}, {Id: "s3", User: "ada"},
	}
	out := stint(f, "sessions", "list").want(t, 0).out
	wantIn(t, out, "ID\tUSER\tSIGNED IN\tLAST USED\tUNTIL\tFROM\tBROWSER\n", "s1\ttester\t\t\t\t192.0.2.7\tFirefox\\x1b[2J\n", "s2\ttester\t\t\t\t\tunknown\n")
	if got := stint(f, "sessions", "list", "--user", "ada", "-o", "name").want(t, 0).out; got != "s3\n" {
		t.Errorf("names %q", got)
	}
	if got := stint(f, "sessions", "end", "s1").want(t, 0).out; got != "s1 ended\n" {
		t.Errorf("said %q", got)
	}
	wantIn(t, stint(f, "sessions", "end", "s1").want(t, exitFailed).err, "no session")
	if got := stint(f, "sessions", "end-all").want(t, 0).out; got != "2 sessions ended, 0 API tokens revoked\n" {
		t.Errorf("said %q", got)
	}
	if got := stint(f, "sessions", "end-all", "--tokens", "--user", "ada").want(t, 0).out; got != "0 sessions ended, 2 API tokens revoked\n" {
		t.Errorf("said %q", got)
	}
	for _, args := range [][]string{{"list"}, {"end", "x"}, {"end-all"}} {
		f.faults[map[string]string{"list": "ListSessions", "end": "RevokeSession", "end-all": "SignOutEverywhere"}[args[0]]] = []fault{{err: refuse(codes.PermissionDenied, "SCOPE_REQUIRED", "narrowed")}}
		wantIn(t, stint(f, append([]string{"sessions"}, args...)...).want(t, exitFailed).err, "narrowed")
	}
}

func TestUsersAreDisabledAndErased(t *testing.T) {
	f := startFake(t)
	f.known = []*adminv1.User{{User: "ada", ActiveJobs: 2, TotalJobs: 5, Sessions: 1}, {User: "bob"}}
	wantIn(t, stint(f, "admin", "users", "list").want(t, 0).out, "USER\tSINCE\tSESSIONS\tTOKENS\tACTIVE JOBS\tDISABLED\tWHY\n", "ada\t\t1\t0\t2\t\t\n", "bob\t\t0\t0\t0\t\t\n")
	wantIn(t, stint(f, "admin", "users", "show", "ada").want(t, 0).out, "Active jobs", "2")
	wantIn(t, stint(f, "admin", "users", "show", "eve").want(t, exitFailed).err, "nothing is known")
	said := stint(f, "admin", "users", "disable", "ada", "--reason", "left").want(t, 0).out
	if said != "ada is disabled: 1 session ended, 2 API tokens revoked, 0 jobs cancelled, 2 jobs going on\n" {
		t.Errorf("said %q", said)
	}
	if got := stint(f, "admin", "users", "list", "--disabled", "-o", "name").want(t, 0).out; got != "ada\n" {
		t.Errorf("names %q", got)
	}

	erase := []string{"admin", "users", "erase", "ada", "--reason", "asked for it"}
	wantIn(t, stint(f, erase...).want(t, exitUsage).err, "--yes")
	wantIn(t, stintWith(f, asked("bob\n"), erase...).want(t, exitUsage).err, "Type the name once more", "nothing was deleted")
	if f.count("EraseUser") != 0 {
		t.Error("it was erased")
	}
	r := stintWith(f, asked("ada\n"), erase...).want(t, exitFailed)
	wantIn(t, r.out, "deleted 3 jobs, 1 files and folders, 0 shares, 0 reports\n")
	wantIn(t, r.err, "2 jobs still ending")
	stint(f, append(erase, "--yes")...).want(t, 0)
	wantIn(t, stint(f, "admin", "users", "erase", "ada", "--yes").want(t, exitUsage).err, "confirmUser")

	if got := stint(f, "admin", "users", "enable", "ada").want(t, 0).out; got != "ada is enabled\n" {
		t.Errorf("said %q", got)
	}
	wantIn(t, stint(f, "admin", "users", "enable", "ada").want(t, exitFailed).err, "not disabled")
}

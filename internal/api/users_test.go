package api_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/auth"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

func (w *world) users() adminv1.UserServiceClient { return adminv1.NewUserServiceClient(w.conn) }

func (w *world) sessionsAPI() authv1.SessionServiceClient {
	return authv1.NewSessionServiceClient(w.conn)
}

// signedIn begins sessions of a user.
func (w *world) signedIn(user string, n int) {
	w.Helper()
	for range n {
		_, err := w.sessions.Begin(w.Context(), auth.Beginning{User: user, Roles: []auth.Role{auth.RoleUser}, Address: "192.0.2.7", UserAgent: "Firefox"})
		must(w, err)
	}
}

func wantCode(t *testing.T, what string, err error, code codes.Code, words string) {
	t.Helper()
	if status.Code(err) != code || !strings.Contains(err.Error(), words) {
		t.Errorf("%s: %v, want %v with %q", what, err, code, words)
	}
}

func TestSessionsAreListedAndEndedByTheirUsersAndByOperators(t *testing.T) {
	w := newWorld(t)
	ann, op := w.as("ann"), w.as("root", "operator")
	w.signedIn("ann", 3)
	w.signedIn("zoe", 2)
	list := func(ctx context.Context, user string) []*authv1.Session {
		t.Helper()
		resp, err := w.sessionsAPI().ListSessions(ctx, &authv1.ListSessionsRequest{User: user})
		must(t, err)
		return resp.GetSessions()
	}
	own := list(ann, "")
	if len(own) != 3 || own[0].GetAddress() != "192.0.2.7" || own[0].GetUserAgent() != "Firefox" || own[0].GetCurrent() || own[0].GetExpireTime() == nil {
		t.Fatalf("%v", own)
	}
	others := list(op, "zoe")
	if _, err := w.sessionsAPI().ListSessions(ann, &authv1.ListSessionsRequest{User: "zoe"}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("another's sessions: %v", err)
	}
	_, err := w.sessionsAPI().ListSessions(op, &authv1.ListSessionsRequest{User: "no name"})
	wantCode(t, "no name", err, codes.InvalidArgument, "user")
	_, err = w.sessionsAPI().RevokeSession(ann, &authv1.RevokeSessionRequest{Id: others[0].GetId()})
	wantCode(t, "end another's", err, codes.NotFound, "no session")
	_, err = w.sessionsAPI().RevokeSession(ann, &authv1.RevokeSessionRequest{Id: own[0].GetId()})
	must(t, err)
	for _, id := range []string{others[0].GetId(), own[1].GetId()} {
		_, err := w.sessionsAPI().RevokeSession(op, &authv1.RevokeSessionRequest{Id: id})
		must(t, err)
	}
	if len(list(ann, "ann")) != 1 || len(list(op, "zoe")) != 1 {
		t.Error("they were not ended")
	}
	_, err = w.sessionsAPI().RevokeSession(op, &authv1.RevokeSessionRequest{Id: own[0].GetId()})
	wantCode(t, "end it twice", err, codes.NotFound, "no session")
}

func TestSigningOutEverywhereEndsSessionsAndTokensThatAreAskedFor(t *testing.T) {
	w := newWorld(t)
	ann, op := w.as("ann"), w.as("root", "operator")
	w.signedIn("ann", 2)
	resp, err := w.sessionsAPI().SignOutEverywhere(ann, &authv1.SignOutEverywhereRequest{})
	if err != nil || resp.GetEndedSessions() != 2 || resp.GetRevokedTokens() != 0 {
		t.Fatalf("%v %v", resp, err)
	}
	w.signedIn("ann", 1)
	resp, err = w.sessionsAPI().SignOutEverywhere(op, &authv1.SignOutEverywhereRequest{User: "ann", RevokeTokens: true})
	if err != nil || resp.GetEndedSessions() != 1 || resp.GetRevokedTokens() != 1 {
		t.Fatalf("%v %v", resp, err)
	}
	_, err = w.jobs().List(ann, &jobsv1.ListRequest{})
	wantCode(t, "the token of before", err, codes.Unauthenticated, "token")
	_, err = w.sessionsAPI().SignOutEverywhere(w.as("bob"), &authv1.SignOutEverywhereRequest{User: "ann"})
	wantCode(t, "another", err, codes.PermissionDenied, "operators")
}

func TestADisabledUserComesInNoMoreAndTheirJobsGoOnOrEnd(t *testing.T) {
	w := newWorld(t)
	op := w.as("root", "operator")
	ann := w.as("ann")
	kept := w.submit(ann)
	w.signedIn("ann", 1)
	resp, err := w.users().DisableUser(op, &adminv1.DisableUserRequest{User: "ann", Reason: "left"})
	if err != nil || resp.GetEndedSessions() != 1 || resp.GetRevokedTokens() != 1 || resp.GetCancelledJobs() != 0 {
		t.Fatalf("%v %v", resp, err)
	}
	if u := resp.GetUser(); u.GetDisableReason() != "left" || u.GetDisabledBy() != "root" || u.GetActiveJobs() != 1 || u.GetDisableTime() == nil || u.GetFirstSignInTime() == nil {
		t.Errorf("%v", u)
	}
	_, err = w.jobs().List(ann, &jobsv1.ListRequest{})
	wantCode(t, "her token", err, codes.Unauthenticated, "token")
	_, _, err = auth.NewTokens(w.store, w.auth).Create(w.Context(), auth.Grant{User: "ann"})
	if !errors.Is(err, job.ErrUserDisabled) {
		t.Errorf("a new token: %v", err)
	}
	if _, err := w.sessions.Begin(w.Context(), auth.Beginning{User: "ann"}); !errors.Is(err, job.ErrUserDisabled) {
		t.Errorf("a new session: %v", err)
	}
	forAnn := copyJob()
	forAnn.Owner = "ann"
	_, err = w.jobs().Submit(op, &jobsv1.SubmitRequest{Job: forAnn, Reason: "a test"})
	wantCode(t, "a job for her", err, codes.PermissionDenied, "disabled")
	acting := metadata.AppendToOutgoingContext(w.as("gateway", "service"), "stint-act-for", "ann")
	_, err = w.jobs().List(acting, &jobsv1.ListRequest{})
	wantCode(t, "somebody who acts for her", err, codes.PermissionDenied, "disabled")

	resp, err = w.users().DisableUser(op, &adminv1.DisableUserRequest{User: "ann", Reason: "left at once", CancelJobs: true})
	if err != nil || resp.GetCancelledJobs() != 1 {
		t.Fatalf("%v %v", resp, err)
	}
	j, err := w.jobs().Get(op, &jobsv1.GetRequest{Id: kept.GetId()})
	if err != nil || j.GetJob().GetState() != jobsv1.State_STATE_CANCELLED || j.GetJob().GetCancelReason() != "left at once" {
		t.Errorf("%v %v", j, err)
	}
	list, err := w.users().ListUsers(op, &adminv1.ListUsersRequest{Disabled: true})
	if err != nil || len(list.GetUsers()) != 1 || list.GetUsers()[0].GetUser() != "ann" {
		t.Errorf("%v %v", list, err)
	}
	if _, err := w.users().EnableUser(op, &adminv1.EnableUserRequest{User: "ann", Reason: "came back"}); err != nil {
		t.Fatal(err)
	}
	_, err = w.users().EnableUser(op, &adminv1.EnableUserRequest{User: "ann"})
	wantCode(t, "enable twice", err, codes.FailedPrecondition, "not disabled")
	w.submit(w.as("ann"))
}

func TestWhatCannotBeDoneToUsersIsRefused(t *testing.T) {
	w := newWorld(t)
	op := w.as("root", "operator")
	disable := func(user, reason string) error {
		_, err := w.users().DisableUser(op, &adminv1.DisableUserRequest{User: user, Reason: reason})
		return err
	}
	erase := func(user, again, reason string) error {
		_, err := w.users().EraseUser(op, &adminv1.EraseUserRequest{User: user, ConfirmUser: again, Reason: reason})
		return err
	}
	wantCode(t, "oneself", disable("root", "why"), codes.FailedPrecondition, "yourself")
	wantCode(t, "without a reason", disable("ann", " "), codes.InvalidArgument, "reason")
	wantCode(t, "a long reason", disable("ann", strings.Repeat("x", 501)), codes.InvalidArgument, "reason")
	wantCode(t, "no name", disable("", "why"), codes.InvalidArgument, "user")
	wantCode(t, "erase without the name", erase("ann", "bob", "why"), codes.InvalidArgument, "confirmUser")
	wantCode(t, "erase who may come in", erase("ann", "ann", "why"), codes.FailedPrecondition, "Disable them first")
	wantCode(t, "erase without a reason", erase("ann", "ann", ""), codes.InvalidArgument, "reason")
	_, err := w.users().GetUser(op, &adminv1.GetUserRequest{User: "nobody"})
	wantCode(t, "nobody", err, codes.NotFound, "nobody")
	_, err = w.users().ListUsers(op, &adminv1.ListUsersRequest{PageToken: "x"})
	wantCode(t, "a bad token", err, codes.InvalidArgument, "pageToken")
	_, err = w.users().EnableUser(op, &adminv1.EnableUserRequest{User: "a b"})
	wantCode(t, "enable no name", err, codes.InvalidArgument, "user")
}

func TestUsersAreListedPageByPage(t *testing.T) {
	w := newWorld(t)
	op := w.as("root", "operator")
	for _, user := range []string{"c", "a", "b"} {
		w.signedIn(user, 1)
	}
	var names []string
	for token := ""; ; {
		resp, err := w.users().ListUsers(op, &adminv1.ListUsersRequest{PageSize: 2, PageToken: token})
		must(t, err)
		for _, u := range resp.GetUsers() {
			names = append(names, u.GetUser())
		}
		if token = resp.GetNextPageToken(); token == "" {
			break
		}
	}
	if !slices.Equal(names, []string{"a", "b", "c"}) {
		t.Errorf("%v", names)
	}
}

// Nothing of an erased user is left but their name, and the audit.
func TestErasingAUserDeletesWhatTheyHave(t *testing.T) {
	w := newWorld(t)
	op, ann, zoe := w.as("root", "operator"), w.as("ann"), w.as("zoe")
	active, done, hers := w.submit(ann), w.submit(ann), w.submit(zoe)
	w.finish(done, jobsv1.State_STATE_COMPLETED, map[string]string{"output/t.tsv": "a\n"})
	must(t, w.upload(ann, "/mine/a.txt", "x"))
	must(t, w.upload(zoe, "/hers.txt", "x"))
	rights := []jobsv1.ShareRight{jobsv1.ShareRight_SHARE_RIGHT_LOGS}
	_, err := w.jobs().Share(zoe, &jobsv1.ShareRequest{Id: hers.GetId(), User: "ann", Rights: rights})
	must(t, err)
	_, err = w.jobs().ReportIssue(ann, &jobsv1.ReportIssueRequest{Id: done.GetId(), Description: "x"})
	must(t, err)
	_, err = w.jobs().ReportIssue(zoe, &jobsv1.ReportIssueRequest{Id: hers.GetId(), Description: "y"})
	must(t, err)
	_, err = w.users().DisableUser(op, &adminv1.DisableUserRequest{User: "ann", Reason: "asked for it"})
	must(t, err)
	erase := &adminv1.EraseUserRequest{User: "ann", ConfirmUser: "ann", Reason: "asked for it"}
	resp, err := w.users().EraseUser(op, erase)
	if err != nil || resp.GetDeletedJobs() != 2 || resp.GetRemainingJobs() != 0 || resp.GetDeletedShares() != 1 || resp.GetDeletedIssues() != 1 || resp.GetDeletedEntries() == 0 {
		t.Fatalf("%v %v", resp, err)
	}
	for _, id := range []string{active.GetId(), done.GetId()} {
		_, err := w.jobs().Get(op, &jobsv1.GetRequest{Id: id})
		wantCode(t, "job "+id, err, codes.NotFound, "")
	}
	if has, err := w.store.Has("ann"); err != nil || has.Jobs != 0 || has.Tokens != 0 || has.Sessions != 0 || has.Received != 0 {
		t.Errorf("she has %+v", has)
	}
	if u, err := w.files.Usage(t.Context(), "ann"); err != nil || u.UsedEntries != 0 {
		t.Errorf("her files: %+v %v", u, err)
	}
	if u, err := w.files.Usage(t.Context(), "zoe"); err != nil || u.UsedEntries == 0 {
		t.Errorf("zoe's files: %+v %v", u, err)
	}
	issues, err := w.admin().ListIssues(op, &adminv1.ListIssuesRequest{})
	if err != nil || len(issues.GetIssues()) != 1 || issues.GetIssues()[0].GetReporter() != "zoe" {
		t.Errorf("%v %v", issues, err)
	}
	again, err := w.users().EraseUser(op, erase)
	if err != nil || again.GetDeletedJobs() != 0 || again.GetDeletedEntries() != 0 {
		t.Errorf("again: %v %v", again, err)
	}
	audit, err := w.admin().ListAudit(op, &adminv1.ListAuditRequest{User: "ann", PageSize: 100})
	must(t, err)
	erased := 0
	for _, e := range audit.GetEntries() {
		if e.GetMethod() == adminv1.UserService_EraseUser_FullMethodName && e.GetUser() == "root" && e.GetReason() == "asked for it" {
			erased++
		}
	}
	if erased < 3 {
		t.Errorf("the audit has %d entries of it", erased)
	}
}

// Jobs that run are asked to end, and deleted by a later call.
func TestErasingAUserWaitsForTheirJobsToEnd(t *testing.T) {
	w := newWorld(t)
	op := w.as("root", "operator")
	id := w.running()
	_, err := w.store.Update(t.Context(), everyone, id, func(r *storev1.Record) error { // an executor has it
		r.Phase = storev1.Phase_PHASE_STARTED
		return nil
	})
	must(t, err)
	_, err = w.users().DisableUser(op, &adminv1.DisableUserRequest{User: "ann", Reason: "why"})
	must(t, err)
	erase := &adminv1.EraseUserRequest{User: "ann", ConfirmUser: "ann", Reason: "why"}
	resp, err := w.users().EraseUser(op, erase)
	if err != nil || resp.GetRemainingJobs() != 1 || resp.GetDeletedJobs() != 0 {
		t.Fatalf("%v %v", resp, err)
	}
	w.transition(id, jobsv1.State_STATE_CANCELLED, 1)
	if resp, err = w.users().EraseUser(op, erase); err != nil || resp.GetRemainingJobs() != 0 || resp.GetDeletedJobs() != 1 {
		t.Fatalf("%v %v", resp, err)
	}
}

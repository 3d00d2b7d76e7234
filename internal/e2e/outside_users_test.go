package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// Whoever is disabled is out at once, also with streams that are open and after a restart; their jobs go on, and what they
// have is deleted when that is asked for.
func TestADisabledUserIsOutAtOnceAndStaysOut(t *testing.T) {
	h := newHostile(t)
	users := adminv1.NewUserServiceClient(h.conn)
	running := h.submit("ann", misbehave("wait"))
	h.until(running, jobsv1.State_STATE_RUNNING)
	watch, err := h.jobs().WatchStatus(h.as("ann"), &jobsv1.WatchStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	resp, err := users.DisableUser(h.as("op"), &adminv1.DisableUserRequest{User: "ann", Reason: "left"})
	if err != nil || resp.GetRevokedTokens() != 1 {
		t.Fatalf("%v %v", resp, err)
	}
	for err == nil {
		_, err = watch.Recv()
	}
	if code := status.Code(err); code != codes.Unauthenticated && code != codes.PermissionDenied {
		t.Errorf("the watch ended with %v", err)
	}
	noToken := func(when string) {
		t.Helper()
		if _, code := run(t, "stintd", "token", "create", "--data", h.data, "--user", "ann"); code == exitOK {
			t.Errorf("%s: she gets a new token", when)
		}
	}
	out := func(when string) {
		t.Helper()
		_, err := h.jobs().List(h.as("ann"), &jobsv1.ListRequest{})
		if code := status.Code(err); code != codes.Unauthenticated {
			t.Errorf("%s: %v", when, err)
		}
		noToken(when)
	}
	out("now")
	h.stop()
	noToken("while no server runs")
	h.start()
	users = adminv1.NewUserServiceClient(h.conn)
	out("after a restart")
	if j, err := h.jobs().Get(h.as("op"), &jobsv1.GetRequest{Id: running}); err != nil || j.GetJob().GetState() != jobsv1.State_STATE_RUNNING {
		t.Errorf("her job: %v %v", j, err)
	}
	erase := &adminv1.EraseUserRequest{User: "ann", ConfirmUser: "ann", Reason: "asked for it"}
	for {
		erased, err := users.EraseUser(h.as("op"), erase)
		if err != nil {
			t.Fatal(err)
		}
		if erased.GetRemainingJobs() == 0 {
			break
		}
		moment()
	}
	if _, err := h.jobs().Get(h.as("op"), &jobsv1.GetRequest{Id: running}); status.Code(err) != codes.NotFound {
		t.Errorf("her job after the erasure: %v", err)
	}
	if _, err := users.EnableUser(h.as("op"), &adminv1.EnableUserRequest{User: "ann"}); err != nil {
		t.Fatal(err)
	}
	h.token["ann"] = h.server.token("--user", "ann")
	h.until(h.submit("ann", appendJob(0)), jobsv1.State_STATE_COMPLETED)
	if _, err := authv1.NewSessionServiceClient(h.conn).SignOutEverywhere(h.as("ann"), &authv1.SignOutEverywhereRequest{RevokeTokens: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.jobs().List(h.as("ann"), &jobsv1.ListRequest{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("signed out everywhere: %v", err)
	}
	h.stop()
	h.check()
}

// Operators have no way to somebody's files but a job of theirs, for which they say why, and which tells its owner.
func TestOperatorsReachFilesOfOthersByJobsThatSayWhoSubmittedThem(t *testing.T) {
	h := newHostile(t)
	put, body := h.rest("ann", call{method: http.MethodPut, path: "/v1/workspace/private.txt", body: strings.NewReader("secret")})
	if put.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", put.Status, body)
	}
	if got, body := h.rest("op", call{method: http.MethodGet, path: "/v1/workspace/private.txt"}); got.StatusCode != http.StatusNotFound || strings.Contains(body, "secret") {
		t.Errorf("an operator reads the file: %s %s", got.Status, body)
	}
	if got, body := h.rest("op", call{method: http.MethodGet, path: "/v1/workspace"}); strings.Contains(body, "private.txt") {
		t.Errorf("an operator lists the folder: %s %s", got.Status, body)
	}
	const without = `{"job": {"service": "Append", "owner": "ann", "parameters": {}}}`
	if got, body := h.rest("op", call{method: http.MethodPost, path: "/v1/jobs", body: strings.NewReader(without)}); got.StatusCode != http.StatusBadRequest || !strings.Contains(body, "must say why") {
		t.Errorf("without a reason: %s %s", got.Status, body)
	}
	j := appendJob(0)
	j.Owner = "ann"
	resp, err := h.jobs().Submit(h.as("op"), &jobsv1.SubmitRequest{Job: j, Reason: "ticket 7"})
	if err != nil {
		t.Fatal(err)
	}
	h.until(resp.GetJob().GetId(), jobsv1.State_STATE_COMPLETED)
	got, err := h.jobs().Get(h.as("ann"), &jobsv1.GetRequest{Id: resp.GetJob().GetId()})
	if err != nil || got.GetJob().GetSubmittedBy() != "op" || got.GetJob().GetSubmitReason() != "ticket 7" {
		t.Errorf("the owner sees %v %v", got, err)
	}
}

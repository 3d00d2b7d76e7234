package e2e_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// Users see when a job ends, keep it with its results, which counts in their quota, and take that back.
func TestAJobSaysWhenItIsDeletedAndIsKeptByItsOwner(t *testing.T) {
	h := newHostile(t, "--keep-for", "completed=90d", "--quota", "1M")
	var ids []string
	for range 3 {
		ids = append(ids, h.submit("ann", appendJob(0)))
	}
	for _, id := range ids {
		h.until(id, jobsv1.State_STATE_COMPLETED)
	}
	get := func(user, id string) (*jobsv1.Job, error) {
		resp, err := h.jobs().Get(h.as(user), &jobsv1.GetRequest{Id: id})
		return resp.GetJob(), err
	}
	j, err := get("ann", ids[0])
	if err != nil || !j.GetExpireTime().AsTime().Equal(j.GetCompleteTime().AsTime().Add(90*24*time.Hour).Round(time.Microsecond)) {
		t.Fatalf("%v %v", j, err)
	}
	for _, user := range []string{"bob", "op"} {
		if _, err := h.jobs().Keep(h.as(user), &jobsv1.KeepRequest{Id: ids[0]}); status.Code(err) != codes.NotFound {
			t.Errorf("%s keeps a job of ann: %v", user, err)
		}
	}
	before := h.quotas("ann")["workspace_bytes"].GetUsed()
	kept, err := h.jobs().Keep(h.as("ann"), &jobsv1.KeepRequest{Id: ids[0]})
	if err != nil || kept.GetJob().GetKeptBytes() == 0 || kept.GetJob().GetKeepTime() == nil || kept.GetJob().GetExpireTime() != nil {
		t.Fatalf("%v %v", kept, err)
	}
	if used := h.quotas("ann")["workspace_bytes"].GetUsed(); used != before+kept.GetJob().GetKeptBytes() {
		t.Errorf("of the quota %d were used, and %d after %d are kept", before, used, kept.GetJob().GetKeptBytes())
	}
	left := 1<<20 - h.quotas("ann")["workspace_bytes"].GetUsed() - 8192
	put, body := h.rest("ann", call{method: http.MethodPut, path: "/v1/workspace/full", body: strings.NewReader(strings.Repeat("x", int(left)))})
	if put.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", put.Status, body)
	}
	_, err = h.jobs().Keep(h.as("ann"), &jobsv1.KeepRequest{Id: ids[1]})
	judgeRefusal(t, err, "workspace_bytes", "id", h.quotas("ann")["workspace_bytes"], codes.ResourceExhausted)
	if j, err := get("ann", ids[1]); err != nil || j.GetKeepTime() != nil {
		t.Errorf("what was refused is kept: %v %v", j, err)
	}
	h.stop()
	h.flags = append(h.flags, "--keep-for", "completed=1ms")
	h.start()
	isGone := func(id string) func() bool {
		return func() bool { _, err := get("ann", id); return status.Code(err) == codes.NotFound }
	}
	eventually(t, "the jobs that are not kept are deleted", func() bool { return isGone(ids[1])() && isGone(ids[2])() })
	if got, body := h.rest("ann", call{method: http.MethodGet, path: "/v1/jobs/" + ids[0] + "/results"}); got.StatusCode != http.StatusOK || !strings.Contains(body, "path") {
		t.Errorf("the results of the job that is kept: %s %s", got.Status, body)
	}
	if _, err := h.jobs().Unkeep(h.as("ann"), &jobsv1.UnkeepRequest{Id: ids[0]}); err != nil {
		t.Fatal(err)
	}
	if j, err := get("ann", ids[0]); err != nil || j.GetExpireTime() == nil || j.GetKeptBytes() != 0 {
		t.Errorf("not kept any more: %v %v", j, err)
	}
	h.stop()
	h.start() // retention looks at once
	eventually(t, "it is deleted, too", isGone(ids[0]))
}

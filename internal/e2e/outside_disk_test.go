package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

func TestEmptyFilesInFoldersUseUpTheQuotaAndNotTheInodes(t *testing.T) {
	data := smallDisk(t, "300m,nr_inodes=20000")
	h := newHostileOn(t, data, "--quota", "1M")
	deep, _ := h.rest("ann", call{method: http.MethodPut, path: "/v1/workspace/" + strings.Repeat("a/", 500) + "f", body: strings.NewReader("")})
	if deep.StatusCode != http.StatusBadRequest {
		t.Errorf("500 folders deep: %s", deep.Status)
	}
	var last answer
	var body string
	n := 0
	for ; n < 300; n++ {
		last, body = h.rest("ann", call{method: http.MethodPut, path: fmt.Sprintf("/v1/workspace/%d/%sf", n, strings.Repeat("a/", 29)), body: strings.NewReader("")})
		if last.StatusCode != http.StatusOK {
			break
		}
	}
	if last.StatusCode != http.StatusTooManyRequests || !strings.Contains(body, "LIMIT_REACHED") || n != 8 {
		t.Errorf("after %d uploads of 31 entries: %s %s", n, last.Status, body)
	}
	u, err := workspacev1.NewWorkspaceServiceClient(h.conn).GetUsage(h.as("ann"), &workspacev1.GetUsageRequest{})
	if err != nil || u.GetUsedEntries() != 8*31 || u.GetUsedBytes() != 8*31*4096 || u.GetMaxBytes() != 1<<20 || u.GetMaxEntries() != 1_000_000 || u.GetMaxDepth() != 32 {
		t.Errorf("%v %v", u, err)
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(data, &disk); err != nil || disk.Ffree < 19_000 {
		t.Errorf("%d inodes are left: %v", disk.Ffree, err)
	}
	h.until(h.submit("bob", appendJob(0)), jobsv1.State_STATE_COMPLETED)
}

func TestWithoutInodesNothingNewIsTakenAndTheRestGoesOn(t *testing.T) {
	data := smallDisk(t, "300m,nr_inodes=9000")
	h := newHostileOn(t, data, "--min-free-inodes", "4096", "--min-free-space", "16M", "--cpus", "1")
	id := h.submit("ann", misbehave("wait"))
	h.until(id, jobsv1.State_STATE_RUNNING)
	acknowledged := h.submit("bob", misbehave("nothing"))
	others := filepath.Join(data, "others")
	if err := os.Mkdir(others, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		if err := os.WriteFile(filepath.Join(others, strconv.Itoa(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	refused := func() error {
		_, err := h.jobs().Share(h.as("ann"), &jobsv1.ShareRequest{Id: id, User: "bob", Rights: []jobsv1.ShareRight{jobsv1.ShareRight_SHARE_RIGHT_LOGS}})
		return err
	}
	for t.Context().Err() == nil && refused() == nil { // the disk is looked at each second
	}
	for what, err := range map[string]error{
		"share": refused(),
		"submit": func() error {
			_, err := h.jobs().Submit(h.as("bob"), &jobsv1.SubmitRequest{Job: appendJob(0)})
			return err
		}(),
		"report": func() error {
			_, err := h.jobs().ReportIssue(h.as("ann"), &jobsv1.ReportIssueRequest{Id: id, Description: "x"})
			return err
		}(),
	} {
		if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "nearly full") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := h.jobs().Cancel(h.as("ann"), &jobsv1.CancelRequest{Id: id}); err != nil {
		t.Errorf("cancel: %v", err)
	}
	h.until(id, jobsv1.State_STATE_CANCELLED)
	j, err := h.jobs().Get(h.as("bob"), &jobsv1.GetRequest{Id: acknowledged})
	if err != nil || j.GetJob().GetReason() != jobsv1.Reason_REASON_WAITING_FOR_SPACE || !strings.Contains(j.GetJob().GetMessage(), "more files") {
		t.Errorf("the job that was acknowledged: %v %v", j, err)
	}
	if err := os.RemoveAll(others); err != nil {
		t.Fatal(err)
	}
	h.until(acknowledged, jobsv1.State_STATE_COMPLETED)
	for t.Context().Err() == nil {
		if _, err := h.jobs().Submit(h.as("bob"), &jobsv1.SubmitRequest{Job: appendJob(0)}); err == nil {
			break
		}
	}
	waitUntilFinal(h.as("op"), h.server)
}

func TestReportsOfProblemsEnd(t *testing.T) {
	h := newHostile(t)
	report := func(id string) error {
		_, err := h.jobs().ReportIssue(h.as("ann"), &jobsv1.ReportIssueRequest{Id: id, Description: "x"})
		return err
	}
	taken, refusals := 0, make(map[string]int)
	for range 7 {
		id := h.submit("ann", appendJob(0))
		for range 12 {
			err := report(id)
			switch {
			case err == nil:
				taken++
			case status.Code(err) != codes.ResourceExhausted:
				t.Fatal(err)
			case strings.Contains(err.Error(), "reported already"):
				refusals["of a job"]++
			case strings.Contains(err.Error(), "in a day"):
				refusals["of a user"]++
			}
		}
	}
	if taken > 50 || taken < 40 || refusals["of a job"] == 0 || refusals["of a user"] == 0 {
		t.Errorf("%d reports were taken, refused were %v", taken, refusals)
	}
	waitUntilFinal(h.as("op"), h.server)
}

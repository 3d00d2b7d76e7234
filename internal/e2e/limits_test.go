package e2e_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func TestLimitsOfAnOwner(t *testing.T) {
	h := newHostile(t, "--cpus", "8", "--max-active-per-owner", "3", "--max-active", "5", "--max-running-per-owner", "1", "--quota", "16K")
	refused := func(user, word string) {
		t.Helper()
		_, err := h.jobs().Submit(h.as(user), &jobsv1.SubmitRequest{Job: misbehave("wait")})
		if status.Code(err) != codes.ResourceExhausted {
			t.Errorf("%v", err)
		}
		judge(t, status.Convert(err).Proto(), "LIMIT_REACHED", "")
		if !strings.Contains(status.Convert(err).Message(), word) {
			t.Errorf("%v", err)
		}
	}
	var ids []string
	for range 3 {
		ids = append(ids, h.submit("ann", misbehave("wait")))
	}
	refused("ann", "3")
	h.until(ids[0], jobsv1.State_STATE_RUNNING)
	ids = append(ids, h.submit("bob", misbehave("wait")), h.submit("bob", misbehave("wait")))
	refused("bob", "5")
	h.until(ids[3], jobsv1.State_STATE_RUNNING)
	h.says(ids[1], jobsv1.Reason_REASON_WAITING_FOR_TURN, "each user may have 1")
	if sum, err := h.jobs().Summarize(h.as("op"), &jobsv1.SummarizeRequest{Owner: "*"}); err != nil || sum.GetSummary().GetTotal().GetRunning() != 2 {
		t.Errorf("%v, %v", sum, err)
	}
	resp, body := h.rest("ann", call{method: http.MethodPut, path: "/v1/workspace/big", body: strings.NewReader(strings.Repeat("x", 13_000)), length: 13_000})
	if resp.StatusCode != http.StatusTooManyRequests || !strings.Contains(body, "LIMIT_REACHED") {
		t.Errorf("over the quota: %s %s", resp.Status, body)
	}
	if resp, body := h.rest("ann", call{method: http.MethodPut, path: "/v1/workspace/most", body: strings.NewReader(strings.Repeat("x", 12_000)), length: 12_000}); resp.StatusCode != http.StatusOK {
		t.Errorf("within the quota: %s %s", resp.Status, body)
	}
	h.release()
	// The file `pid` in the results is too much for what is left.
	j := h.until(ids[0], jobsv1.State_STATE_FAILED)
	if j.GetReason() != jobsv1.Reason_REASON_OUTPUT_FAILED || !strings.Contains(j.GetMessage(), "room") {
		t.Errorf("%v %q", j.GetReason(), j.GetMessage())
	}
	h.until(ids[3], jobsv1.State_STATE_COMPLETED)
	if resp, _ := h.rest("ann", call{path: "/v1/jobs/" + ids[0] + "/results/pid"}); resp.StatusCode != http.StatusOK {
		t.Errorf("results of a job over the quota: %s", resp.Status)
	}
	waitUntilFinal(h.as("op"), h.server) // nobody may write into the folder when the test removes it
}

// says waits until a job gives a reason for waiting.
func (h *hostile) says(id string, reason jobsv1.Reason, words string) {
	h.Helper()
	for range 20_000 {
		if j := h.get(id); j.GetReason() == reason && strings.Contains(j.GetMessage(), words) {
			return
		}
	}
	h.Errorf("job %s waits for %v %q", id, h.get(id).GetReason(), h.get(id).GetMessage())
}

// An owner with very many jobs does not delay another's first.
func TestOwnersTakeTurns(t *testing.T) {
	h := newHostile(t, "--cpus", "1")
	first := h.submit("ann", misbehave("wait"))
	h.until(first, jobsv1.State_STATE_RUNNING)
	req := &jobsv1.BatchSubmitRequest{}
	for range 1000 {
		req.Jobs = append(req.Jobs, appendJob(0))
	}
	batch, err := h.jobs().BatchSubmit(h.as("ann"), req)
	if err != nil {
		t.Fatal(err)
	}
	bobs := h.submit("bob", appendJob(0))
	h.release()
	began := h.until(bobs, jobsv1.State_STATE_COMPLETED).GetStartTime().AsTime()
	before := 0
	for _, j := range batch.GetJobs()[:10] {
		if start := h.get(j.GetId()).GetStartTime(); start != nil && start.AsTime().Before(began) {
			before++
		}
	}
	if before > 1 {
		t.Errorf("%d jobs of ann's ran before bob's first", before)
	}
	list := &jobsv1.BatchCancelRequest{}
	for _, j := range batch.GetJobs() {
		list.Ids = append(list.Ids, j.GetId())
	}
	if _, err := h.jobs().BatchCancel(h.as("ann"), list); err != nil {
		t.Fatal(err)
	}
	waitUntilFinal(h.as("op"), h.server)
}

// Many who watch, over both protocols, do not keep others from their answers,
// see what happens, and do not keep the server from ending.
func TestManyWatchers(t *testing.T) {
	const overSSE, overGRPC = 1100, 200
	h := newHostile(t, "--cpus", "4", "--drain-timeout", "8s", "--max-streams-per-user", "0")
	ctx, cancel := context.WithCancel(h.as("ann"))
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{}).DialContext}}
	defer client.CloseIdleConnections()
	var ready, told, ended sync.WaitGroup
	ready.Add(overSSE + overGRPC)
	told.Add(overSSE + overGRPC)
	for range overGRPC {
		ended.Go(func() { watchOverGRPC(ctx, t, h, ready.Done, told.Done) })
	}
	for range overSSE {
		ended.Go(func() { watchOverSSE(ctx, t, h, client, ready.Done, told.Done) })
	}
	ready.Wait()
	if resp, body := h.rest("ann", call{path: "/v1/jobs"}); resp.StatusCode != http.StatusOK {
		t.Errorf("beside the watchers: %s %s", resp.Status, body)
	}
	h.until(h.submit("ann", appendJob(0)), jobsv1.State_STATE_COMPLETED)
	told.Wait() // each saw it complete
	began := time.Now()
	h.stop()
	ended.Wait()
	t.Logf("stopped in %s", time.Since(began))
	if log := h.log.String(); strings.Contains(log, "did not end in time") {
		t.Error("watchers kept the server from ending")
	}
}

func watchOverGRPC(ctx context.Context, t *testing.T, h *hostile, ready, told func()) {
	t.Helper()
	ready, told = sync.OnceFunc(ready), sync.OnceFunc(told)
	defer ready()
	defer told()
	stream, err := h.jobs().WatchStatus(ctx, &jobsv1.WatchStatusRequest{})
	for err == nil {
		var m *jobsv1.WatchStatusResponse
		if m, err = stream.Recv(); m.GetSnapshotEnd() != nil {
			ready()
		}
		if m.GetJob().GetState() == jobsv1.State_STATE_COMPLETED {
			told()
		}
	}
	if status.Code(err) != codes.Unavailable {
		t.Errorf("gRPC ended with %v", err)
	}
}

func watchOverSSE(ctx context.Context, t *testing.T, h *hostile, client *http.Client, ready, told func()) {
	t.Helper()
	ready, told = sync.OnceFunc(ready), sync.OnceFunc(told)
	defer ready()
	defer told()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url("/v1/jobs:watch"), nil)
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+h.token["ann"])
	resp, err := client.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	last := ""
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			last = name
		}
		if last == "snapshotEnd" {
			ready()
		}
		if strings.Contains(lines.Text(), "STATE_COMPLETED") {
			told()
		}
	}
	if last != "problem" {
		t.Errorf("SSE (%s) ended with event %s", strconv.Itoa(resp.StatusCode), last)
	}
}

package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// mostMemory is what the server may have in memory of its own, in MB, during and after all attacks: 128 MB of messages that
// do not end, 1 MB for each of 300 slow connections, and as much again as garbage that the collector has not taken back.
const mostMemory = 768

// unslowed starts the server again as it is shipped: the race detector takes a multiple of the memory, and never gives it back.
func (h *hostile) unslowed(t *testing.T) {
	t.Helper()
	h.stop()
	h.program = plainProgram(t)
	h.start()
}

// Whatever is thrown at a server, each attack gets its answer, and after all of
// them it does its work, with no more files, goroutines and memory than before.
func TestAttacks(t *testing.T) {
	const failedSignIns, requests = 60, 500
	h := newHostile(t, "--cpus", "2", "--trusted-proxies", "127.0.0.1", "--max-requests-per-user", strconv.Itoa(requests),
		"--max-failed-sign-ins", strconv.Itoa(failedSignIns), "--max-streams-per-user", "300", "--max-upload", "12M")
	h.unslowed(t)
	h.until(h.submit("ann", appendJob(0)), jobsv1.State_STATE_COMPLETED)
	before := h.now()
	t.Logf("before: %+v", before)
	type attack struct {
		name string
		run  func(*testing.T, *hostile)
	}
	run := func(attacks []attack) {
		for _, attack := range attacks {
			t.Run(attack.name, func(t *testing.T) {
				begin := time.Now()
				attack.run(t, h)
				h.well(t)
				t.Logf("took %s, memory %.0f MB", time.Since(begin).Round(time.Millisecond), h.anonymous())
			})
		}
	}
	overHTTP2 := []attack{
		{"malformed frames", attackMalformedFrames},
		{"a flood of CONTINUATION", attackContinuation},
		{"a bomb of headers", attackHeaderBomb},
		{"a flood of PING", attackPings},
		{"streams that are reset", attackResets},
		{"streams that stay", attackStreams},
		{"messages that are huge", attackHugeMessages},
		{"messages that do not end", attackEndlessMessages},
	}
	run([]attack{
		{"headers over HTTP/1.1", attackHeaders},
		{"malformed requests", attackMalformedHTTP},
	})
	t.Run("net/http's connections", func(*testing.T) { run(overHTTP2) })
	h.likeLibrary = true
	t.Run("gRPC's connections", func(*testing.T) { run(overHTTP2) })
	run([]attack{
		{"compressed zeros", attackCompressed},
		{"slow connections", attackSlow},
		{"bad tokens", func(t *testing.T, h *hostile) { t.Helper(); attackTokens(t, h, failedSignIns) }},
		{"requests of one user", func(t *testing.T, h *hostile) { t.Helper(); attackRequests(t, h, requests) }},
		{"uploads", attackUploads},
	})
	http.DefaultClient.CloseIdleConnections()
	var after levels
	for n := range 2000 { // closed connections are seen a moment later; what leaks never goes away
		after = h.now()
		if after.files-before.files < 10 && after.goroutines-before.goroutines < 20 {
			t.Logf("after: %+v (look %d)", after, n)
			return
		}
		moment()
	}
	t.Errorf("after: %+v, before: %+v", after, before)
}

// well fails the test unless the server does its work: it says so, a job runs, and a watch sees it.
func (h *hostile) well(t *testing.T) {
	t.Helper()
	if got := h.health(); got != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health %v", got)
	}
	begin := time.Now()
	h.until(h.submit("op", appendJob(0)), jobsv1.State_STATE_COMPLETED)
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("a job took %s", took)
	}
	if resp, body := h.rest("op", call{path: "/v1/jobs?pageSize=1"}); resp.StatusCode != http.StatusOK {
		t.Errorf("%s %s", resp.Status, body)
	}
	if mb := h.anonymous(); mb > mostMemory {
		t.Errorf("%.0f MB in memory", mb)
	}
}

// refusedAs reads an answer of REST that is to be an error.
func refusedAs(t *testing.T, resp answer, body string, code int, reason string) {
	t.Helper()
	st := &spb.Status{}
	if err := protojson.Unmarshal([]byte(body), st); err != nil || resp.StatusCode != code {
		t.Fatalf("%s, want %d %s: %.300s", resp.Status, code, reason, body)
	}
	judge(t, st, reason, "")
}

// behind is the context of a call through a proxy, from an address.
func behind(h *hostile, address, token string) context.Context {
	return metadata.AppendToOutgoingContext(h.Context(), "x-forwarded-for", address, "authorization", "Bearer "+token)
}

// Guesses are refused without a word once too many have come from an address; good credentials from there are not held back.
func attackTokens(t *testing.T, h *hostile, most int) {
	t.Helper()
	const from, flood = "192.0.2.66", 1000
	whoAmI := func(ctx context.Context) error {
		_, err := authv1.NewAuthServiceClient(h.conn).WhoAmI(ctx, &authv1.WhoAmIRequest{})
		return err
	}
	unknown := func(n int) string { // well formed, but of nobody
		if n%2 == 0 {
			return h.token["ann"][:len(h.token["ann"])-1] + another(h.token["ann"][len(h.token["ann"])-1])
		}
		return fmt.Sprint("nonsense", n)
	}
	if err := whoAmI(behind(h, from, unknown(0))); status.Code(err) != codes.Unauthenticated {
		t.Fatal(err)
	}
	if err := whoAmI(behind(h, from, h.token["ann"])); err != nil {
		t.Fatal(err)
	}
	looked := 0
	begin := time.Now()
	for n := range flood {
		if n%4 == 0 { // REST counts with gRPC
			resp, body := h.rest("", call{path: "/v1/jobs", header: map[string]string{"X-Forwarded-For": from, "Authorization": "Bearer " + unknown(n)}})
			if resp.StatusCode == http.StatusUnauthorized {
				looked++
				continue
			}
			refusedAs(t, resp, body, http.StatusTooManyRequests, "TOO_MANY_SIGN_INS")
			continue
		}
		err := whoAmI(behind(h, from, unknown(n)))
		if status.Code(err) == codes.Unauthenticated {
			looked++
			continue
		}
		if status.Code(err) != codes.ResourceExhausted || reasonOf(status.Convert(err).Proto()) != "TOO_MANY_SIGN_INS" {
			t.Fatal(err)
		}
	}
	if allowed := most + int(time.Since(begin).Minutes()*float64(most)) + 1; looked > allowed || looked < most/2 {
		t.Errorf("%d of %d bad tokens were looked at, at most %d should be", looked, flood, allowed)
	}
	for name, c := range map[string]struct {
		from, user string
		want       codes.Code
	}{
		"who signed in from there before": {from, "ann", codes.OK},
		"who comes from elsewhere":        {"192.0.2.67", "bob", codes.OK},
		"who was not there before":        {from, "bob", codes.OK},
	} {
		if got := status.Code(whoAmI(behind(h, c.from, h.token[c.user]))); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// A user who calls too often is told to wait, over gRPC and REST; others are not held up.
func attackRequests(t *testing.T, h *hostile, most int) {
	t.Helper()
	refused, allowed := 0, 0
	begin := time.Now()
	var last error
	for refused < 100 && time.Since(begin) < 10*time.Second {
		done := make(chan error, 50)
		for range cap(done) {
			go func() {
				_, err := h.jobs().Summarize(h.as("bob"), &jobsv1.SummarizeRequest{})
				done <- err
			}()
		}
		for range cap(done) {
			switch err := <-done; {
			case err == nil:
				allowed++
			default:
				refused++
				last = err
			}
		}
	}
	judge(t, status.Convert(last).Proto(), "RATE_LIMITED", "")
	if status.Code(last) != codes.ResourceExhausted || !strings.Contains(fmt.Sprint(status.Convert(last).Details()), "retry_delay") {
		t.Errorf("refused with %v %v", last, status.Convert(last).Details())
	}
	if bound := float64(2*most) + float64(most)*time.Since(begin).Seconds() + 1; float64(allowed) > bound {
		t.Errorf("%d calls in %s", allowed, time.Since(begin))
	}
	for range 50 {
		if _, err := h.jobs().Summarize(h.as("ann"), &jobsv1.SummarizeRequest{}); err != nil {
			t.Fatalf("another user: %v", err)
		}
	}
	t.Logf("%d calls were taken, %d refused", allowed, refused)
}

// A file larger than one may be is refused when it is announced, or when it turns out.
func attackUploads(t *testing.T, h *hostile) {
	t.Helper()
	const most = 12 << 20
	for _, c := range []struct {
		name   string
		length int64
		size   int
		code   int
	}{
		{"announced", most + 1, most + 1, http.StatusTooManyRequests},
		{"not announced", 0, most + 1, http.StatusTooManyRequests},
		{"small enough", most, most, http.StatusOK},
	} {
		resp, body := h.rest("ann", call{method: http.MethodPut, path: "/v1/workspace/big-" + strconv.Itoa(len(c.name)), body: strings.NewReader(strings.Repeat("x", c.size)), length: c.length})
		if c.code == http.StatusOK && resp.StatusCode == c.code {
			continue
		}
		refusedAs(t, resp, body, c.code, "LIMIT_REACHED")
	}
}

// A token that is revoked ends what goes on with it, whether its client reads,
// sends or does neither, over gRPC and server-sent events.
func TestRevokedTokenEndsWhatIsOpen(t *testing.T) {
	h := newHostile(t)
	id := h.submit("ann", misbehave("wait"))
	h.until(id, jobsv1.State_STATE_RUNNING)
	admin := authv1.NewTokenServiceClient(h.conn)
	created, err := admin.CreateToken(h.as("op"), &authv1.CreateTokenRequest{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	h.token["soon gone"] = created.GetSecret()
	ann := h.as("soon gone")
	watch, err := h.jobs().WatchStatus(ann, &jobsv1.WatchStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	logs, err := h.jobs().StreamLogs(ann, &jobsv1.StreamLogsRequest{Id: id, Stream: jobsv1.LogStream_LOG_STREAM_STDOUT, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	upload, err := workspacev1.NewWorkspaceServiceClient(h.conn).Upload(ann)
	if err != nil {
		t.Fatal(err)
	}
	if err := upload.Send(&workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Target{Target: &workspacev1.UploadTarget{Path: "/never"}}}); err != nil {
		t.Fatal(err)
	}
	events := make(map[string]*bufio.Scanner)
	for _, path := range []string{"/v1/jobs:watch", "/v1/jobs/" + id + "/logs/stdout?follow=true"} {
		req, err := http.NewRequestWithContext(h.Context(), http.MethodGet, h.url(path), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/event-stream")
		req.Header.Set("Authorization", "Bearer "+h.token["soon gone"])
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp, err)
		}
		defer resp.Body.Close()
		events[path] = bufio.NewScanner(resp.Body)
	}
	for m, err := watch.Recv(); m.GetSnapshotEnd() == nil; m, err = watch.Recv() {
		if err != nil {
			t.Fatal(err)
		}
	}
	revoked := time.Now()
	if _, err := admin.RevokeToken(h.as("op"), &authv1.RevokeTokenRequest{Id: created.GetToken().GetId()}); err != nil {
		t.Fatal(err)
	}
	_, uploaded := upload.CloseAndRecv()
	for name, err := range map[string]error{"watch": received(watch, nil), "logs": received(logs, nil), "upload": uploaded} {
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s ended with %v", name, err)
			continue
		}
		judge(t, status.Convert(err).Proto(), "TOKEN_REVOKED", "")
	}
	for path, lines := range events {
		event, said := "", ""
		for lines.Scan() {
			if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				event = name
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				said = data
			}
		}
		if event != "problem" || !strings.Contains(said, "TOKEN_REVOKED") {
			t.Errorf("%s ended with %s %s", path, event, said)
		}
	}
	if took := time.Since(revoked); took > 10*time.Second { // less than a heartbeat, on a busy machine
		t.Errorf("it took %s until all had ended", took)
	}
	resp, body := h.rest("soon gone", call{path: "/v1/jobs"})
	refusedAs(t, resp, body, http.StatusUnauthorized, "TOKEN_UNKNOWN")
	if resp, _ := h.rest("ann", call{path: "/v1/workspace/never"}); resp.StatusCode != http.StatusNotFound {
		t.Errorf("half an upload was stored: %s", resp.Status)
	}
	h.release()
	h.until(id, jobsv1.State_STATE_COMPLETED)
	h.well(t)
}

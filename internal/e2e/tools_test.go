package e2e_test

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// Exit codes of stintd, as docs/operations.md has them.
const (
	exitStorage = 3
	exitOK      = 0
	exitFailed  = 1
	exitLocked  = 4
	exitRefused = 5
)

// stintd runs one of the tools and wants it to succeed.
func stintd(t *testing.T, args ...string) string {
	t.Helper()
	out, code := run(t, "stintd", args...)
	if code != 0 {
		t.Errorf("stintd %v: exit code %d", args, code)
	}
	return strings.TrimSpace(out)
}

// Tokens, backups and checks work beside a running server and without one.
func TestToolsWithAndWithoutAServer(t *testing.T) {
	s := newServer(t, "--auth", "token")
	if _, err := s.jobs().List(t.Context(), &jobsv1.ListRequest{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("without a token: %v", err)
	}
	token := stintd(t, "token", "create", "--data", s.data, "--user", "ann")
	ann := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
	resp, err := s.jobs().Submit(ann, &jobsv1.SubmitRequest{Job: appendJob(0)})
	if err != nil {
		t.Fatal(err)
	}
	if _, code := run(t, "stintd", "check", "--data", s.data); code != exitLocked {
		t.Errorf("check beside a running server: exit code %d", code)
	}
	copied := filepath.Join(t.TempDir(), "jobs.db")
	stintd(t, "backup", "--data", s.data, "--to", copied)
	if _, code := run(t, "stintd", "backup", "--data", s.data, "--to", copied); code != 1 {
		t.Errorf("a backup replaced a file: exit code %d", code)
	}
	op := stintd(t, "token", "create", "--data", s.data, "--user", "root", "--role", "operator")
	waitUntilFinal(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+op), s)
	s.stop()
	s.check()
	list := stintd(t, "token", "list", "--data", s.data)
	if !strings.Contains(list, "ann") || !strings.Contains(list, "operator") || strings.Contains(list, token) {
		t.Errorf("tokens:\n%s", list)
	}
	if strings.Contains(s.log.String(), token) {
		t.Error("the log has a token")
	}
	stintd(t, "compact", "--data", s.data)
	s.check()
	id := strings.Fields(strings.Split(list, "\n")[1])[0]
	stintd(t, "token", "revoke", "--data", s.data, "--id", id)
	s.start()
	if _, err := s.jobs().Get(ann, &jobsv1.GetRequest{Id: resp.GetJob().GetId()}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("with a revoked token: %v", err)
	}
	// The backup has the jobs of then: a server starts on it.
	s.stop()
	stintd(t, "restore", copied, "--data", s.data, "--replace")
	s.check()
	s.start()
	if _, err := s.jobs().Get(ann, &jobsv1.GetRequest{Id: resp.GetJob().GetId()}); err != nil {
		t.Errorf("from the backup: %v", err)
	}
}

func waitUntilFinal(ctx context.Context, s *server) {
	s.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	stream, err := s.jobs().WatchStatus(ctx, &jobsv1.WatchStatusRequest{Owner: "*", View: jobsv1.WatchView_WATCH_VIEW_COUNTS})
	for err == nil {
		var m *jobsv1.WatchStatusResponse
		if m, err = stream.Recv(); m.GetCounts() != nil && m.GetCounts().GetTotal().GetQueued()+m.GetCounts().GetTotal().GetRunning() == 0 {
			return
		}
	}
	s.Fatal(err)
}

func TestWrongCallsOfStintd(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"--no-such-flag"}, 2},
		{[]string{"--listen", "0.0.0.0:0", "--auth", "dev", "--services", "testdata/services", "--data", t.TempDir()}, 2},
		{[]string{"--listen", "0.0.0.0:0", "--services", "testdata/services", "--data", t.TempDir()}, 2}, // not encrypted
		{[]string{"--executor", "nowhere", "--services", "testdata/services", "--data", t.TempDir(), "--listen", "127.0.0.1:0"}, 2},
		{[]string{"--services", "no-such-folder", "--data", t.TempDir(), "--listen", "127.0.0.1:0"}, 1},
		{[]string{"--config", "no-such-file"}, 2},
		{[]string{"check", "--data", "no-such-folder"}, 1},
		{[]string{"token", "create", "--data", t.TempDir(), "--user", "a b"}, 1},
	} {
		if _, code := run(t, "stintd", c.args...); code != c.code {
			t.Errorf("stintd %v: exit code %d, want %d", c.args, code, c.code)
		}
	}
}

func TestASecondServerOnTheSameFolderIsRefused(t *testing.T) {
	s := newServer(t)
	if _, code := run(t, "stintd", "--data", s.data, "--listen", "127.0.0.1:0", "--services", "testdata/services"); code != exitLocked {
		t.Errorf("exit code %d", code)
	}
	if _, err := s.jobs().List(t.Context(), &jobsv1.ListRequest{}); err != nil {
		t.Errorf("the first server: %v", err)
	}
}

func TestHealthMetricsAndReflectionOnOnePort(t *testing.T) {
	s := newServer(t)
	h, err := healthpb.NewHealthClient(s.conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil || h.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health %v, %v", h, err)
	}
	for path, want := range map[string]string{
		"/healthz":      "ok",
		"/metrics":      "stint_store_commits_total",
		"/openapi.json": `"openapi"`,
		"/v1/services":  `"Append"`,
		"/v1/status":    `"submissionsOpen":true`,
	} {
		resp, err := http.Get(s.url(path))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s %.200s, %v", path, resp.Status, body, err)
		}
	}
}

// The doctor finds nothing that fails on a good server, and names what is wrong with another.
func TestTheDoctor(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "backups")
	s := newServer(t, "--backup-dir", dir, "--min-free-space", "1M")
	s.untilFinal(time.Minute)
	for n := 0; ; n++ {
		found, err := filepath.Glob(filepath.Join(dir, "stint-*.db"))
		if err != nil || n == 20_000 {
			t.Fatalf("no backup was made: %v", err)
		}
		if len(found) > 0 {
			break
		}
		moment()
	}
	out, code := run(t, "stint", "--server", s.address, "admin", "doctor")
	if code != exitOK || strings.Contains(out, "failing") || !strings.Contains(out, "backup") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	full := newServerOn(t, smallDisk(t, "48m"), "--min-free-space", "1G")
	out, code = run(t, "stint", "--server", full.address, "admin", "doctor")
	if code != exitFailed || !strings.Contains(out, "disk/data") || !strings.Contains(out, "failing") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

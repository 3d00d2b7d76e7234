package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func TestWhereAndHowToConnect(t *testing.T) {
	tests := []struct {
		link link
		want target
		bad  string
	}{
		{link{server: "127.0.0.1:8421"}, target{hostPort: "127.0.0.1:8421", loopback: true}, ""},
		{link{server: "localhost"}, target{hostPort: "localhost:8421", loopback: true}, ""},
		{link{server: "::1"}, target{hostPort: "[::1]:8421", loopback: true}, ""},
		{link{server: "[::ffff:127.0.0.1]:1"}, target{hostPort: "[::ffff:127.0.0.1]:1", loopback: true}, ""},
		{link{server: ":9000"}, target{hostPort: "127.0.0.1:9000", loopback: true}, ""},
		{link{server: "http://localhost:1/"}, target{hostPort: "localhost:1", loopback: true}, ""},
		{link{server: "127.0.0.1", tls: true}, target{hostPort: "127.0.0.1:8421", loopback: true, tls: true}, ""},
		{link{server: "127.0.0.1", caFile: "ca.pem"}, target{hostPort: "127.0.0.1:8421", loopback: true, tls: true}, ""},
		{link{server: "stint.example.org"}, target{hostPort: "stint.example.org:8421", tls: true}, ""},
		{link{server: "https://stint.example.org:443"}, target{hostPort: "stint.example.org:443", tls: true}, ""},
		{link{server: "10.0.0.1:8421", insecure: true}, target{hostPort: "10.0.0.1:8421"}, ""},
		{link{server: "http://10.0.0.1", insecure: true}, target{hostPort: "10.0.0.1:8421"}, ""},
		{link{server: "localhost.example.org"}, target{hostPort: "localhost.example.org:8421", tls: true}, ""},
		{link{server: "http://10.0.0.1"}, target{}, "not encrypted"},
		{link{server: "10.0.0.1", insecure: true, tls: true}, target{}, "exclude each other"},
		{link{server: "http://localhost", tls: true}, target{}, "exclude each other"},
		{link{server: "ftp://localhost"}, target{}, "scheme"},
		{link{server: ""}, target{}, "no host"},
		{link{server: "host:0"}, target{}, "port"},
		{link{server: "host:x"}, target{}, "port"},
		{link{server: "host/path"}, target{}, "no HOST:PORT"},
		{link{server: "a:b:c"}, target{}, "no HOST:PORT"},
	}
	for _, test := range tests {
		got, err := test.link.target()
		switch {
		case test.bad == "" && (err != nil || got != test.want):
			t.Errorf("%+v gave %+v, %v", test.link, got, err)
		case test.bad != "" && (err == nil || !strings.Contains(err.Error(), test.bad)):
			t.Errorf("%+v gave %+v, %v; want an error with %q", test.link, got, err, test.bad)
		}
	}
}

func writeToken(t *testing.T, file, token string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(token), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

func TestTheTokenIsFoundInOrderAndSent(t *testing.T) {
	f := startFake(t)
	config := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", config)
	sent := func() string {
		f.mu.Lock()
		defer f.mu.Unlock()
		last := ""
		if n := len(f.tokens); n > 0 {
			last = f.tokens[n-1]
		}
		f.tokens = nil
		return last
	}
	stint(f, "whoami").want(t, 0)
	if got := sent(); got != "" {
		t.Errorf("without a token %q was sent", got)
	}
	writeToken(t, filepath.Join(config, "stint", "token"), "from-default\n", 0o600)
	if r := stint(f, "whoami").want(t, 0); r.err != "" {
		t.Errorf("said %q", r.err)
	}
	if got := sent(); got != "Bearer from-default" {
		t.Errorf("sent %q", got)
	}
	t.Setenv("STINT_TOKEN", "from-env")
	stint(f, "whoami").want(t, 0)
	if got := sent(); got != "Bearer from-env" {
		t.Errorf("sent %q", got)
	}
	other := filepath.Join(config, "other")
	writeToken(t, other, "from-flag", 0o644)
	r := stint(f, "whoami", "--token-file", other).want(t, 0)
	wantIn(t, r.err, "others can read your token; run: chmod 600")
	if got := sent(); got != "Bearer from-flag" {
		t.Errorf("sent %q", got)
	}
	stint(f, "whoami", "--token-file", other+"-none").want(t, exitFailed)
	t.Setenv("STINT_TOKEN", "two words")
	stint(f, "whoami").want(t, exitUsage)
}

func TestNoServerIsExitCode4WithTheWayOut(t *testing.T) {
	f := startFake(t)
	f.stop()
	for _, args := range [][]string{{"list"}, {"watch"}, {"watch", "1"}, {"logs", "1", "-f"}, {"submit", "Date"}, {"upload", "client_test.go", "/x"}, {"results", "get", "1", "x", "-o", "-"}} {
		r := stint(f, args...).want(t, exitUnreachable)
		wantIn(t, r.err, "stint: cannot reach the server at "+f.addr+": dial tcp", "connection refused", "--server HOST:PORT or STINT_SERVER")
	}
}

func TestAServerThatDoesNotAnswerIsExitCode4(t *testing.T) {
	f := startFake(t)
	f.mu.Lock() // every answer waits
	r := stint(f, "status", "--timeout", "50ms")
	f.mu.Unlock()
	r.want(t, exitUnreachable)
	wantIn(t, r.err, "no answer within 50ms", "--timeout")
}

func TestErrorsOfTheServerAreToldWithTheirFlags(t *testing.T) {
	f := startFake(t)
	f.fail("Submit", fault{err: invalid(violation("job.resources.memoryBytes", "must not be negative"), violation("job.parameters.sleep_time", "is too long"), violation("requestId", "is longer"))})
	r := stint(f, "submit", "Sleep").want(t, exitUsage)
	if want := "stint: invalid request:\n  --memory must not be negative\n  -p sleep_time is too long\n  --request-id is longer\n"; r.err != want {
		t.Errorf("said %q, want %q", r.err, want)
	}
	f.fail("Get", fault{err: refuse(codes.Unauthenticated, "UNAUTHENTICATED", "The token is not known.")})
	r = stint(f, "get", "1").want(t, exitFailed)
	wantIn(t, r.err, "The token is not known.", "STINT_TOKEN", "0600")
	f.fail("Get", fault{err: refuse(codes.PermissionDenied, "PERMISSION_DENIED", "no\x1b[2J\x07")})
	r = stint(f, "get", "1").want(t, exitFailed)
	wantIn(t, r.err, `stint: no\x1b[2J\x07`)
	wantIn(t, stint(f, "get", "77").want(t, exitFailed).err, "There is no such job")
}

func TestOnlyALostConnectionIsWorthRepeating(t *testing.T) {
	f := startFake(t)
	f.fail("Submit", fault{err: errLost}, fault{err: errLost, late: true}, fault{err: errLost})
	r := stint(f, "submit", "Sleep", "-o", "name").want(t, 0)
	if r.out != "1\n" || len(f.jobs) != 1 || f.count("Submit") != 4 {
		t.Errorf("answer %q, %d jobs, %d calls", r.out, len(f.jobs), f.count("Submit"))
	}
	f.fail("Submit", fault{err: errLost}, fault{err: errLost}, fault{err: errLost}, fault{err: errLost})
	stint(f, "submit", "Sleep").want(t, exitUnreachable)
	if n := f.count("Submit"); n != 8 {
		t.Errorf("%d calls", n)
	}
	f.fail("Submit", fault{err: refuse(codes.Unavailable, "SUBMISSIONS_CLOSED", "Closed until 14:00.")})
	r = stint(f, "submit", "Sleep").want(t, exitFailed)
	wantIn(t, r.err, "stint: Closed until 14:00.")
	if n := f.count("Submit"); n != 9 {
		t.Errorf("%d calls", n)
	}
	f.fail("ReportIssue", fault{err: errLost, late: true})
	stint(f, "report", "1", "-m", "x").want(t, exitUnreachable)
	if len(f.issues) != 1 {
		t.Errorf("%d reports", len(f.issues))
	}
}

func TestTheSameRequestIDNeverStartsASecondJob(t *testing.T) {
	f := startFake(t)
	for range 2 {
		if r := stint(f, "submit", "Sleep", "--request-id", "mine", "-o", "name").want(t, 0); r.out != "1\n" {
			t.Errorf("job %q", r.out)
		}
	}
	a, b := submitted(t, f, "Sleep"), submitted(t, f, "Sleep")
	if a == b {
		t.Error("two submits without an id were taken for one")
	}
}

func TestBackoffDoublesUpToItsBoundAndEnds(t *testing.T) {
	b := backoff{patience: time.Minute}
	var sum time.Duration
	var delays []time.Duration
	for {
		d, ok := b.delay()
		if !ok {
			break
		}
		sum += d
		delays = append(delays, d)
	}
	if delays[0] != firstReconnect || delays[1] != 2*firstReconnect || delays[len(delays)-1] != mostReconnect || sum < time.Minute || sum > time.Minute+mostReconnect {
		t.Errorf("delays %v", delays)
	}
	b.reset()
	if d, ok := b.delay(); !ok || d != firstReconnect {
		t.Errorf("after a reset %v, %v", d, ok)
	}
}

func TestAnUnavailableServiceIsSaidBeforeAnythingIsUploaded(t *testing.T) {
	f := startFake(t)
	r := stint(f, "submit", "GeneTree").want(t, exitFailed)
	wantIn(t, r.err, "GeneTree is not available: mafft is missing: apt-get install mafft")
	r = stint(f, "submit", "sequence-stats").want(t, exitUsage)
	wantIn(t, r.err, "did you mean SequenceStats?")
	if f.count("Submit") != 0 {
		t.Error("it was submitted")
	}
}

func TestEveryStateHasAName(t *testing.T) {
	if got := strings.Join(stateNames(), " "); got != "queued running completed failed cancelled" {
		t.Errorf("states: %s", got)
	}
	states, err := parseStates([]string{"running,Failed"})
	if err != nil || len(states) != 2 || states[1] != jobsv1.State_STATE_FAILED {
		t.Errorf("%v, %v", states, err)
	}
	if _, err := parseStates([]string{"unspecified"}); err == nil {
		t.Error("unspecified is a state")
	}
}

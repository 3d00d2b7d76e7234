package e2e_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// bin is the folder with stintd and stint, built with the race detector.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if inside := os.Getenv(siegeBin); inside != "" { // the part of TestSiege that runs in a network of its own
			bin = inside
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "stint-e2e")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bin = dir
		// The race detector lets a process linger for a second at its end.
		if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		build := exec.Command("go", "build", "-race", "-buildvcs=false", "-o", dir, "github.com/stint-jobs/stint/cmd/...")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the binaries: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// server is a stintd that a test may kill and start again on the same folder and address.
type server struct {
	testing.TB
	program string // the binary; the one with the race detector unless the test has another
	data    string
	flags   []string
	address string
	cmd     *exec.Cmd
	log     *lockedBuffer
	conn    *grpc.ClientConn
	tls     *tls.Config // nil for plaintext
}

// lockedBuffer collects what a process writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newServer starts a server that ends with the test. A data race in it fails the test.
func newServer(tb testing.TB, flags ...string) *server {
	tb.Helper()
	return newServerOn(tb, tb.TempDir(), flags...)
}

// newServerOn is newServer on a folder that the test has made.
func newServerOn(tb testing.TB, data string, flags ...string) *server {
	tb.Helper()
	return newServerWith(tb, &server{TB: tb, data: data, flags: flags})
}

// newServerWith starts a server that a test has described.
func newServerWith(tb testing.TB, s *server) *server {
	tb.Helper()
	s.program, s.address, s.log = cmp.Or(s.program, filepath.Join(bin, "stintd")), cmp.Or(s.address, "127.0.0.1:0"), &lockedBuffer{}
	tb.Cleanup(func() {
		s.stop()
		if s.conn != nil {
			_ = s.conn.Close()
		}
		log := s.log.String()
		if strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic") {
			tb.Errorf("the server's log:\n%s", log)
		} else if tb.Failed() {
			tb.Logf("end of the server's log:\n%s", log[max(0, len(log)-8000):])
		}
	})
	s.start()
	return s
}

// launch runs the binary, below another program if one is given, and returns the line in which it says that it serves.
// After an error it ends, and has to be waited for.
func (s *server) launch(under ...string) (line string, err error) {
	s.Helper()
	services, err := filepath.Abs("testdata/services")
	if err != nil {
		s.Fatal(err)
	}
	args := slices.Concat(under, []string{s.program, "--data", s.data, "--listen", s.address, "--services", services}, s.flags)
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.Fatal(err)
	}
	return bufio.NewReader(out).ReadString('\n')
}

// start runs the binary and waits until it says that it serves.
func (s *server) start() {
	s.Helper()
	line, err := s.launch()
	if err != nil {
		_ = s.cmd.Wait()
		s.cmd = nil
		s.Fatalf("the server did not start: %v\n%s", err, s.log)
	}
	s.connect(line)
}

// connect finds the server's address in its line, the first time.
func (s *server) connect(line string) {
	s.Helper()
	if s.conn != nil { // others may be reading it
		return
	}
	var err error
	_, s.address, _ = strings.Cut(strings.TrimSpace(line), "://")
	transport := insecure.NewCredentials()
	if s.tls != nil {
		transport = credentials.NewTLS(s.tls)
	}
	s.conn, err = grpc.NewClient(s.address, grpc.WithTransportCredentials(transport),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.5, MaxDelay: 200 * time.Millisecond},
			MinConnectTimeout: time.Second,
		}))
	if err != nil {
		s.Fatal(err)
	}
}

// stop ends the server in good order.
func (s *server) stop() {
	s.Helper()
	s.end(syscall.SIGTERM)
}

// kill ends it as a power cut would.
func (s *server) kill() {
	s.Helper()
	s.end(syscall.SIGKILL)
}

func (s *server) end(sig syscall.Signal) {
	s.Helper()
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.Error(err)
	}
	err := s.cmd.Wait()
	s.cmd = nil
	if sig == syscall.SIGTERM && err != nil {
		s.Errorf("the server ended with %v", err)
	}
}

// ends waits until the server has ended by itself, and wants its exit code.
func (s *server) ends(code int) {
	s.Helper()
	if got := s.finish(endTime); got != code {
		s.Errorf("the server ended with exit code %d, want %d", got, code)
	}
}

func (s *server) jobs() jobsv1.JobServiceClient { return jobsv1.NewJobServiceClient(s.conn) }

func (s *server) url(path string) string { return "http://" + s.address + path }

// run runs a binary of ours to its end.
func run(tb testing.TB, name string, args ...string) (stdout string, code int) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), filepath.Join(bin, name), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		tb.Fatalf("%s %v: %v", name, args, err)
	}
	if cmd.ProcessState.ExitCode() != 0 {
		tb.Logf("%s %v: %s%s", name, args, out.String(), errs.String())
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// check runs stintd check on the folder of a server that does not run.
func (s *server) check() {
	s.Helper()
	if out, code := run(s, "stintd", "check", "--data", s.data); code != 0 || strings.TrimSpace(out) != "ok" {
		s.Errorf("stintd check: exit code %d\n%s", code, out)
	}
}

// runs counts the lines that jobs of the service Append wrote, by job id.
func (s *server) runs() map[string]int {
	s.Helper()
	b, err := os.ReadFile(filepath.Join(s.data, "runs"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.Fatal(err)
	}
	n := make(map[string]int)
	for id := range strings.FieldsSeq(string(b)) {
		n[id]++
	}
	return n
}

// untilFinal waits until all jobs of everybody are final.
func (s *server) untilFinal(within time.Duration) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), within)
	defer cancel()
	stream, err := s.jobs().WatchStatus(ctx, &jobsv1.WatchStatusRequest{Owner: "*", View: jobsv1.WatchView_WATCH_VIEW_COUNTS})
	if err != nil {
		s.Fatal(err)
	}
	var last *jobsv1.Summary
	for {
		m, err := stream.Recv()
		if err != nil {
			s.Fatalf("jobs are stuck: %v; last counts %v", err, last)
		}
		if c := m.GetCounts(); c != nil {
			if last = c; c.GetTotal().GetQueued()+c.GetTotal().GetRunning() == 0 {
				return
			}
		}
	}
}

package slurm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor/slurm/slurmtest"
)

// testHints has real servers on one cluster: one that nodes tell when jobs begin and end, and one that they do not.
func testHints(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	journal := filepath.Join(t.TempDir(), "journal")
	squeue := script(t, `echo >>'`+journal+`'; exec squeue "$@"`)
	port := freePort(t)
	told := newStintd(t, c, stintdOptions{
		commands: map[string]string{"squeue": squeue},
		env:      []string{"AWS_SECRET_ACCESS_KEY=of-the-server", "SBATCH_EXPORT=ALL"},
		flags:    []string{"--listen", port, "--job-report-url", "http://" + port},
	})
	untold := newStintd(t, c, stintdOptions{commands: map[string]string{"squeue": "squeue"}, flags: []string{"--job-report-url", "none"}})
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	t.Run("Environment", func(t *testing.T) { testEnvironment(t, told, untold) })
	t.Run("Token", func(t *testing.T) { testToken(t, told, journal) })
	t.Run("Latency", func(t *testing.T) { testLatency(t, told, untold) })
}

// freePort is an address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// witness submits a job that tells what it found.
func (s *stintd) witness(ctx context.Context, executor string, seconds float64) (*jobsv1.Job, error) {
	resp, err := jobsv1.NewJobServiceClient(s.conn).Submit(ctx, &jobsv1.SubmitRequest{Job: &jobsv1.Job{
		Service: "Witness", Executor: executor, Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{"seconds": structpb.NewNumberValue(seconds)}},
	}})
	return resp.GetJob(), err
}

// seen is when a watcher of a job heard that it runs, and that it is over.
type seen struct {
	running, over time.Time
	job           *jobsv1.Job
}

// watch follows a job to its end.
func (s *stintd) watch(ctx context.Context, id string) (seen, error) {
	stream, err := jobsv1.NewJobServiceClient(s.conn).WatchStatus(ctx, &jobsv1.WatchStatusRequest{Id: id, UntilFinal: true})
	var w seen
	for err == nil {
		var m *jobsv1.WatchStatusResponse
		if m, err = stream.Recv(); err != nil {
			break
		}
		now := time.Now()
		j := m.GetJob()
		if j.GetState() == jobsv1.State_STATE_RUNNING && w.running.IsZero() {
			w.running = now
		}
		if j != nil {
			w.job, w.over = j, now
		}
	}
	if !errors.Is(err, io.EOF) {
		return w, fmt.Errorf("watch job %s: %w", id, err)
	}
	return w, nil
}

// output is what a job's first attempt left in its output folder.
func (s *stintd) output(id, name string) ([]byte, error) {
	n, err := strconv.Atoi(id)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(s.data, "jobs", strconv.Itoa(n/1000), id, "attempts", "1", "output", name))
}

// environment of a job's command.
func (s *stintd) environment(t *testing.T, id string) map[string]string {
	t.Helper()
	text, err := s.output(id, "environment")
	if err != nil {
		t.Fatal(err)
	}
	env := make(map[string]string)
	for v := range strings.SplitSeq(strings.TrimSuffix(string(text), "\x00"), "\x00") {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	return env
}

// testEnvironment checks that a command gets the variables that are meant for
// it and nothing else: nothing of the server's environment, nor of Slurm's.
func testEnvironment(t *testing.T, told, untold *stintd) {
	t.Helper()
	always := []string{
		"HOME", "LANG", "OMP_NUM_THREADS", "PATH", "STINT_ATTEMPT", "STINT_CPUS", "STINT_JOB_ID", "STINT_MEMORY_BYTES", "STINT_OUTPUT_DIR",
		"STINT_OUTPUT_NAME", "STINT_OWNER", "STINT_PARAMS", "STINT_PARAM_seconds", "STINT_PROGRESS", "STINT_SERVICE", "TMPDIR", "TZ",
	}
	telling := slices.Sorted(slices.Values(append([]string{"STINT_JOB_TOKEN", "STINT_REPORT_URL"}, always...)))
	for _, tc := range []struct {
		s        *stintd
		executor string
		want     []string
	}{{told, "local", telling}, {told, "slurm", telling}, {untold, "local", always}, {untold, "slurm", always}} {
		j, err := tc.s.witness(t.Context(), tc.executor, 0)
		if err != nil {
			t.Fatal(err)
		}
		if w, err := tc.s.watch(t.Context(), j.GetId()); err != nil || w.job.GetState() != jobsv1.State_STATE_COMPLETED {
			t.Fatalf("%v, %v", w.job, err)
		}
		env := tc.s.environment(t, j.GetId())
		var names []string
		for name, value := range env {
			names = append(names, name)
			if strings.Contains(value, "of-the-server") {
				t.Errorf("%s has a secret of the server", name)
			}
		}
		slices.Sort(names)
		names = slices.DeleteFunc(names, func(name string) bool { return name == "SHLVL" && tc.executor == "slurm" }) // of a bash that is /bin/sh
		if diff := cmp.Diff(tc.want, names); diff != "" {
			t.Errorf("variables of a job on %s (-want +got):\n%s", tc.executor, diff)
		}
		if want := "http://" + tc.s.address + "/v1/jobs/" + j.GetId() + ":report"; len(tc.want) == len(telling) && env["STINT_REPORT_URL"] != want {
			t.Errorf("reports go to %q, want %q", env["STINT_REPORT_URL"], want)
		}
	}
}

// report posts to where the command of a job may.
func report(t *testing.T, env map[string]string, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+env["STINT_JOB_TOKEN"])
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// testToken uses the token of a job's command as the command can, and in every way in which it must not.
func testToken(t *testing.T, s *stintd, journal string) {
	t.Helper()
	polls := func() int {
		text, err := os.ReadFile(journal)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "\n")
	}
	j, err := s.witness(t.Context(), "slurm", 20)
	if err != nil {
		t.Fatal(err)
	}
	deadline, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	over := make(chan seen, 1)
	go func() {
		w, err := s.watch(deadline, j.GetId())
		if err != nil {
			t.Error(err)
		}
		over <- w
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := s.output(j.GetId(), "environment"); err == nil {
			break
		}
		select {
		case <-tick.C:
		case <-deadline.Done():
			t.Fatal("the command did not begin")
		}
	}
	env := s.environment(t, j.GetId())
	url := env["STINT_REPORT_URL"]
	if code, text := report(t, env, url, `{"progress":{"percent":40,"message":"half way"}}`); code != http.StatusOK {
		t.Errorf("progress: %d %s", code, text)
	}
	base, _, _ := strings.Cut(url, "/v1/")
	for path, want := range map[string]int{
		"/v1/jobs/1:report":                       http.StatusNotFound, // of the same owner
		"/v1/jobs/999:report":                     http.StatusNotFound,
		"/v1/jobs/" + j.GetId() + ":cancel":       http.StatusForbidden,
		"/v1/jobs/" + j.GetId() + ":reportIssue":  http.StatusForbidden,
		"/v1/jobs":                                http.StatusForbidden,
		"/v1/jobs/" + j.GetId() + ":rerun":        http.StatusForbidden,
		"/v1/jobs/" + j.GetId() + ":report?x=y#z": http.StatusBadRequest,
	} {
		if code, text := report(t, env, base+path, `{}`); code != want {
			t.Errorf("%s: %d %s, want %d", path, code, text, want)
		}
	}
	// A command that tells again and again that it has ended makes Slurm be asked no more than one that does not.
	before, began, many := polls(), time.Now(), 0
	for time.Since(began) < 8*time.Second {
		code, text := report(t, env, url, `{"event":"JOB_EVENT_ENDED"}`)
		if code != http.StatusOK && code != http.StatusTooManyRequests {
			t.Fatalf("event: %d %s", code, text)
		}
		many++
	}
	took := time.Since(began)
	// Once each 2 s after the submit, and four times for the first event.
	if n, most := polls()-before, int(took/(2*time.Second))+1+4; n > most || many < 20 {
		t.Errorf("%d squeue in %v with %d events; want at most %d", n, took, many, most)
	} else {
		t.Logf("%d squeue in %v with %d events", n, took.Round(time.Millisecond), many)
	}
	w := <-over
	got, err := jobsv1.NewJobServiceClient(s.conn).Get(t.Context(), &jobsv1.GetRequest{Id: j.GetId()})
	if p := got.GetJob().GetProgress(); w.job.GetState() != jobsv1.State_STATE_COMPLETED || p.GetPercent() != 40 || p.GetMessage() != "half way" {
		t.Errorf("the job is %v with progress %v, %v", w.job.GetState(), p, err)
	}
	if code, text := report(t, env, url, `{"event":"JOB_EVENT_ENDED"}`); code != http.StatusUnauthorized || !strings.Contains(text, "ATTEMPT_OVER") {
		t.Errorf("after the end: %d %s", code, text)
	}
}

// testLatency measures how long after a change on the node a watcher hears of it, with hints and without.
func testLatency(t *testing.T, told, untold *stintd) {
	t.Helper()
	const lanes, rounds = 2, 6
	type delays struct {
		mu         sync.Mutex
		start, end []time.Duration
	}
	before := reports(t, told)
	measure := func(s *stintd) *delays {
		var d delays
		var all sync.WaitGroup
		for range lanes {
			all.Go(func() {
				for range rounds {
					j, err := s.witness(t.Context(), "slurm", 5)
					if err != nil {
						t.Error(err)
						return
					}
					w, err := s.watch(t.Context(), j.GetId())
					if err != nil || w.job.GetState() != jobsv1.State_STATE_COMPLETED {
						t.Errorf("%v, %v", w.job, err)
						return
					}
					began, errBegan := s.output(j.GetId(), "began")
					ended, errEnded := s.output(j.GetId(), "ended")
					if err := errors.Join(errBegan, errEnded); err != nil {
						t.Error(err)
						return
					}
					d.mu.Lock()
					d.start, d.end = append(d.start, w.running.Sub(moment(t, began))), append(d.end, w.over.Sub(moment(t, ended)))
					d.mu.Unlock()
				}
			})
		}
		all.Wait()
		return &d
	}
	with, without := new(delays), new(delays)
	var both sync.WaitGroup
	both.Go(func() { with = measure(told) })
	both.Go(func() { without = measure(untold) })
	both.Wait()
	if t.Failed() {
		return
	}
	// Each job tells twice, and few may be cut short.
	if n, most := reports(t, told)-before, 2*len(with.start); n < most*3/4 {
		t.Errorf("the server heard of %d of %d starts and ends", n, most)
	} else {
		t.Logf("the server heard of %d of %d starts and ends", n, most)
	}
	for what, of := range map[string][2][]time.Duration{"start": {with.start, without.start}, "end": {with.end, without.end}} {
		hinted, polled := median(of[0]), median(of[1])
		t.Logf("%s seen after: p50 %v, at most %v with hints; p50 %v, at most %v without", what, hinted, slices.Max(of[0]), polled, slices.Max(of[1]))
		// Polls are 2 s apart while jobs are submitted, so that without hints the middle is a second; the machine may be busy.
		if hinted > 2*time.Second || polled > 5*time.Second {
			t.Errorf("%s: no sooner than by polls alone", what)
		}
	}
}

var reported = regexp.MustCompile(`(?m)^grpc_server_handled_total\{grpc_code="OK",grpc_method="Report",.*\} (\d+)$`)

// reports is how many reports the server has taken.
func reports(t *testing.T, s *stintd) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	m := reported.FindSubmatch(text)
	if err != nil || m == nil {
		t.Fatalf("no number of reports among the metrics (%d bytes): %v", len(text), err)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// moment reads nanoseconds since 1970.
func moment(t *testing.T, text []byte) time.Time {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		t.Error(err)
	}
	return time.Unix(0, n)
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2].Round(time.Millisecond)
}

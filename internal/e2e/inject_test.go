package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// injection makes system calls of a server on some of its files fail.
type injection struct {
	calls string   // as strace has them, separated by commas
	files []string // relative to the data folder
	errno string
	when  string // which of the calls of each thread; see strace(1)
}

func (i injection) String() string {
	return fmt.Sprintf("%s on %s: %s at %s", i.calls, strings.Join(i.files, " "), i.errno, i.when)
}

// args are those of strace, which logs to a file.
func (i injection) args(data, log string) []string {
	args := []string{"-f", "-o", log, "-e", "trace=" + i.calls, "-e", "inject=" + i.calls + ":error=" + i.errno + ":when=" + i.when}
	for _, name := range i.files {
		args = append(args, "-P", filepath.Join(data, name))
	}
	return args
}

// tracer is a strace that runs.
type tracer struct {
	t   *testing.T
	log string
	cmd *exec.Cmd
}

// needStrace skips a test where processes cannot be traced.
func needStrace(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "strace", "-o", os.DevNull, "true").CombinedOutput()
	if err == nil {
		return
	}
	if required("programs") && errors.Is(err, exec.ErrNotFound) {
		t.Fatal(err)
	}
	t.Skipf("processes cannot be traced here: %v\n%s", err, out)
}

// inject makes calls of a server that runs fail, from now on until the tracer is detached.
func (s *server) inject(t *testing.T, i injection) *tracer {
	t.Helper()
	tr := &tracer{t: t, log: filepath.Join(t.TempDir(), "strace")}
	args := append(i.args(s.data, tr.log), "-p", strconv.Itoa(s.cmd.Process.Pid))
	tr.cmd = exec.Command("strace", args...)
	said, err := tr.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "attached") {
			go func() { // strace says each thread that begins
				for lines.Scan() {
				}
			}()
			return tr
		}
	}
	t.Fatalf("strace did not attach: %v", tr.cmd.Wait())
	return nil
}

// detach lets the server go on without faults, and returns how many calls failed.
func (tr *tracer) detach() int {
	tr.t.Helper()
	_ = tr.cmd.Process.Signal(syscall.SIGTERM)
	_ = tr.cmd.Wait()
	return injected(tr.t, tr.log)
}

// injected counts the calls in a log of strace that were made to fail.
func injected(t *testing.T, log string) int {
	t.Helper()
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), "(INJECTED)")
}

// promises are what the calls of clients were answered, by request.
type promises struct {
	mu   sync.Mutex
	all  map[string]*promise
	sums outcomes
}

// promise is what became of one request.
type promise struct {
	ids     []string // acknowledged with these jobs
	jobs    int      // that it is for
	unknown bool     // otherwise it was refused, unless it was acknowledged
	checked bool
}

// outcomes count requests.
type outcomes struct{ acknowledged, refused, unknown, unknownStored int }

// faultJob is a job that its request can be told from.
func faultJob(request string) *jobsv1.Job {
	j := appendJob(0)
	j.Labels = map[string]string{"request": request}
	return j
}

// send sends a request, for one job or for three at once, and returns the ids.
func (s *server) send(ctx context.Context, request string, jobs int) (ids []string, again bool, err error) {
	if jobs == 1 {
		resp, err := s.jobs().Submit(ctx, &jobsv1.SubmitRequest{Job: faultJob(request), RequestId: request})
		if err != nil {
			return nil, false, err
		}
		return []string{resp.GetJob().GetId()}, resp.GetDeduplicated(), nil
	}
	req := &jobsv1.BatchSubmitRequest{RequestId: request}
	for range jobs {
		req.Jobs = append(req.Jobs, faultJob(request))
	}
	resp, err := s.jobs().BatchSubmit(ctx, req)
	if err != nil {
		return nil, false, err
	}
	for _, j := range resp.GetJobs() {
		ids = append(ids, j.GetId())
	}
	return ids, resp.GetDeduplicated(), nil
}

var refusals = []string{"NO_SPACE", "STORAGE_FAILED", "OVERLOADED", "UNAVAILABLE"}

// ask sends a request and notes what became of it. It reports whether it was acknowledged.
func (p *promises) ask(ctx context.Context, t *testing.T, s *server, request string, jobs int) bool {
	t.Helper()
	ids, _, err := s.send(ctx, request, jobs)
	st := status.Convert(err)
	reason := reasonOf(st.Proto())
	p.mu.Lock()
	defer p.mu.Unlock()
	n := &promise{ids: ids, jobs: jobs}
	p.all[request] = n
	switch {
	case err == nil:
		p.sums.acknowledged++
		return true
	case slices.Contains(refusals, reason):
		p.sums.refused++
	case reason == "STORAGE_UNKNOWN", reason == "" && (st.Code() == codes.Unavailable || st.Code() == codes.Canceled || st.Code() == codes.DeadlineExceeded):
		n.unknown = true
		p.sums.unknown++
	default:
		t.Errorf("request %s: %v", request, err)
	}
	if reason != "" && (st.Message() == "" || leaks.MatchString(st.Message())) {
		t.Errorf("a refusal says %q", st.Message())
	}
	return false
}

// load sends requests from several clients until each was refused a few times or has sent enough.
func (p *promises) load(ctx context.Context, t *testing.T, s *server, name string, each int) {
	t.Helper()
	var wg sync.WaitGroup
	for c := range 3 {
		wg.Go(func() {
			for i, failed := 0, 0; i < each && failed < 4 && ctx.Err() == nil; i++ {
				if !p.ask(ctx, t, s, fmt.Sprintf("%s-%d-%d", name, c, i), 1+2*((i+c)%2)) {
					failed++
				}
			}
		})
	}
	wg.Wait()
}

// stored counts the jobs of each request that the server has.
func (s *server) stored(t *testing.T) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	for token := ""; ; {
		resp, err := s.jobs().List(t.Context(), &jobsv1.ListRequest{PageSize: 1000, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range resp.GetJobs() {
			r := j.GetLabels()["request"]
			all[r] = append(all[r], j.GetId())
		}
		if token = resp.GetNextPageToken(); token == "" {
			return all
		}
	}
}

// keptBy wants a server that was started anew to have what was promised, and each request to have its jobs once after
// it was sent again.
func (p *promises) keptBy(t *testing.T, s *server) {
	t.Helper()
	before := s.stored(t)
	repeated := make(map[string][]string)
	for request, n := range p.all {
		had := before[request]
		slices.Sort(had)
		slices.Sort(n.ids)
		switch {
		case n.ids != nil:
			if !slices.Equal(had, n.ids) {
				t.Errorf("request %s was acknowledged with the jobs %v, and there are %v", request, n.ids, had)
			}
		case n.unknown:
			if len(had) != 0 && len(had) != n.jobs {
				t.Errorf("of the %d jobs of request %s there are %v", n.jobs, request, had)
			}
			if len(had) > 0 && !n.checked {
				p.sums.unknownStored++
			}
		case len(had) != 0:
			t.Errorf("request %s was refused, and there are its jobs %v", request, had)
		}
		if n.checked {
			continue
		}
		n.checked = true
		ids, again, err := s.send(t.Context(), request, n.jobs)
		if err != nil || again != (len(had) > 0) {
			t.Errorf("request %s again, of which there were %v: %v, deduplicated %v, %v", request, had, ids, again, err)
		}
		slices.Sort(ids)
		if len(had) > 0 && !slices.Equal(ids, had) {
			t.Errorf("request %s again: jobs %v, before %v", request, ids, had)
		}
		repeated[request] = ids
		n.ids, n.unknown = ids, false
	}
	after := s.stored(t)
	for request, ids := range repeated {
		if len(after[request]) != len(ids) {
			t.Errorf("request %s, sent twice, has the jobs %v", request, after[request])
		}
	}
}

// finish waits until the process has ended by itself, at most so long, and returns its exit code. Otherwise the test
// fails with what all its goroutines do.
func (s *server) finish(within time.Duration) int {
	s.Helper()
	done := make(chan struct{})
	cmd := s.cmd
	go func() { _ = cmd.Wait(); close(done) }()
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
		s.Errorf("the server has not ended within %s", within)
		_ = cmd.Process.Signal(syscall.SIGQUIT)
		<-done
	}
	s.cmd = nil
	return cmd.ProcessState.ExitCode()
}

// over reports whether the process ends within some time. It still has to be waited for.
func (s *server) over(within time.Duration) bool {
	s.Helper()
	for began := time.Now(); time.Since(began) < within; {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return true
		}
		moment() // a foreign process gives no signal
	}
	return false
}

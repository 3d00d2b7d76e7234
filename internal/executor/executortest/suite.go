package executortest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workdir"
)

// Harness is an engine under test and what it can do.
type Harness struct {
	// New makes another executor on the same engine, as a restarted server
	// does. What it needs for its work, such as a polling loop, is ended by t.Cleanup.
	New func(tb testing.TB) executor.Executor
	// Folders hold the jobs' files; the engine sees them at the same paths.
	Folders *workdir.Root
	// Timeout bounds one test of the suite. Zero means a minute.
	Timeout time.Duration
	// Resources is what the suite's jobs ask for. Nil means one core and 256 MiB.
	Resources *jobsv1.Resources
	// TimeLimit is a short time limit that the engine keeps. Zero means that it keeps none a test could wait for.
	TimeLimit time.Duration
	// OutputCap is an amount of output of which the engine drops the middle. Zero means that it keeps all.
	OutputCap int
	// ManyJobs is how many jobs the engine is given at a time. Zero means 20.
	ManyJobs int
	// EndsEscaped says that the engine also ends processes that left the command's process group and session.
	EndsEscaped bool
	// Lose makes the engine lose an attempt that runs. Nil means that it cannot be made to.
	Lose func(tb testing.TB, h executor.Handle, a workdir.Attempt)
	// Simulated says that commands are those of Simulated, and no processes.
	// Release then lets a command that holds go on.
	Simulated bool
	// Release lets a simulated command go on.
	Release func(a workdir.Attempt)
}

// suite is one test of the suite.
type suite struct {
	*Harness
	t *testing.T
}

// cases are the tests of the suite.
var cases = []struct {
	name string
	test func(s *suite)
}{
	{"SuccessWithOutput", testSuccess},
	{"ExitCode", testExitCode},
	{"Signal", testSignal},
	{"MissingProgram", testMissingProgram},
	{"WorkingDirectory", testWorkingDirectory},
	{"EnvironmentIsTheTasksOwn", testEnvironment},
	{"Progress", testProgress},
	{"LargeOutput", testLargeOutput},
	{"Usage", testUsage},
	{"TimeLimit", testTimeLimit},
	{"CancelAtOnce", testCancelAtOnce},
	{"CancelRunning", testCancelRunning},
	{"CancelAfterTheEnd", testCancelAfterEnd},
	{"CancelOfAnIgnoringCommand", testCancelIgnoring},
	{"CancelEndsTheWholeTree", testCancelTree},
	{"NothingOutlivesTheCommand", testLeftovers},
	{"WaitAgain", testWaitAgain},
	{"Detach", testDetach},
	{"StartTwiceRunsOnce", testStartTwice},
	{"StartTogetherRunsOnce", testStartTogether},
	{"FindKnown", testFindKnown},
	{"FindUnknown", testFindUnknown},
	{"Lost", testLost},
	{"ManyAtOnce", testMany},
}

// Run runs the suite against the engines that factory makes, one for each
// test. A factory may hand out the same engine again: the suite never uses a job's id twice.
func Run(t *testing.T, factory func(t *testing.T) *Harness) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.test(&suite{factory(t), t}) })
	}
}

// RunInBubble is Run with every test in a synctest bubble, for engines without processes.
func RunInBubble(t *testing.T, factory func(t *testing.T) *Harness) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.test(&suite{factory(t), t}) })
		})
	}
}

// lastID makes the ids of the suite's jobs.
var lastID atomic.Uint64

// run is one attempt in a test.
type run struct {
	*suite
	ctx  context.Context //nolint:containedctx // bounds one test
	ex   executor.Executor
	task executor.Task
}

// attempt prepares a job's first attempt as the staging of the server does.
func (s *suite) attempt(steps ...Step) *run {
	s.t.Helper()
	timeout := s.Timeout
	if timeout == 0 {
		timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), timeout)
	s.t.Cleanup(cancel)
	res := s.Resources
	if res == nil {
		res = &jobsv1.Resources{Cpus: 1, MemoryBytes: 256 << 20}
	}
	res, _ = proto.Clone(res).(*jobsv1.Resources)
	id := job.ID(lastID.Add(1))
	dir := s.Folders.Job(id)
	a := dir.Attempt(1)
	argv := Shell(steps...)
	if s.Simulated {
		argv = Simulated(steps...)
	}
	if err := errors.Join(dir.Create(), a.Create()); err != nil {
		s.t.Fatal(err)
	}
	r := &run{suite: s, ctx: ctx, ex: s.New(s.t), task: executor.Task{
		Job:     &jobsv1.Job{Id: id.String(), Owner: "suite", Service: "Suite", Resources: res},
		Attempt: 1,
		Dir:     a,
		Command: executor.Command{
			Argv: argv,
			Env: []string{
				"PATH=/usr/bin:/bin", "LC_ALL=C", "TMPDIR=" + a.TmpPath(), "STINT_JOB_ID=" + id.String(),
				"STINT_OUTPUT_DIR=" + a.OutputPath(), "STINT_PROGRESS=" + a.ProgressPath(),
			},
			Resources: res,
		},
	}}
	if !s.Simulated {
		for _, name := range []string{holdFIFO, leashFIFO, bornFIFO} {
			if err := syscall.Mkfifo(filepath.Join(a.OutputPath(), name), 0o600); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return r
}

// start starts the attempt and wants that to succeed.
func (r *run) start() executor.Handle {
	r.t.Helper()
	h, err := r.ex.Start(r.ctx, r.task)
	if err != nil {
		r.t.Fatalf("Start() = %v", err)
	}
	if h == "" {
		r.t.Fatal("Start() answered an empty handle")
	}
	return h
}

// ended is what Wait answered.
type ended struct {
	exit executor.Exit
	err  error
}

// waiting is a Wait that goes on.
type waiting struct {
	r       *run
	running chan executor.Observation // gets the first observation of RUNNING
	ended   chan ended
}

// wait begins to wait for the attempt by the executor.
func (r *run) wait(ctx context.Context, ex executor.Executor, h executor.Handle) *waiting {
	w := &waiting{r: r, running: make(chan executor.Observation, 1), ended: make(chan ended, 1)}
	go func() {
		exit, err := ex.Wait(ctx, h, func(o executor.Observation) {
			if o.State == jobsv1.State_STATE_RUNNING {
				select {
				case w.running <- o:
				default:
				}
			}
		})
		w.ended <- ended{exit, err}
	}()
	return w
}

// untilRunning waits for the observation that the command runs.
func (w *waiting) untilRunning() executor.Observation {
	w.r.t.Helper()
	select {
	case o := <-w.running:
		return o
	case e := <-w.ended:
		w.r.t.Fatalf("Wait() = %+v, %v before it observed RUNNING", e.exit, e.err)
	case <-w.r.ctx.Done():
		w.r.t.Fatal("the command was not observed to run")
	}
	return executor.Observation{}
}

// result waits for the end of Wait.
func (w *waiting) result() (executor.Exit, error) {
	w.r.t.Helper()
	select {
	case e := <-w.ended:
		return e.exit, e.err
	case <-w.r.ctx.Done():
		w.r.t.Fatal("Wait() did not return in time")
	}
	return executor.Exit{}, nil
}

// exit waits for an end that is no error.
func (w *waiting) exit() executor.Exit {
	w.r.t.Helper()
	e, err := w.result()
	if err != nil {
		w.r.t.Fatalf("Wait() = %v", err)
	}
	return e
}

// finish starts the attempt and waits for its end.
func (r *run) finish() executor.Exit {
	r.t.Helper()
	return r.wait(r.ctx, r.ex, r.start()).exit()
}

// release lets the command, or what it left behind, go on from Hold.
func (r *run) release() {
	r.t.Helper()
	if r.Simulated {
		r.Release(r.task.Dir)
		return
	}
	// Opened for both ends it does not wait for a reader, and kept open the line is not lost before there is one.
	f, err := os.OpenFile(filepath.Join(r.task.Dir.OutputPath(), holdFIFO), os.O_RDWR, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { f.Close() })
	if _, err := f.WriteString("go\ngo\n"); err != nil {
		r.t.Fatal(err)
	}
}

// log is all that is kept of a stream.
func (r *run) log(s workdir.Stream) string {
	r.t.Helper()
	var b strings.Builder
	err := r.task.Dir.ReadLog(r.ctx, s, workdir.LogOptions{}, func(c workdir.LogChunk) error {
		b.Write(c.Data)
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return b.String()
}

// untilReady waits for the command to print "ready".
func (r *run) untilReady() {
	r.t.Helper()
	seen := errors.New("seen")
	var b strings.Builder
	o := workdir.LogOptions{Done: make(chan struct{})}
	err := r.task.Dir.ReadLog(r.ctx, workdir.Stdout, o, func(c workdir.LogChunk) error {
		b.Write(c.Data)
		if strings.Contains("\n"+b.String(), "\nready\n") {
			return seen
		}
		return nil
	})
	if !errors.Is(err, seen) {
		r.t.Fatalf("waiting for the command to be ready: %v; it printed %q", err, b.String())
	}
}

// output is the content of a file in output/.
func (r *run) output(name string) string {
	r.t.Helper()
	f, _, err := r.task.Dir.OpenResult(name)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

// leash opens the reading end of the command's leash.
func (r *run) leash() *os.File {
	r.t.Helper()
	f, err := os.OpenFile(filepath.Join(r.task.Dir.OutputPath(), leashFIFO), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { f.Close() })
	return f
}

// held reports whether a process holds the leash.
func (r *run) held(leash *os.File) bool {
	r.t.Helper()
	conn, err := leash.SyscallConn()
	if err != nil {
		r.t.Fatal(err)
	}
	var n int
	var readErr error
	err = conn.Read(func(fd uintptr) bool {
		n, readErr = syscall.Read(int(fd), make([]byte, 1))
		return true // whatever it was, do not wait
	})
	switch {
	case err != nil:
		r.t.Fatal(err)
	case errors.Is(readErr, syscall.EAGAIN):
		return true
	case readErr != nil || n > 0:
		r.t.Fatalf("reading the leash: %d bytes, %v", n, readErr)
	}
	return false
}

// limit sets the task's time limit.
func (r *run) limit(d time.Duration) { r.task.Command.Resources.TimeLimit = durationpb.New(d) }

// want checks the end of a command that ended by itself.
func (r *run) want(e executor.Exit, code, signal int) {
	r.t.Helper()
	if e.Reason != byItself || e.Code != code || e.Signal != signal {
		r.t.Errorf("ended with %s, want %s", describe(e), describe(executor.Exit{Code: code, Signal: signal}))
	}
	r.wantTimes(e)
}

// wantTimes checks the times of a command that ran.
func (r *run) wantTimes(e executor.Exit) {
	r.t.Helper()
	if e.Start.IsZero() || e.End.Before(e.Start) {
		r.t.Errorf("ran from %v to %v", e.Start, e.End)
	}
}

// wantCancelled checks the end of an attempt that was cancelled.
func (r *run) wantCancelled(e executor.Exit) {
	r.t.Helper()
	if e.Reason != jobsv1.Reason_REASON_CANCELLED_BY_OWNER {
		r.t.Errorf("ended with %s, want it cancelled by its owner", describe(e))
	}
}

func describe(e executor.Exit) string {
	return fmt.Sprintf("reason %v, code %d, signal %d (%s)", e.Reason, e.Code, e.Signal, e.Message)
}

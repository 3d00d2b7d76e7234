package executortest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/workdir"
)

const ok = stintv1.Reason_REASON_UNSPECIFIED // the command ended by itself

func testSuccess(t *testing.T, h *Harness) {
	r := h.attempt(t, Print("to stdout"), PrintErr("to stderr"), Write("result.txt", "42"), Exit(0))
	r.want(r.finish(), ok, 0, 0)
	if got := r.log(workdir.Stdout); got != "to stdout\n" {
		t.Errorf("stdout = %q", got)
	}
	if got := r.log(workdir.Stderr); got != "to stderr\n" {
		t.Errorf("stderr = %q", got)
	}
	if got := r.output("result.txt"); got != "42\n" {
		t.Errorf("result.txt = %q", got)
	}
}

func testExitCode(t *testing.T, h *Harness) {
	r := h.attempt(t, Write("partial.txt", "x"), Exit(37))
	r.want(r.finish(), ok, 37, 0)
	if got := r.output("partial.txt"); got != "x\n" {
		t.Errorf("a failed command's file = %q", got)
	}
}

func testSignal(t *testing.T, h *Harness) {
	for _, s := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGKILL} {
		r := h.attempt(t, Kill(s))
		e := r.finish()
		if e.Reason == stintv1.Reason_REASON_SIGNALLED {
			e.Reason = ok // an engine may say so itself
		}
		r.want(e, ok, -1, int(s))
	}
}

func testMissingProgram(t *testing.T, h *Harness) {
	r := h.attempt(t)
	r.task.Command.Argv = []string{"/stint/no/such/program", "x"}
	handle, err := r.ex.Start(r.ctx, r.task)
	if err == nil {
		e := r.wait(r.ctx, r.ex, handle).exit()
		// An engine on another machine finds out there, possibly by way of a shell.
		if e.Reason != stintv1.Reason_REASON_LAUNCH_FAILED && e.Code != 127 {
			t.Errorf("ended with %s", describe(e))
		}
		return
	}
	var f *executor.Failure
	if !errors.As(err, &f) || f.Reason != stintv1.Reason_REASON_LAUNCH_FAILED || !strings.Contains(f.Message, "/stint/no/such/program") {
		t.Errorf("Start() = %v, want LAUNCH_FAILED that names the program", err)
	}
	if _, err := r.ex.Start(r.ctx, r.task); !errors.As(err, &f) {
		t.Errorf("Start() again = %v, want the same failure", err)
	}
}

func testWorkingDirectory(t *testing.T, h *Harness) {
	r := h.attempt(t, PrintFolder())
	r.want(r.finish(), ok, 0, 0)
	want, err := filepath.EvalSymlinks(r.task.Dir.OutputPath())
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(r.log(workdir.Stdout)); got != want {
		t.Errorf("working directory = %q, want %q", got, want)
	}
}

func testEnvironment(t *testing.T, h *Harness) {
	t.Setenv("STINT_SUITE_SECRET", "of the server")
	r := h.attempt(t, PrintEnv())
	r.task.Command.Env = append(r.task.Command.Env, "STINT_PARAM_odd=a b;$(c)'\"", "EMPTY=")
	r.want(r.finish(), ok, 0, 0)
	env := "\n" + r.log(workdir.Stdout)
	for _, want := range r.task.Command.Env {
		if !strings.Contains(env, "\n"+want+"\n") {
			t.Errorf("the command does not see %q", want)
		}
	}
	if strings.Contains(env, "STINT_SUITE_SECRET") {
		t.Error("the server's environment leaked to the command")
	}
}

func testProgress(t *testing.T, h *Harness) {
	r := h.attempt(t, Progress("10 reading"), Progress("40 assembling contigs"))
	r.want(r.finish(), ok, 0, 0)
	p, found, err := r.task.Dir.ReadProgress()
	if err != nil || !found || p.Percent != 40 || p.Message != "assembling contigs" {
		t.Errorf("progress = %+v, %v, %v", p, found, err)
	}
}

func testLargeOutput(t *testing.T, h *Harness) {
	size := 1 << 20
	if h.OutputCap > 0 {
		size = h.OutputCap
	}
	r := h.attempt(t, Print("first"), Flood(size), Print("last"))
	r.want(r.finish(), ok, 0, 0)
	all := int64(size + len("first\n") + len("last\n"))
	if got, err := r.task.Dir.LogSize(workdir.Stdout); err != nil || got != all {
		t.Errorf("the log ends at %d, %v; want %d", got, err, all)
	}
	log := r.log(workdir.Stdout)
	if !strings.HasPrefix(log, "first\n0123456789abcde\n") || !strings.HasSuffix(log, "last\n") {
		t.Errorf("the log begins with %.30q and ends with %q", log, log[max(0, len(log)-30):])
	}
	if dropped := int64(len(log)) < all; dropped != (h.OutputCap > 0) {
		t.Errorf("%d of %d bytes were kept", len(log), all)
	}
}

func testUsage(t *testing.T, h *Harness) {
	r := h.attempt(t, Burn())
	e := r.finish()
	r.want(e, ok, 0, 0)
	if e.Usage == nil {
		t.Fatal("no usage")
	}
	if e.Usage.GetElapsed().AsDuration() <= 0 || e.Usage.GetCpuTime().AsDuration() <= 0 || e.Usage.GetMaxRssBytes() < 4096 {
		t.Errorf("usage = %v", e.Usage)
	}
	if e.Usage.GetAllocatedCpus() < 1 {
		t.Errorf("%d cores allocated", e.Usage.GetAllocatedCpus())
	}
}

func testTimeLimit(t *testing.T, h *Harness) {
	if h.TimeLimit == 0 {
		t.Skip("the engine keeps no short time limit")
	}
	r := h.attempt(t, Print("ready"), Hold())
	r.limit(h.TimeLimit)
	e := r.finish()
	if e.Reason != stintv1.Reason_REASON_TIME_LIMIT {
		t.Errorf("ended with %s", describe(e))
	}
	r.wantTimes(e)
	if got := e.End.Sub(e.Start); got < h.TimeLimit {
		t.Errorf("ended after %v, before its time limit of %v", got, h.TimeLimit)
	}
}

func testCancelAtOnce(t *testing.T, h *Harness) {
	r := h.attempt(t, Hold())
	handle := r.start()
	if err := r.ex.Cancel(r.ctx, handle); err != nil {
		t.Fatal(err)
	}
	r.wantCancelled(r.wait(r.ctx, r.ex, handle).exit())
}

func testCancelRunning(t *testing.T, h *Harness) {
	r := h.attempt(t, Write("partial.txt", "x"), Print("ready"), Hold())
	handle := r.start()
	w := r.wait(r.ctx, r.ex, handle)
	if o := w.untilRunning(); o.StartTime.IsZero() || o.EngineID == "" {
		t.Errorf("observed %+v, want the time of the start and the engine's id", o)
	}
	r.until("ready")
	for range 2 {
		if err := r.ex.Cancel(r.ctx, handle); err != nil {
			t.Fatal(err)
		}
	}
	e := w.exit()
	r.wantCancelled(e)
	r.wantTimes(e)
	if got := r.log(workdir.Stdout); got != "ready\n" {
		t.Errorf("a cancelled command's log = %q", got)
	}
	if got := r.output("partial.txt"); got != "x\n" {
		t.Errorf("a cancelled command's file = %q", got)
	}
}

func testCancelAfterEnd(t *testing.T, h *Harness) {
	r := h.attempt(t, Exit(0))
	handle := r.start()
	r.want(r.wait(r.ctx, r.ex, handle).exit(), ok, 0, 0)
	if err := r.ex.Cancel(r.ctx, handle); err != nil {
		t.Errorf("Cancel() after the end = %v", err)
	}
	r.want(r.wait(r.ctx, r.ex, handle).exit(), ok, 0, 0)
}

func testCancelIgnoring(t *testing.T, h *Harness) {
	r := h.attempt(t, IgnoreTerm(), Print("ready"), Hold())
	handle := r.start()
	w := r.wait(r.ctx, r.ex, handle)
	r.until("ready")
	if err := r.ex.Cancel(r.ctx, handle); err != nil {
		t.Fatal(err)
	}
	r.wantCancelled(w.exit())
}

func testCancelTree(t *testing.T, h *Harness) {
	if h.Simulated || !h.EndsEscaped {
		t.Skip("the engine does not end escaped processes")
	}
	for _, ignore := range []bool{false, true} {
		steps := []Step{Leash(), Escape(), Print("ready"), Hold()}
		if ignore {
			steps = append([]Step{IgnoreTerm()}, steps...)
		}
		r := h.attempt(t, steps...)
		leash := r.leash()
		handle := r.start()
		w := r.wait(r.ctx, r.ex, handle)
		r.until("ready")
		if !r.held(leash) {
			t.Fatal("nothing holds the leash while the command runs")
		}
		if err := r.ex.Cancel(r.ctx, handle); err != nil {
			t.Fatal(err)
		}
		r.wantCancelled(w.exit())
		if r.held(leash) {
			t.Error("a process outlived its cancelled job")
		}
	}
}

func testLeftovers(t *testing.T, h *Harness) {
	if h.Simulated || !h.EndsEscaped {
		t.Skip("the engine does not end escaped processes")
	}
	r := h.attempt(t, Leash(), Escape(), Exit(3))
	leash := r.leash()
	r.want(r.finish(), ok, 3, 0)
	if r.held(leash) {
		t.Error("a process outlived its job")
	}
}

func testWaitAgain(t *testing.T, h *Harness) {
	r := h.attempt(t, Exit(5))
	handle := r.start()
	first, second := r.wait(r.ctx, r.ex, handle), r.wait(r.ctx, r.ex, handle)
	r.want(first.exit(), ok, 5, 0)
	r.want(second.exit(), ok, 5, 0)
	r.want(r.wait(r.ctx, r.ex, handle).exit(), ok, 5, 0)
	r.want(r.wait(r.ctx, h.New(t), handle).exit(), ok, 5, 0)
}

func testDetach(t *testing.T, h *Harness) {
	r := h.attempt(t, Print("ready"), Hold(), Exit(7))
	handle := r.start()
	ctx, detach := context.WithCancel(r.ctx)
	w := r.wait(ctx, r.ex, handle)
	w.untilRunning()
	detach()
	if _, err := w.result(); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait() of a context that ended = %v", err)
	}
	w = r.wait(r.ctx, h.New(t), handle)
	if o := w.untilRunning(); o.StartTime.IsZero() {
		t.Errorf("observed %+v after attaching again, want the time of the start", o)
	}
	r.release()
	r.want(w.exit(), ok, 7, 0)
}

func testStartTwice(t *testing.T, h *Harness) {
	r := h.attempt(t, Append("runs", "ran"), Hold())
	handle := r.start()
	if again := r.start(); again != handle {
		t.Errorf("Start() again = %q, want %q", again, handle)
	}
	again, err := h.New(t).Start(r.ctx, r.task)
	if err != nil || again != handle {
		t.Errorf("Start() by another executor = %q, %v, want %q", again, err, handle)
	}
	r.release()
	r.want(r.wait(r.ctx, r.ex, handle).exit(), ok, 0, 0)
	if again := r.start(); again != handle {
		t.Errorf("Start() after the end = %q, want %q", again, handle)
	}
	r.want(r.wait(r.ctx, r.ex, handle).exit(), ok, 0, 0)
	if got := r.output("runs"); got != "ran\n" {
		t.Errorf("the command left %q, want one run", got)
	}
}

func testStartTogether(t *testing.T, h *Harness) {
	r := h.attempt(t, Append("runs", "ran"), Exit(0))
	var wg sync.WaitGroup
	handles := make([]executor.Handle, 4)
	for i := range handles {
		wg.Go(func() {
			var err error
			if handles[i], err = r.ex.Start(r.ctx, r.task); err != nil {
				t.Errorf("Start() = %v", err)
			}
		})
	}
	wg.Wait()
	for _, handle := range handles {
		if handle != handles[0] {
			t.Fatalf("handles of one attempt differ: %q", handles)
		}
	}
	r.want(r.wait(r.ctx, r.ex, handles[0]).exit(), ok, 0, 0)
	if got := r.output("runs"); got != "ran\n" {
		t.Errorf("the command left %q, want one run", got)
	}
}

func testFindKnown(t *testing.T, h *Harness) {
	r := h.attempt(t, Hold(), Exit(6))
	handle := r.start()
	other := h.New(t)
	find := func(when string) {
		t.Helper()
		if got, err := other.Find(r.ctx, r.task); err != nil || got != handle {
			t.Errorf("Find() %s = %q, %v; want %q", when, got, err, handle)
		}
	}
	find("while it runs")
	r.release()
	r.want(r.wait(r.ctx, other, handle).exit(), ok, 6, 0)
	find("after the end")
}

func testFindUnknown(t *testing.T, h *Harness) {
	r := h.attempt(t, Append("runs", "ran"), Exit(0))
	for range 2 {
		if got, err := r.ex.Find(r.ctx, r.task); !errors.Is(err, executor.ErrNotFound) {
			t.Fatalf("Find() of an attempt that was never started = %q, %v", got, err)
		}
	}
	// Not being there is no reason not to start it.
	r.want(r.finish(), ok, 0, 0)
	if got := r.output("runs"); got != "ran\n" {
		t.Errorf("the command left %q, want one run", got)
	}
}

func testLost(t *testing.T, h *Harness) {
	if h.Lose == nil {
		t.Skip("the engine cannot be made to lose an attempt")
	}
	steps := []Step{IgnoreTerm(), Print("ready"), Hold()}
	if !h.Simulated {
		steps = append([]Step{Leash(), Escape()}, steps...)
	}
	r := h.attempt(t, steps...)
	held := func() bool { return false }
	if !h.Simulated {
		leash := r.leash()
		held = func() bool { return r.held(leash) }
	}
	handle := r.start()
	w := r.wait(r.ctx, r.ex, handle)
	r.until("ready")
	h.Lose(t, handle, r.task.Dir)
	if e, err := w.result(); !errors.Is(err, executor.ErrLost) {
		t.Errorf("Wait() for a lost attempt = %s, %v", describe(e), err)
	}
	if held() {
		t.Error("a process of the lost attempt still runs")
	}
	if e, err := r.wait(r.ctx, h.New(t), handle).result(); !errors.Is(err, executor.ErrLost) {
		t.Errorf("Wait() again for a lost attempt = %s, %v", describe(e), err)
	}
	if err := r.ex.Cancel(r.ctx, handle); err != nil {
		t.Errorf("Cancel() of a lost attempt = %v", err)
	}
}

func testMany(t *testing.T, h *Harness) {
	n := h.ManyJobs
	if n == 0 {
		n = 20
	}
	runs := make([]*run, n)
	waits := make([]*waiting, n)
	ex := h.New(t)
	for i := range runs {
		runs[i] = h.attempt(t, Append("runs", fmt.Sprint(i)), Hold(), Exit(i))
		runs[i].ex = ex
	}
	var wg sync.WaitGroup
	for i, r := range runs {
		wg.Go(func() {
			handle, err := ex.Start(r.ctx, r.task)
			if err != nil {
				t.Errorf("Start() = %v", err)
				return
			}
			waits[i] = r.wait(r.ctx, ex, handle)
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, r := range runs {
		r.release()
	}
	for i, r := range runs {
		r.want(waits[i].exit(), ok, i, 0)
		if got := r.output("runs"); got != fmt.Sprint(i)+"\n" {
			t.Errorf("job %d left %q", i, got)
		}
	}
}

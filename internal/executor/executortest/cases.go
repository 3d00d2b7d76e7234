package executortest

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/workdir"
)

const byItself = jobsv1.Reason_REASON_UNSPECIFIED // the command ended by itself

func testSuccess(s *suite) {
	r := s.attempt(Print("to stdout"), PrintErr("to stderr"), Write("result.txt", "42"), Exit(0))
	r.want(r.finish(), 0, 0)
	if got := r.log(workdir.Stdout); got != "to stdout\n" {
		s.t.Errorf("stdout = %q", got)
	}
	if got := r.log(workdir.Stderr); got != "to stderr\n" {
		s.t.Errorf("stderr = %q", got)
	}
	if got := r.output("result.txt"); got != "42\n" {
		s.t.Errorf("result.txt = %q", got)
	}
}

func testExitCode(s *suite) {
	r := s.attempt(Write("partial.txt", "x"), Exit(37))
	r.want(r.finish(), 37, 0)
	if got := r.output("partial.txt"); got != "x\n" {
		s.t.Errorf("a failed command's file = %q", got)
	}
	for _, code := range []int{143, 170, 255} { // none of them is a signal, whatever shells make of it
		r := s.attempt(Exit(code))
		r.want(r.finish(), code, 0)
	}
}

func testSignal(s *suite) {
	for _, sig := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGKILL, syscall.SIGTERM} {
		r := s.attempt(Kill(sig))
		e := r.finish()
		if e.Reason == jobsv1.Reason_REASON_SIGNALLED {
			e.Reason = byItself // an engine may say so itself
		}
		r.want(e, -1, int(sig))
	}
}

func testMissingProgram(s *suite) {
	r := s.attempt()
	r.task.Command.Argv = []string{"/stint/no/such/program", "x"}
	handle, err := r.ex.Start(r.ctx, r.task)
	if err == nil {
		e := r.wait(r.ctx, r.ex, handle).exit()
		// An engine on another machine finds out there, possibly by way of a shell.
		if e.Reason != jobsv1.Reason_REASON_LAUNCH_FAILED && e.Code != 127 {
			s.t.Errorf("ended with %s", describe(e))
		}
		return
	}
	var f *executor.Failure
	if !errors.As(err, &f) || f.Reason != jobsv1.Reason_REASON_LAUNCH_FAILED || !strings.Contains(f.Message, "/stint/no/such/program") {
		s.t.Errorf("Start() = %v, want LAUNCH_FAILED that names the program", err)
	}
	if _, err := r.ex.Start(r.ctx, r.task); !errors.As(err, &f) {
		s.t.Errorf("Start() again = %v, want the same failure", err)
	}
}

func testWorkingDirectory(s *suite) {
	r := s.attempt(PrintFolder())
	r.want(r.finish(), 0, 0)
	want, err := filepath.EvalSymlinks(r.task.Dir.OutputPath())
	if err != nil {
		s.t.Fatal(err)
	}
	if got := strings.TrimSpace(r.log(workdir.Stdout)); got != want {
		s.t.Errorf("working directory = %q, want %q", got, want)
	}
}

func testEnvironment(s *suite) {
	s.t.Setenv("STINT_SUITE_SECRET", "of the server")
	r := s.attempt(PrintEnv())
	r.task.Command.Env = append(r.task.Command.Env, "STINT_PARAM_odd=a b;$(c)'\"", "EMPTY=")
	r.want(r.finish(), 0, 0)
	env := "\n" + r.log(workdir.Stdout)
	for _, want := range r.task.Command.Env {
		if !strings.Contains(env, "\n"+want+"\n") {
			s.t.Errorf("the command does not see %q", want)
		}
	}
	if strings.Contains(env, "STINT_SUITE_SECRET") {
		s.t.Error("the server's environment leaked to the command")
	}
}

func testProgress(s *suite) {
	r := s.attempt(Progress("10 reading"), Progress("40 assembling contigs"))
	r.want(r.finish(), 0, 0)
	p, found, err := r.task.Dir.ReadProgress()
	if err != nil || !found || p.Percent != 40 || p.Message != "assembling contigs" {
		s.t.Errorf("progress = %+v, %v, %v", p, found, err)
	}
}

func testLargeOutput(s *suite) {
	size := 1 << 20
	if s.OutputCap > 0 {
		size = s.OutputCap
	}
	r := s.attempt(Print("first"), Flood(size), Print("last"))
	r.want(r.finish(), 0, 0)
	all := int64(size + len("first\n") + len("last\n"))
	if got, err := r.task.Dir.LogSize(workdir.Stdout); err != nil || got != all {
		s.t.Errorf("the log ends at %d, %v; want %d", got, err, all)
	}
	log := r.log(workdir.Stdout)
	if !strings.HasPrefix(log, "first\n0123456789abcde\n") || !strings.HasSuffix(log, "last\n") {
		s.t.Errorf("the log begins with %.30q and ends with %q", log, log[max(0, len(log)-30):])
	}
	if dropped := int64(len(log)) < all; dropped != (s.OutputCap > 0) {
		s.t.Errorf("%d of %d bytes were kept", len(log), all)
	}
}

func testUsage(s *suite) {
	r := s.attempt(Burn())
	e := r.finish()
	r.want(e, 0, 0)
	if e.Usage == nil {
		s.t.Fatal("no usage")
	}
	if e.Usage.GetElapsed().AsDuration() <= 0 || e.Usage.GetCpuTime().AsDuration() <= 0 || e.Usage.GetMaxRssBytes() < 4096 {
		s.t.Errorf("usage = %v", e.Usage)
	}
	if e.Usage.GetAllocatedCpus() < 1 {
		s.t.Errorf("%d cores allocated", e.Usage.GetAllocatedCpus())
	}
}

func testWaitAgain(s *suite) {
	r := s.attempt(Exit(5))
	handle := r.start()
	first, second := r.wait(r.ctx, r.ex, handle), r.wait(r.ctx, r.ex, handle)
	r.want(first.exit(), 5, 0)
	r.want(second.exit(), 5, 0)
	r.want(r.wait(r.ctx, r.ex, handle).exit(), 5, 0)
	r.want(r.wait(r.ctx, s.New(s.t), handle).exit(), 5, 0)
}

func testDetach(s *suite) {
	r := s.attempt(Print("ready"), Hold(), Exit(7))
	handle := r.start()
	ctx, detach := context.WithCancel(r.ctx)
	w := r.wait(ctx, r.ex, handle)
	w.untilRunning()
	detach()
	if _, err := w.result(); !errors.Is(err, context.Canceled) {
		s.t.Errorf("Wait() of a context that ended = %v", err)
	}
	w = r.wait(r.ctx, s.New(s.t), handle)
	if o := w.untilRunning(); o.StartTime.IsZero() {
		s.t.Errorf("observed %+v after attaching again, want the time of the start", o)
	}
	r.release()
	r.want(w.exit(), 7, 0)
}

func testStartTwice(s *suite) {
	r := s.attempt(Append("runs", "ran"), Hold())
	handle := r.start()
	if again := r.start(); again != handle {
		s.t.Errorf("Start() again = %q, want %q", again, handle)
	}
	again, err := s.New(s.t).Start(r.ctx, r.task)
	if err != nil || again != handle {
		s.t.Errorf("Start() by another executor = %q, %v, want %q", again, err, handle)
	}
	r.release()
	r.want(r.wait(r.ctx, r.ex, handle).exit(), 0, 0)
	if again := r.start(); again != handle {
		s.t.Errorf("Start() after the end = %q, want %q", again, handle)
	}
	r.want(r.wait(r.ctx, r.ex, handle).exit(), 0, 0)
	if got := r.output("runs"); got != "ran\n" {
		s.t.Errorf("the command left %q, want one run", got)
	}
}

func testStartTogether(s *suite) {
	r := s.attempt(Append("runs", "ran"), Exit(0))
	var wg sync.WaitGroup
	handles := make([]executor.Handle, 4)
	for i := range handles {
		wg.Go(func() {
			var err error
			if handles[i], err = r.ex.Start(r.ctx, r.task); err != nil {
				s.t.Errorf("Start() = %v", err)
			}
		})
	}
	wg.Wait()
	for _, handle := range handles {
		if handle != handles[0] {
			s.t.Fatalf("handles of one attempt differ: %q", handles)
		}
	}
	r.want(r.wait(r.ctx, r.ex, handles[0]).exit(), 0, 0)
	if got := r.output("runs"); got != "ran\n" {
		s.t.Errorf("the command left %q, want one run", got)
	}
}

func testFindKnown(s *suite) {
	r := s.attempt(Hold(), Exit(6))
	handle := r.start()
	other := s.New(s.t)
	find := func(when string) {
		s.t.Helper()
		if got, err := other.Find(r.ctx, r.task); err != nil || got != handle {
			s.t.Errorf("Find() %s = %q, %v; want %q", when, got, err, handle)
		}
	}
	find("while it runs")
	r.release()
	r.want(r.wait(r.ctx, other, handle).exit(), 6, 0)
	find("after the end")
}

func testFindUnknown(s *suite) {
	r := s.attempt(Append("runs", "ran"), Exit(0))
	for range 2 {
		if got, err := r.ex.Find(r.ctx, r.task); !errors.Is(err, executor.ErrNotFound) {
			s.t.Fatalf("Find() of an attempt that was never started = %q, %v", got, err)
		}
	}
	// Not being there is no reason not to start it.
	r.want(r.finish(), 0, 0)
	if got := r.output("runs"); got != "ran\n" {
		s.t.Errorf("the command left %q, want one run", got)
	}
}

func testLost(s *suite) {
	if s.Lose == nil {
		s.t.Skip("the engine cannot be made to lose an attempt")
	}
	steps := []Step{IgnoreTerm(), Print("ready"), Hold()}
	if !s.Simulated {
		steps = append([]Step{Leash(), Escape()}, steps...)
	}
	r := s.attempt(steps...)
	held := func() bool { return false }
	if !s.Simulated {
		leash := r.leash()
		held = func() bool { return r.held(leash) }
	}
	handle := r.start()
	w := r.wait(r.ctx, r.ex, handle)
	r.untilReady()
	s.Lose(s.t, handle, r.task.Dir)
	if e, err := w.result(); !errors.Is(err, executor.ErrLost) {
		s.t.Errorf("Wait() for a lost attempt = %s, %v", describe(e), err)
	}
	if held() {
		s.t.Error("a process of the lost attempt still runs")
	}
	if e, err := r.wait(r.ctx, s.New(s.t), handle).result(); !errors.Is(err, executor.ErrLost) {
		s.t.Errorf("Wait() again for a lost attempt = %s, %v", describe(e), err)
	}
	if err := r.ex.Cancel(r.ctx, handle); err != nil {
		s.t.Errorf("Cancel() of a lost attempt = %v", err)
	}
}

func testMany(s *suite) {
	n := s.ManyJobs
	if n == 0 {
		n = 20
	}
	runs := make([]*run, n)
	waits := make([]*waiting, n)
	ex := s.New(s.t)
	for i := range runs {
		runs[i] = s.attempt(Append("runs", strconv.Itoa(i)), Hold(), Exit(i))
		runs[i].ex = ex
	}
	var wg sync.WaitGroup
	for i, r := range runs {
		wg.Go(func() {
			handle, err := ex.Start(r.ctx, r.task)
			if err != nil {
				s.t.Errorf("Start() = %v", err)
				return
			}
			waits[i] = r.wait(r.ctx, ex, handle)
		})
	}
	wg.Wait()
	if s.t.Failed() {
		return
	}
	for _, r := range runs {
		r.release()
	}
	for i, r := range runs {
		r.want(waits[i].exit(), i, 0)
		if got := r.output("runs"); got != strconv.Itoa(i)+"\n" {
			s.t.Errorf("job %d left %q", i, got)
		}
	}
}

package executortest

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/workdir"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func fakeHarness(t *testing.T) *Harness {
	t.Helper()
	root, err := workdir.Open(filepath.Join(t.TempDir(), "jobs"))
	if err != nil {
		t.Fatal(err)
	}
	e := NewEngine()
	t.Cleanup(func() {
		e.Close()
		root.Close()
	})
	return e.Harness(root)
}

func TestFakeConforms(t *testing.T) { RunInBubble(t, fakeHarness) }

func TestFakeConformsInRealTime(t *testing.T) {
	Run(t, func(t *testing.T) *Harness {
		t.Helper()
		h := fakeHarness(t)
		h.TimeLimit = 10 * time.Millisecond
		fake, _ := h.New(t).(*Fake)
		fake.engine.Grace = 10 * time.Millisecond
		return h
	})
}

// task is an attempt without a folder.
func task(id string, attempt int, steps ...Step) executor.Task {
	return executor.Task{
		Job: &jobsv1.Job{Id: id}, Attempt: attempt,
		Command: executor.Command{Argv: Simulated(steps...), Resources: &jobsv1.Resources{Cpus: 1}},
	}
}

// fixture is an engine in a synctest bubble.
type fixture struct {
	*testing.T
	engine *Engine
	ex     *Fake
}

func bubble(t *testing.T, test func(f fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := NewEngine()
		t.Cleanup(e.Close)
		test(fixture{t, e, e.Executor()})
	})
}

func TestPlannedStarts(t *testing.T) {
	bubble(t, func(f fixture) {
		t, e, ex := f.T, f.engine, f.ex
		uncertain := errors.New("the answer was lost")
		refused := &executor.Failure{Reason: jobsv1.Reason_REASON_SUBMIT_REJECTED, Message: "no"}
		e.Plan(1, 0, Plan{Start: []StartStep{
			{Err: executor.ErrUnavailable}, {Err: executor.ErrUnavailable}, {Err: uncertain}, {Err: refused}, {Hang: true}, {Err: uncertain, Accept: true},
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for i, want := range []error{executor.ErrUnavailable, executor.ErrUnavailable, uncertain, refused, context.DeadlineExceeded} {
			if h, err := ex.Start(ctx, task("1", 1)); !errors.Is(err, want) {
				t.Errorf("Start() number %d = %q, %v; want %v", i+1, h, err, want)
			}
			if _, err := ex.Find(t.Context(), task("1", 1)); !errors.Is(err, executor.ErrNotFound) {
				t.Errorf("Find() = %v, want ErrNotFound: the engine did not take it", err)
			}
		}
		if _, err := ex.Start(t.Context(), task("1", 1)); !errors.Is(err, uncertain) {
			t.Errorf("Start() = %v", err)
		}
		h, err := ex.Find(t.Context(), task("1", 1))
		if err != nil {
			t.Fatalf("Find() = %v though the engine took it", err)
		}
		if again, err := ex.Start(t.Context(), task("1", 1)); err != nil || again != h {
			t.Errorf("Start() = %q, %v; want %q", again, err, h)
		}
		if x, err := ex.Wait(t.Context(), h, func(executor.Observation) {}); err != nil || x.Code != 0 {
			t.Errorf("Wait() = %+v, %v", x, err)
		}
		if diff := cmp.Diff(Calls{Start: 7, Find: 6, Wait: 1, Runs: 1}, e.Calls(1, 1)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestPlannedEnds(t *testing.T) {
	bubble(t, func(f fixture) {
		t, e, ex := f.T, f.engine, f.ex
		held := executor.Observation{State: jobsv1.State_STATE_QUEUED, Reason: jobsv1.Reason_REASON_ENGINE_HELD, EngineState: "PENDING"}
		broken := errors.New("asked too early")
		e.Plan(1, 1, Plan{
			Pending: time.Hour, Observations: []executor.Observation{held}, Wait: []error{broken}, Find: []error{executor.ErrUnavailable},
			Run: time.Minute, Exit: &executor.Exit{Reason: jobsv1.Reason_REASON_NODE_FAILED, Code: -1},
		})
		e.Plan(1, 2, Plan{Run: time.Minute, Exit: &executor.Exit{}, Lost: true})
		h, err := ex.Start(t.Context(), task("1", 1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ex.Find(t.Context(), task("1", 1)); !errors.Is(err, executor.ErrUnavailable) {
			t.Errorf("Find() = %v", err)
		}
		if _, err := ex.Wait(t.Context(), h, nil); !errors.Is(err, broken) {
			t.Errorf("first Wait() = %v", err)
		}
		at := time.Now()
		var seen []jobsv1.State
		x, err := ex.Wait(t.Context(), h, func(o executor.Observation) { seen = append(seen, o.State) })
		if err != nil || x.Reason != jobsv1.Reason_REASON_NODE_FAILED {
			t.Errorf("Wait() = %+v, %v", x, err)
		}
		if took := time.Since(at); took != time.Hour+time.Minute || x.Start.Sub(at) != time.Hour {
			t.Errorf("it began after %v and took %v", x.Start.Sub(at), took)
		}
		if diff := cmp.Diff([]jobsv1.State{jobsv1.State_STATE_QUEUED, jobsv1.State_STATE_RUNNING}, seen); diff != "" {
			t.Error(diff)
		}
		if h, err = ex.Start(t.Context(), task("1", 2)); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Executor().Wait(t.Context(), h, func(executor.Observation) {}); !errors.Is(err, executor.ErrLost) {
			t.Errorf("Wait() for the second attempt = %v", err)
		}
		if e.Runs(1) != 2 || len(e.Overlaps()) != 0 || !cmp.Equal(e.Began(), []string{"1/1", "1/2"}) {
			t.Errorf("%d runs, overlaps %v, order %v", e.Runs(1), e.Overlaps(), e.Began())
		}
	})
}

func TestEngineNotesWhatMustNotBe(t *testing.T) {
	bubble(t, func(f fixture) {
		t, e, ex := f.T, f.engine, f.ex
		for n := range 2 {
			if _, err := ex.Start(t.Context(), task("1", n+1, Hold())); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if diff := cmp.Diff([]string{"1/2"}, e.Overlaps()); diff != "" {
			t.Error(diff)
		}
		if e.Running() != 2 || e.Peak() != 2 {
			t.Errorf("%d run, %d at most", e.Running(), e.Peak())
		}
		e.Release(1, 1)
		e.Release(1, 1)
		synctest.Wait()
		if e.Running() != 1 {
			t.Errorf("%d run after the release of one", e.Running())
		}
	})
}

func TestEngineAway(t *testing.T) {
	bubble(t, func(f fixture) {
		t, e, ex := f.T, f.engine, f.ex
		h, err := ex.Start(t.Context(), task("1", 1, Sleep(time.Minute), Exit(4)))
		if err != nil {
			t.Fatal(err)
		}
		e.SetAway(true)
		if ex.Status().GetHealthy() {
			t.Error("healthy though away")
		}
		_, startErr := ex.Start(t.Context(), task("2", 1))
		_, findErr := ex.Find(t.Context(), task("1", 1))
		_, waitErr := ex.Wait(t.Context(), h, nil)
		for _, err := range []error{startErr, findErr, waitErr, ex.Cancel(t.Context(), h)} {
			if !errors.Is(err, executor.ErrUnavailable) {
				t.Errorf("an engine that is away answers %v", err)
			}
		}
		e.SetAway(false)
		if x, err := ex.Wait(t.Context(), h, func(executor.Observation) {}); err != nil || x.Code != 4 {
			t.Errorf("Wait() = %+v, %v", x, err)
		}
		if e.Runs(2) != 0 {
			t.Error("an engine that was away took an attempt")
		}
	})
}

func TestPendingAttemptsCanBeCancelled(t *testing.T) {
	bubble(t, func(f fixture) {
		t, e, ex := f.T, f.engine, f.ex
		e.Plan(1, 1, Plan{Pending: time.Hour})
		h, err := ex.Start(t.Context(), task("1", 1))
		if err != nil {
			t.Fatal(err)
		}
		if err := ex.Cancel(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		x, err := ex.Wait(t.Context(), h, func(executor.Observation) {})
		if err != nil || x.Reason != jobsv1.Reason_REASON_CANCELLED_BY_OWNER || !x.Start.IsZero() || e.Runs(1) != 0 {
			t.Errorf("Wait() = %+v, %v; %d runs", x, err, e.Runs(1))
		}
	})
}

func TestTimeLimitOfAnIgnoringCommand(t *testing.T) {
	bubble(t, func(f fixture) {
		t, e, ex := f.T, f.engine, f.ex
		k := task("1", 1, IgnoreTerm(), Hold())
		k.Command.Resources.TimeLimit = durationpb.New(time.Hour)
		h, err := ex.Start(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Now()
		x, err := ex.Wait(t.Context(), h, func(executor.Observation) {})
		if err != nil || x.Reason != jobsv1.Reason_REASON_TIME_LIMIT || x.Signal != 9 || time.Since(at) != time.Hour+e.Grace {
			t.Errorf("Wait() = %+v, %v after %v", x, err, time.Since(at))
		}
	})
}

package scheduler_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

func wantsGPUs(n int32) func(*jobsv1.Job) { return func(j *jobsv1.Job) { j.Resources.Gpus = n } }

// given finds which GPUs the latest attempt of a job has, by its record and by what the executor was
// told.
func (w *world) given(id job.ID, want ...int32) {
	w.Helper()
	j := w.job(id)
	if got := job.Attempt(j).GetGpuIndexes(); !slices.Equal(got, want) {
		w.Errorf("job %s has the GPUs %v, want %v", id, got, want)
	}
	w.tasksMu.Lock()
	defer w.tasksMu.Unlock()
	for _, t := range slices.Backward(w.tasks) {
		if t.Job.GetId() == j.GetId() {
			if !slices.Equal(t.GPUs, want) {
				w.Errorf("the executor was told that job %s has the GPUs %v, want %v", id, t.GPUs, want)
			}
			return
		}
	}
	w.Errorf("job %s never reached the executor", id)
}

func TestGPUsAreHandedOutByIndexAndGivenBack(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity, w.gpus = scheduler.Capacity{policy.CPUs: 100, policy.GPUs: 3}, []int32{1, 2, 5}
		w.start()
		one := w.submit("ann", "minute", wantsGPUs(1))
		w.pass(time.Second)
		two, none := w.submit("bob", "hold", wantsGPUs(2)), w.submit("cy", "hold")
		w.pass(time.Second)
		w.given(one, 1)
		w.given(two, 2, 5)
		w.given(none)
		waits := w.submit("dan", "hold", wantsGPUs(1))
		w.pass(time.Second)
		if words := w.waits(waits, jobsv1.Reason_REASON_WAITING_FOR_RESOURCES); words != "Waiting for GPUs: needs 1, and 0 of 3 are free." {
			t.Errorf("it waits: %q", words)
		}
		for _, st := range w.s.Status() {
			if r := st.GetResources(); st.GetName() == "local" && (len(r) != 1 || r[0].GetName() != "gpus" || r[0].GetUsed() != 3 || r[0].GetTotal() != 3) {
				t.Errorf("status %v", r)
			}
		}
		w.pass(time.Minute)
		w.want(one, completed, noReason)
		w.given(waits, 1)
	})
}

// Whoever starts again hands out none that a job still has.
func TestGPUsOfARunningJobAreKeptOverARestart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity, w.gpus = scheduler.Capacity{policy.CPUs: 100, policy.GPUs: 2}, []int32{0, 1}
		w.start()
		stays, ends := w.submit("ann", "hold", wantsGPUs(1)), w.submit("ann", "minute", wantsGPUs(1))
		w.pass(time.Second)
		w.given(stays, 0)
		w.given(ends, 1)
		w.crash()
		next, last := w.submit("bob", "hold", wantsGPUs(1)), w.submit("bob", "hold", wantsGPUs(1))
		w.pass(2 * time.Minute) // while no server runs
		w.start()
		w.pass(time.Second)
		w.given(next, 1)
		w.waits(last, jobsv1.Reason_REASON_WAITING_FOR_RESOURCES)
		w.engine.Release(stays, 1)
		w.pass(time.Second)
		w.given(last, 0)
	})
}

// A server that starts again with fewer GPUs follows those that have others, and starts nothing on
// what it does not have.
func TestGPUsThatAreGoneAreNotHandedOut(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity, w.gpus = scheduler.Capacity{policy.CPUs: 100, policy.GPUs: 3}, []int32{0, 1, 2}
		w.start()
		first, runs := w.submit("ann", "hold", wantsGPUs(1)), w.submit("ann", "hold", wantsGPUs(1))
		w.pass(time.Second)
		w.given(runs, 1)
		w.engine.Release(first, 1)
		w.pass(time.Second)
		w.crash()
		w.capacity, w.gpus = scheduler.Capacity{policy.CPUs: 100, policy.GPUs: 2}, []int32{0, 2}
		w.start()
		next, last := w.submit("bob", "hold", wantsGPUs(1)), w.submit("bob", "hold", wantsGPUs(1))
		w.pass(time.Second)
		w.given(next, 0)
		w.waits(last, jobsv1.Reason_REASON_WAITING_FOR_RESOURCES)
		w.engine.Release(runs, 1)
		w.pass(time.Second)
		w.want(runs, completed, noReason)
		w.given(last, 2)
	})
}

// lost is an executor that nobody knows to have got what it was given, and that does not have it.
type lost struct{ executor.Executor }

func (lost) Start(context.Context, executor.Task) (executor.Handle, error) {
	return "", errors.New("no answer")
}

func (lost) Find(context.Context, executor.Task) (executor.Handle, error) {
	return "", executor.ErrUnavailable
}

// An attempt that never reached the executor is made again with other GPUs where its own are gone.
func TestAttemptThatNeverStartedGetsGPUsThatThereAre(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity, w.gpus = scheduler.Capacity{policy.CPUs: 100, policy.GPUs: 1}, []int32{7}
		w.wrap = func(e executor.Executor) executor.Executor { return lost{e} }
		w.start()
		id := w.submit("ann", "hold", wantsGPUs(1))
		w.pass(time.Minute)
		w.crash()
		w.wrap, w.gpus = nil, []int32{3}
		w.start()
		w.pass(time.Minute)
		w.want(id, running, noReason)
		w.given(id, 3)
	})
}

func TestCapacityAndGPUsMustAgree(t *testing.T) {
	inWorld(t, func(w *world) {
		_, err := scheduler.New(scheduler.Config{
			Store: w.store, Folders: w.folders, Prepare: func(context.Context, *jobsv1.Job, int, func(string)) (executor.Task, error) {
				return executor.Task{}, nil
			},
			Publish: func(context.Context, *jobsv1.Job, int, func(string)) (folder, note string, err error) {
				return "", "", nil
			},
			Engines: map[string]scheduler.Engine{"local": {Executor: w.engine.Executor(), Capacity: scheduler.Capacity{policy.GPUs: 1}, GPUs: []int32{0, 1}}},
		})
		if err == nil {
			t.Error("two GPUs of one were taken")
		}
	})
}

// Licences and the like are counted as all else is.
func TestWhatTheOperatorNamedIsCounted(t *testing.T) {
	matlab := func(n int64) func(*jobsv1.Job) {
		return func(j *jobsv1.Job) { j.Resources.Named = map[string]int64{"matlab": n} }
	}
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 100, "matlab": 2}
		w.start()
		one, two := w.submit("ann", "minute", matlab(1)), w.submit("bob", "hold", matlab(1))
		w.pass(time.Second)
		waits, other := w.submit("cy", "hold", matlab(2)), w.submit("dan", "nothing")
		w.pass(time.Second)
		w.want(one, running, noReason)
		w.want(other, completed, noReason)
		if words := w.waits(waits, jobsv1.Reason_REASON_WAITING_FOR_RESOURCES); words != "Waiting for matlab: needs 2, and 0 of 2 are free." {
			t.Errorf("it waits: %q", words)
		}
		w.crash()
		w.start() // what runs has them still
		w.pass(time.Second)
		w.waits(waits, jobsv1.Reason_REASON_WAITING_FOR_RESOURCES)
		w.pass(2 * time.Minute)
		w.want(one, completed, noReason)
		w.waits(waits, jobsv1.Reason_REASON_WAITING_FOR_RESOURCES)
		w.engine.Release(two, 1)
		w.pass(time.Second)
		w.want(waits, running, noReason)
		w.crash()
		w.capacity = scheduler.Capacity{policy.CPUs: 100} // the licences are gone
		w.start()
		w.want(waits, running, noReason)
		gone := w.submit("ann", "nothing", matlab(1))
		w.pass(time.Second)
		if words := w.waits(gone, jobsv1.Reason_REASON_WAITING_FOR_RESOURCES); words != "It cannot start: what it asks for is 1 of matlab, and the executor has none. Cancel it and submit it again with less." {
			t.Errorf("it waits: %q", words)
		}
		for _, c := range []struct {
			named          map[string]int64
			field, message string
		}{
			{map[string]int64{"oracle": 1}, "named.oracle", "is 1 of oracle, and the executor has none"},
			{map[string]int64{"oracle": 0}, "", ""},
		} {
			if f, m := said(w.s.Never("local", &jobsv1.Resources{Cpus: 1, Named: c.named})); f != c.field || m != c.message {
				t.Errorf("%v: %q %q", c.named, f, m)
			}
		}
	})
}

// Turns go by the weights of owners.
func TestSharesOfTheConfigurationAreKept(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity, w.shares = scheduler.Capacity{policy.CPUs: 4}, map[string]policy.Share{"ann": {Weight: 3}}
		var ids []job.ID
		for range 6 {
			ids = append(ids, w.submit("ann", "hold"), w.submit("bob", "hold"))
		}
		w.start()
		w.pass(time.Second)
		runs := map[string]int{}
		for _, id := range ids {
			if j := w.job(id); j.GetState() == running {
				runs[j.GetOwner()]++
			}
		}
		if runs["ann"] != 3 || runs["bob"] != 1 {
			t.Errorf("%v run", runs)
		}
	})
}

package scheduler_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/executortest"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
	"github.com/stint-jobs/stint/internal/store"
)

// asks makes a job ask for cores and memory in GiB.
func asks(cpus int32, memory int64) func(*jobsv1.Job) {
	return func(j *jobsv1.Job) { j.Resources = &jobsv1.Resources{Cpus: cpus, MemoryBytes: memory * gib} }
}

// used plans that a job runs for a while and uses so much memory.
func (w *world) used(id job.ID, memory int64) {
	w.engine.Plan(id, 0, executortest.Plan{Run: 5 * time.Minute, Exit: &executor.Exit{
		Usage: &jobsv1.Usage{MaxRssBytes: memory, Elapsed: durationpb.New(5 * time.Minute)},
	}})
}

// usage returns what is said of a job after its end.
func (w *world) usage(id job.ID) string {
	w.Helper()
	j := w.want(id, completed, noReason)
	w.s.Expect(j)
	return j.GetUsageNote()
}

// queueing is an executor that starts nothing at once.
type queueing struct{ executor.Executor }

func TestAfterTheEndItIsSaidWhatWasUsed(t *testing.T) {
	const had, none = "It had 7 GiB of memory and used 1 GiB.", ""
	for name, c := range map[string]struct {
		story func(w *world, ask func() job.ID) job.ID
		want  string
	}{
		"it waited for memory alone": {func(w *world, ask func() job.ID) job.ID {
			first := w.submit("ann", "hold", asks(1, 6))
			w.pass(time.Second)
			id := ask()
			w.pass(40 * time.Minute)
			w.engine.Release(first, 1)
			return id
		}, had + " With 1.2 GiB of memory it would have started at least 40m sooner."},
		"from when there was enough": {func(w *world, ask func() job.ID) job.ID {
			first, second := w.submit("ann", "hold", asks(1, 4)), w.submit("ann", "hold", asks(1, 4))
			w.pass(time.Second)
			id := ask()
			w.pass(time.Hour) // nothing is free
			w.engine.Release(first, 1)
			w.pass(10 * time.Minute)
			w.engine.Release(second, 1)
			return id
		}, had + " With 1.2 GiB of memory it would have started at least 10m sooner."},
		"cores were short, too": {func(w *world, ask func() job.ID) job.ID {
			first := w.submit("ann", "hold", asks(3, 6))
			w.pass(time.Second)
			id := ask()
			w.pass(40 * time.Minute)
			w.engine.Release(first, 1)
			return id
		}, had},
		"another was before it": {func(w *world, ask func() job.ID) job.ID {
			first := w.submit("ann", "hold", asks(1, 6))
			w.pass(time.Second)
			second := w.submit("cleo", "hold", asks(1, 7))
			w.pass(time.Second)
			id := ask()
			w.pass(40 * time.Minute)
			w.engine.Release(first, 1)
			w.pass(time.Second)
			w.engine.Release(second, 1) // from now on nothing is known of how it would have been
			return id
		}, had},
		"less than a minute": {func(w *world, ask func() job.ID) job.ID {
			first := w.submit("ann", "hold", asks(1, 6))
			w.pass(time.Second)
			id := ask()
			w.pass(30 * time.Second)
			w.engine.Release(first, 1)
			return id
		}, had},
		"it did not wait": {func(_ *world, ask func() job.ID) job.ID { return ask() }, had},
		"the server was started again": {func(w *world, ask func() job.ID) job.ID {
			first := w.submit("ann", "hold", asks(1, 6))
			w.pass(time.Second)
			id := ask()
			w.pass(40 * time.Minute)
			w.crash()
			w.start()
			w.pass(20 * time.Minute)
			w.engine.Release(first, 1)
			return id
		}, had + " With 1.2 GiB of memory it would have started at least 20m sooner."},
		"it had a time limit": {func(w *world, ask func() job.ID) job.ID {
			w.asks.TimeLimit = durationpb.New(24 * time.Hour)
			return ask()
		}, had + " It had 24h and took 5m."},
		"it used what it had": {func(w *world, ask func() job.ID) job.ID {
			w.uses = 7*gib - 1<<20
			first := w.submit("ann", "hold", asks(1, 6))
			w.pass(time.Second)
			id := ask()
			w.pass(40 * time.Minute)
			w.engine.Release(first, 1)
			return id
		}, "It had 7 GiB of memory and used 7 GiB."},
		"the engine has a queue of its own": {func(w *world, ask func() job.ID) job.ID {
			w.crash()
			w.wrap = func(ex executor.Executor) executor.Executor { return queueing{ex} }
			w.start()
			first := w.submit("ann", "hold", asks(1, 6))
			w.pass(time.Second)
			id := ask()
			w.pass(40 * time.Minute)
			w.engine.Release(first, 1)
			return id
		}, had},
		"nothing was measured": {func(w *world, ask func() job.ID) job.ID {
			w.uses = 0
			return ask()
		}, none},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.capacity = scheduler.Capacity{policy.CPUs: 4, policy.Memory: 8 * gib}
				w.start()
				w.asks, w.uses = &jobsv1.Resources{Cpus: 2, MemoryBytes: 7 * gib}, gib
				id := c.story(w, func() job.ID {
					id := w.store.Summarize(store.Everyone).GetTotal().GetQueued() + w.store.Summarize(store.Everyone).GetTotal().GetRunning() + 1
					w.used(job.ID(id), w.uses) //nolint:gosec // a few jobs
					got := w.submit("bob", "nothing", func(j *jobsv1.Job) { j.Resources = w.asks })
					w.pass(time.Second)
					return got
				})
				w.pass(time.Hour)
				if got := w.usage(id); got != c.want {
					t.Errorf("it is said %q, want %q", got, c.want)
				}
			})
		})
	}
}

// What is kept of waiting jobs goes with them, and a job that fails is told nothing of less memory.
func TestAFailedJobIsNotToldOfLessMemory(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.Memory: 8 * gib}
		w.start()
		first := w.submit("ann", "hold", asks(1, 6))
		w.pass(time.Second)
		w.engine.Plan(2, 0, executortest.Plan{Exit: &executor.Exit{Code: 1, Usage: &jobsv1.Usage{MaxRssBytes: gib}}})
		id, gone := w.submit("bob", "nothing", asks(1, 7)), w.submit("cleo", "nothing", asks(1, 7))
		w.pass(time.Hour)
		w.wish(gone)
		w.pass(time.Minute)
		w.engine.Release(first, 1)
		w.pass(time.Hour)
		j := w.want(id, failed, jobsv1.Reason_REASON_EXIT_NONZERO)
		w.s.Expect(j)
		if j.GetAttempts()[0].GetSoonerStart() != nil || j.GetUsageNote() != "It had 7 GiB of memory and used 1 GiB." {
			t.Errorf("it is said %q, by %v", j.GetUsageNote(), j.GetAttempts())
		}
	})
}

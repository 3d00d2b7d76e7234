package scheduler_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

func on(name string) func(*jobsv1.Job) { return func(j *jobsv1.Job) { j.Executor = name } }

func cores(n int32) func(*jobsv1.Job) { return func(j *jobsv1.Job) { j.Resources.Cpus = n } }

// Sixteen owners have a job of 20 cores each, and 10 of 20 are free; a 17th owner's job takes one.
func TestJobThatFitsStartsBehindManyThatDoNot(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 20}
		w.start()
		w.submit("ann", "hold", cores(10))
		for i := range 16 {
			w.submit(fmt.Sprintf("big%d", i), "nothing", cores(20))
		}
		w.pass(time.Second)
		id := w.submit("zed", "nothing")
		w.pass(time.Second)
		w.want(id, completed, noReason)
	})
}

// ann is at her own cap, and another job of hers waits for an executor that many others use.
func TestOwnerAtACapHoldsBackNobodyElse(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity, w.perOwner = scheduler.Capacity{policy.CPUs: 1000}, 1
		w.start()
		w.submit("ann", "hold")
		w.pass(time.Second)
		hers := w.submit("ann", "nothing", on("other"))
		for i := range 100 {
			id := w.submit(fmt.Sprintf("u%d", i), "nothing", on("other"))
			w.pass(time.Second)
			w.want(id, completed, noReason)
		}
		w.waits(hers, jobsv1.Reason_REASON_WAITING_FOR_TURN)
		w.engine.Release(1, 1)
		w.pass(time.Second)
		w.want(hers, completed, noReason)
	})
}

// Sixteen owners are at their cap and have jobs waiting for another executor, which is idle.
func TestOwnersAtTheirCapsHoldBackNobodyElse(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity, w.perOwner = scheduler.Capacity{policy.CPUs: 1000}, 1
		w.start()
		for i := range 16 {
			w.submit(fmt.Sprintf("a%d", i), "hold")
		}
		w.pass(time.Second)
		for i := range 16 {
			w.submit(fmt.Sprintf("a%d", i), "nothing", on("other"))
		}
		id := w.submit("zed", "nothing", on("other"))
		w.pass(time.Second)
		w.want(id, completed, noReason)
	})
}

// One user and one machine: a job that does not fit does not hold back a smaller one of the same
// user.
func TestOwnerHasBackfill(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 16}
		w.start()
		w.submit("ann", "hold")
		w.pass(time.Second)
		w.submit("ann", "nothing", cores(16))
		id := w.submit("ann", "nothing")
		w.pass(time.Second)
		w.want(id, completed, noReason)
	})
}

// Whatever waits and whatever comes and goes beside it: a job's life is five commits, and why
// others wait is none.
func TestReasonsAreNoWrites(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 20}
		w.start()
		w.submit("ann", "hold", cores(10))
		for i := range 10 {
			w.submit(fmt.Sprintf("big%d", i), "nothing", cores(20))
		}
		w.pass(time.Second)
		for range 3 {
			before := w.store.Stats()
			w.submit("zed", "minute")
			w.pass(time.Hour)
			after := w.store.Stats()
			if commits, changes := after.Commits-before.Commits, after.Changes-before.Changes; commits > 5 || changes > 5 {
				t.Errorf("one narrow job went by: %d changes in %d commits", changes, commits)
			}
		}
		if message := w.waits(2, jobsv1.Reason_REASON_WAITING_FOR_RESOURCES); message != "Waiting for cores: needs 20, and 10 of 20 are free." {
			t.Errorf("the first of those that wait: %q", message)
		}
	})
}

// Each start is at least one decision, of which the processor time is known.
func TestDecisionsAreMeasured(t *testing.T) {
	inWorld(t, func(w *world) {
		var decisions int
		w.decided = func(took time.Duration) {
			if decisions++; took < 0 || took > time.Minute {
				t.Errorf("a decision took %v of a processor", took)
			}
		}
		w.start()
		for range 10 {
			w.submit("ann", "nothing")
		}
		w.pass(time.Second)
		if decisions < 10 {
			t.Errorf("%d decisions for 10 starts", decisions)
		}
	})
}

func TestWhatCannotBeGivenIsKnown(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 4, policy.Memory: 1 << 30, policy.GPUs: 0}
		w.start()
		for field, c := range map[string]struct {
			asks    *jobsv1.Resources
			message string
		}{
			"cpus gpus":   {&jobsv1.Resources{Cpus: 5, Gpus: 1}, "is 5 cores, and there are 4 is 1 GPUs, and there are 0"},
			"cpus":        {&jobsv1.Resources{Cpus: 5}, "is 5 cores, and there are 4"},
			"memoryBytes": {&jobsv1.Resources{MemoryBytes: 1 << 31}, "is 2 GiB of memory, and there are 1 GiB"},
			"gpus":        {&jobsv1.Resources{Cpus: 1, Gpus: 8}, "is 8 GPUs, and there are 0"},
			"":            {&jobsv1.Resources{Cpus: 4, MemoryBytes: 1 << 30}, ""},
		} {
			if f, m := said(w.s.Never("local", c.asks)); f != field || m != c.message {
				t.Errorf("%q: %q %q, want %q", field, f, m, c.message)
			}
		}
		// One that was taken when there was more waits and says so.
		id := w.submit("ann", "nothing", cores(5))
		w.pass(time.Second)
		w.waits(id, jobsv1.Reason_REASON_WAITING_FOR_RESOURCES)
	})
}

// said are the fields and the words of what can never be given.
func said(wrong job.Violations) (fields, words string) {
	var all [2][]string
	for _, v := range wrong {
		all[0], all[1] = append(all[0], v.Field), append(all[1], v.Description)
	}
	return strings.Join(all[0], " "), strings.Join(all[1], " ")
}

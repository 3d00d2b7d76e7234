package scheduler_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/executortest"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

func TestRestartFindsRunningJobsAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		id := w.submit("ann", "minute")
		w.pass(10 * time.Second)
		w.crash()
		w.pass(10 * time.Minute) // it ends meanwhile
		w.want(id, running, noReason)
		w.start()
		w.pass(time.Second)
		w.want(id, completed, noReason)
		w.runs(id, 1)
	})
}

func TestRunningJobsHoldTheirShareAfterARestart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity, w.perOwner = scheduler.Capacity{policy.CPUs: 2}, 1
		w.start()
		first := w.submit("ann", "hold")
		w.pass(time.Second)
		w.crash()
		capped, wide := w.submit("ann", "nothing"), w.submit("bob", "nothing", cores(2))
		w.start()
		w.pass(time.Minute)
		w.waits(capped, jobsv1.Reason_REASON_WAITING_FOR_TURN)
		w.waits(wide, jobsv1.Reason_REASON_WAITING_FOR_RESOURCES)
		w.engine.Release(first, 1)
		w.pass(time.Minute)
		w.want(capped, completed, noReason)
		w.want(wide, completed, noReason)
	})
}

func TestRestartAsksAboutAStartThatMayHaveHappened(t *testing.T) {
	for name, accepted := range map[string]bool{"it had": true, "it had not": false} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.engine.Plan(1, 1, executortest.Plan{Start: []executortest.StartStep{{Hang: true, Accept: accepted}}})
				w.start()
				id := w.submit("ann", "nothing")
				w.pass(time.Second)
				w.crash() // between the start and its answer
				w.start()
				w.pass(time.Minute)
				j := w.want(id, completed, noReason)
				w.runs(id, 1)
				if !accepted && len(j.GetAttempts()) != 2 {
					t.Errorf("attempts: %v", j.GetAttempts())
				}
			})
		})
	}
}

// Starts that never reached the executor do not use up the retry budget,
// however often the server stops in that moment.
func TestVoidAttemptsDoNotCount(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.submit("ann", "nothing")
		for n := range 6 {
			w.engine.Plan(id, n+1, executortest.Plan{Start: []executortest.StartStep{{Hang: true}}})
			w.start()
			w.pass(time.Second)
			w.crash()
		}
		w.start()
		w.pass(time.Minute)
		w.want(id, completed, noReason)
		w.runs(id, 1)
	})
}

func TestCancelDuringTheStopIsNotForgotten(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		id := w.submit("ann", "hold")
		w.pass(time.Second)
		w.crash()
		w.wish(id)
		w.start()
		w.pass(time.Minute)
		w.want(id, cancelled, jobsv1.Reason_REASON_CANCELLED_BY_OWNER)
	})
}

func TestCancelBeforeAnUncertainStartIsResolved(t *testing.T) {
	inWorld(t, func(w *world) {
		w.engine.Plan(1, 1, executortest.Plan{Start: []executortest.StartStep{{Hang: true}}})
		w.start()
		id := w.submit("ann", "nothing")
		w.pass(time.Second)
		w.crash()
		w.wish(id)
		w.start()
		w.pass(time.Minute)
		w.want(id, cancelled, jobsv1.Reason_REASON_CANCELLED_BY_OWNER)
		w.runs(id, 0)
	})
}

// Whatever the engine does and however often the server stops, every job ends,
// none runs beside itself, and a job whose attempts all reached the engine well runs once.
func TestEveryJobEndsUnderAnyFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		plans := rapid.SliceOfN(rapid.Custom(drawPlan), 1, 8).Draw(rt, "plans")
		stops := rapid.SliceOfN(rapid.IntRange(0, 200), 0, 4).Draw(rt, "stops")
		wishes := rapid.SliceOfN(rapid.IntRange(0, 15), 0, 2).Draw(rt, "wishes")
		inWorld(t, func(w *world) {
			w.capacity = scheduler.Capacity{policy.CPUs: 2}
			w.start()
			var ids []job.ID
			for i, p := range plans {
				w.engine.Plan(job.ID(i+1), 1, p)
				ids = append(ids, w.submit([]string{"ann", "bob"}[i%2], "nothing"))
			}
			for _, after := range stops {
				w.pass(time.Duration(after) * 100 * time.Millisecond)
				for _, n := range wishes {
					if n < len(ids) {
						w.wish(ids[n])
					}
				}
				w.crash()
				w.start()
			}
			w.pass(24 * time.Hour)
			for i, id := range ids {
				j := w.job(id)
				if !job.Terminal(j.GetState()) {
					rt.Errorf("job %s is stuck: %v %v %q", id, j.GetState(), j.GetReason(), j.GetMessage())
				}
				if !plans[i].Lost && w.engine.Runs(id) > 1 {
					rt.Errorf("job %s ran %d times", id, w.engine.Runs(id))
				}
			}
		})
	})
}

func drawPlan(t *rapid.T) executortest.Plan {
	unsure := executor.ErrLost // any error that is not definite
	starts := []executortest.StartStep{{}, {Err: executor.ErrUnavailable}, {Err: unsure}, {Err: unsure, Accept: true}, {Hang: true}, {Hang: true, Accept: true}}
	return executortest.Plan{
		Start: rapid.SliceOfN(rapid.SampledFrom(starts), 0, 2).Draw(t, "start"),
		Find:  rapid.SliceOfN(rapid.SampledFrom([]error{nil, executor.ErrUnavailable}), 0, 2).Draw(t, "find"),
		Wait:  rapid.SliceOfN(rapid.SampledFrom([]error{nil, executor.ErrUnavailable}), 0, 2).Draw(t, "wait"),
		Exit:  &executor.Exit{Code: rapid.IntRange(0, 1).Draw(t, "code")},
		Run:   time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds")) * time.Second,
		Lost:  rapid.IntRange(0, 5).Draw(t, "lost") == 0,
	}
}

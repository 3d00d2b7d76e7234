package scheduler_test

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/executortest"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
	"github.com/stint-jobs/stint/internal/store"
)

// TestMain bounds the random tests: each check is a store, an engine and a day of fake time.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "40"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

const (
	queued    = jobsv1.State_STATE_QUEUED
	running   = jobsv1.State_STATE_RUNNING
	completed = jobsv1.State_STATE_COMPLETED
	failed    = jobsv1.State_STATE_FAILED
	cancelled = jobsv1.State_STATE_CANCELLED
	noReason  = jobsv1.Reason_REASON_UNSPECIFIED
)

func TestJobGoesThroughItsStates(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		id := w.submit("ann", "minute")
		w.pass(time.Second)
		j := w.want(id, running, noReason)
		if j.GetStartTime() == nil || len(j.GetAttempts()) != 1 || j.GetAttempts()[0].GetNode() == "" {
			t.Errorf("a running job without start, attempt or node: %v", j)
		}
		w.pass(time.Minute)
		j = w.want(id, completed, noReason)
		if j.GetExitCode() != 0 || j.ExitCode == nil || j.GetResultFolder() != "/jobs/"+j.GetOutputName() || j.GetCompleteTime() == nil {
			t.Errorf("a completed job without exit code, results or end: %v", j)
		}
		var states []string
		for _, h := range j.GetHistory() {
			states = append(states, job.StateWord(h.GetState()))
		}
		if got := strings.Join(states, " "); !strings.HasPrefix(got, "QUEUED") || !strings.HasSuffix(got, "RUNNING COMPLETED") {
			t.Errorf("history is %s", got)
		}
	})
}

// What the executor knows when it answers the handle is stored with it: before Wait observes anything, and in one change.
func TestWhatIsKnownAtTheStartIsStoredWithTheHandle(t *testing.T) {
	inWorld(t, func(w *world) {
		began := time.Now().Add(-time.Hour)
		w.started = func(h executor.Handle) executor.Observation {
			if h == "" {
				t.Error("the executor is asked about no handle")
			}
			return executor.Observation{State: running, StartTime: began}
		}
		w.start()
		id := w.submit("ann", "minute")
		w.pass(0)
		j := w.want(id, running, noReason)
		history := j.GetHistory()
		if last := history[len(history)-1]; len(history) != 3 || last.GetRevision() != history[1].GetRevision()+1 || !j.GetStartTime().AsTime().Equal(began) {
			t.Errorf("what was known at the start is not stored with the handle: %v", j)
		}
		rec, err := w.store.Record(store.Everyone, id)
		if err != nil || rec.GetHandle() == "" || rec.GetPhase() != storev1.Phase_PHASE_STARTED {
			t.Errorf("the record is %v, %v", rec, err)
		}
		w.pass(time.Minute)
		w.want(id, completed, noReason)
	})
}

func TestOutcomes(t *testing.T) {
	code := func(c int) *executor.Exit { return &executor.Exit{Code: c} }
	gone := func(r jobsv1.Reason) *executor.Exit { return &executor.Exit{Code: -1, Reason: r} }
	cases := map[string]struct {
		plan   executortest.Plan
		state  jobsv1.State
		reason jobsv1.Reason
	}{
		"success":       {executortest.Plan{Exit: code(0)}, completed, noReason},
		"exit code":     {executortest.Plan{Exit: code(37)}, failed, jobsv1.Reason_REASON_EXIT_NONZERO},
		"signal":        {executortest.Plan{Exit: &executor.Exit{Code: -1, Signal: 11}}, failed, jobsv1.Reason_REASON_SIGNALLED},
		"time limit":    {executortest.Plan{Exit: gone(jobsv1.Reason_REASON_TIME_LIMIT)}, failed, jobsv1.Reason_REASON_TIME_LIMIT},
		"out of memory": {executortest.Plan{Exit: gone(jobsv1.Reason_REASON_OUT_OF_MEMORY)}, failed, jobsv1.Reason_REASON_OUT_OF_MEMORY},
		"somebody else cancelled": {
			executortest.Plan{Exit: gone(jobsv1.Reason_REASON_CANCELLED_BY_ENGINE)}, cancelled, jobsv1.Reason_REASON_CANCELLED_BY_ENGINE,
		},
		"refused": {executortest.Plan{Start: []executortest.StartStep{{Err: &executor.Failure{
			Reason: jobsv1.Reason_REASON_SUBMIT_REJECTED, Message: "no such partition",
		}}}}, failed, jobsv1.Reason_REASON_SUBMIT_REJECTED},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.start()
				w.engine.Plan(1, 0, c.plan)
				id := w.submit("ann", "nothing")
				w.pass(time.Hour)
				j := w.want(id, c.state, c.reason)
				if c.reason != noReason && j.GetMessage() == "" {
					t.Error("no words for the user")
				}
				if len(j.GetAttempts()) != 1 || j.GetAttempts()[0].GetReason() != c.reason || j.GetAttempts()[0].GetCompleteTime() == nil {
					t.Errorf("attempts: %v", j.GetAttempts())
				}
			})
		})
	}
}

func TestInfrastructureFailureIsRetriedWithinTheBudget(t *testing.T) {
	for _, reason := range []jobsv1.Reason{
		jobsv1.Reason_REASON_NODE_FAILED, jobsv1.Reason_REASON_PREEMPTED, jobsv1.Reason_REASON_LAUNCH_FAILED, jobsv1.Reason_REASON_LOST,
	} {
		t.Run(reason.String(), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.start()
				w.engine.Plan(1, 0, executortest.Plan{Exit: &executor.Exit{Code: -1, Reason: reason}, Run: time.Second})
				id := w.submit("ann", "nothing")
				w.pass(2 * time.Second)
				j := w.want(id, queued, jobsv1.Reason_REASON_WAITING_FOR_RETRY)
				if j.GetStartTime() != nil {
					t.Error("a job that waits for a retry has a start time")
				}
				w.pass(time.Hour)
				j = w.want(id, failed, reason)
				if len(j.GetAttempts()) != job.DefaultMaxAttempts {
					t.Fatalf("%d attempts", len(j.GetAttempts()))
				}
				for i, wait := range []time.Duration{10 * time.Second, 20 * time.Second} {
					gap := j.GetAttempts()[i+1].GetCreateTime().AsTime().Sub(j.GetAttempts()[i].GetCompleteTime().AsTime())
					if gap < wait || gap > wait+time.Second {
						t.Errorf("waited %v before attempt %d, want %v", gap, i+2, wait)
					}
				}
			})
		})
	}
}

func TestOwnRetryPolicyCoversTheCommandsFailure(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		id := w.submit("ann", "fail", func(j *jobsv1.Job) {
			j.Retry = &jobsv1.RetryPolicy{MaxAttempts: 2, Backoff: durationpb.New(0), Reasons: []jobsv1.Reason{jobsv1.Reason_REASON_EXIT_NONZERO}}
		})
		w.pass(time.Minute)
		w.want(id, failed, jobsv1.Reason_REASON_EXIT_NONZERO)
		w.runs(id, 2)
	})
}

func TestLostAttemptIsReplaced(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		w.engine.Plan(1, 1, executortest.Plan{Exit: &executor.Exit{}, Lost: true})
		id := w.submit("ann", "nothing")
		w.pass(time.Hour)
		j := w.want(id, completed, noReason)
		if len(j.GetAttempts()) != 2 || j.GetAttempts()[0].GetReason() != jobsv1.Reason_REASON_LOST {
			t.Errorf("attempts: %v", j.GetAttempts())
		}
	})
}

func TestCapacityIsNeverPassed(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 4, policy.Memory: 100}
		w.start()
		var ids []job.ID
		for i := range 20 {
			ids = append(ids, w.submit(fmt.Sprintf("u%d", i%3), "minute", func(j *jobsv1.Job) {
				j.Resources = &jobsv1.Resources{Cpus: int32(1 + i%3), MemoryBytes: int64(10 + 30*(i%2))}
			}))
		}
		for range 60 {
			w.pass(20 * time.Second)
			var cpus int32
			var memory int64
			for _, id := range ids {
				if j := w.job(id); j.GetState() == running {
					cpus += j.GetResources().GetCpus()
					memory += j.GetResources().GetMemoryBytes()
				}
			}
			if cpus > 4 || memory > 100 {
				t.Fatalf("%d of 4 cores and %d of 100 bytes in use", cpus, memory)
			}
		}
		for _, id := range ids {
			w.want(id, completed, noReason)
		}
	})
}

func TestBlockedJobSaysWhy(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity, w.perOwner = scheduler.Capacity{policy.CPUs: 2}, 1
		w.start()
		w.submit("ann", "hold")
		turn := w.submit("ann", "nothing")
		big := w.submit("bob", "nothing", func(j *jobsv1.Job) { j.Resources.Cpus = 2 })
		w.pass(time.Second)
		w.waits(turn, jobsv1.Reason_REASON_WAITING_FOR_TURN)
		if message := w.waits(big, jobsv1.Reason_REASON_WAITING_FOR_RESOURCES); message != "Waiting for cores: needs 2, and 1 of 2 are free." {
			t.Errorf("message %q does not say what is needed", message)
		}
		w.engine.Release(1, 1)
		w.pass(time.Second)
		w.want(turn, completed, noReason)
		w.want(big, completed, noReason)
	})
}

// An owner with many queued jobs does not delay another owner's first.
// While something holds them all, no attempt starts and each job says why; then all go on by themselves.
func TestHeldJobsWaitAndGoOn(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 2}
		w.hold("Waiting for room.")
		w.start()
		first, second := w.submit("ann", "nothing"), w.submit("bob", "nothing")
		w.pass(time.Minute)
		for _, id := range []job.ID{first, second} {
			if message := w.waits(id, jobsv1.Reason_REASON_WAITING_FOR_SPACE); message != w.holding() {
				t.Errorf("message %q", message)
			}
		}
		w.hold("")
		w.wake <- struct{}{}
		w.pass(time.Second)
		w.want(first, completed, noReason)
		w.want(second, completed, noReason)
	})
}

func TestFirstJobOfAnOwnerDoesNotWaitBehindAnothersQueue(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 1}
		w.start()
		for range 300 {
			w.submit("greedy", "minute")
		}
		w.pass(90 * time.Second)
		first := w.submit("late", "minute")
		w.pass(90 * time.Second)
		if s := w.job(first).GetState(); s == queued {
			t.Error("the first job of another owner still waits behind 300 others")
		}
	})
}

func TestPriorityOrdersTheJobsOfOneOwner(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 1}
		w.submit("ann", "nothing")
		low := w.submit("ann", "nothing", func(j *jobsv1.Job) { j.Priority = -1 })
		high := w.submit("ann", "nothing", func(j *jobsv1.Job) { j.Priority = 1 })
		w.start()
		w.pass(time.Minute)
		want := []string{high.String() + "/1", "1/1", low.String() + "/1"}
		if got := w.engine.Began(); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("began %v, want %v", got, want)
		}
	})
}

// A job that needs the whole machine is not overtaken for ever by small ones.
func TestLargeJobDoesNotStarve(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 2}
		for i := range 400 { // of different lengths, so that the machine is never empty by chance
			w.submit(fmt.Sprintf("small%d", i%2), []string{"minute", "talk"}[i%2], func(j *jobsv1.Job) {
				j.Labels["do"] = "minute"
			})
			if i == 0 {
				w.start()
				w.pass(30 * time.Second)
			}
		}
		large := w.submit("large", "nothing", func(j *jobsv1.Job) { j.Resources.Cpus = 2 })
		w.pass(100 * time.Minute)
		w.want(large, completed, noReason)
	})
}

func TestCancelWhereverTheJobIs(t *testing.T) {
	byOwner := jobsv1.Reason_REASON_CANCELLED_BY_OWNER
	t.Run("waiting", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.capacity = scheduler.Capacity{policy.CPUs: 1}
			w.start()
			w.submit("ann", "minute")
			id := w.submit("ann", "nothing")
			w.pass(time.Second)
			w.wish(id)
			w.pass(time.Hour)
			w.want(id, cancelled, byOwner)
			w.runs(id, 0)
		})
	})
	t.Run("running", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.start()
			id := w.submit("ann", "hold")
			w.pass(time.Second)
			w.wish(id)
			w.pass(time.Second)
			w.want(id, cancelled, byOwner)
		})
	})
	t.Run("running and stubborn", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.start()
			id := w.submit("ann", "stubborn")
			w.pass(time.Second)
			w.wish(id)
			w.pass(5 * time.Second)
			w.want(id, running, noReason)
			w.pass(time.Minute)
			w.want(id, cancelled, byOwner)
		})
	})
	t.Run("waiting for a retry", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.start()
			w.engine.Plan(1, 0, executortest.Plan{Exit: &executor.Exit{}, Lost: true})
			id := w.submit("ann", "nothing")
			w.pass(time.Second)
			w.want(id, queued, jobsv1.Reason_REASON_WAITING_FOR_RETRY)
			w.wish(id)
			w.pass(time.Hour)
			w.want(id, cancelled, byOwner)
			w.runs(id, 1)
		})
	})
	t.Run("while the engine is away", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.engine.SetAway(true)
			w.start()
			id := w.submit("ann", "nothing")
			w.pass(time.Minute)
			w.want(id, queued, jobsv1.Reason_REASON_WAITING_FOR_ENGINE)
			w.wish(id)
			w.pass(time.Second)
			w.want(id, cancelled, byOwner)
			w.runs(id, 0)
		})
	})
	t.Run("lost while being cancelled", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.start()
			w.engine.Plan(1, 0, executortest.Plan{Exit: &executor.Exit{}, Hold: true})
			id := w.submit("ann", "stubborn")
			w.pass(time.Second)
			w.wish(id)
			w.engine.Lose(id, 1)
			w.pass(time.Hour)
			w.want(id, cancelled, byOwner)
			w.runs(id, 1)
		})
	})
	t.Run("too late", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.start()
			id := w.submit("ann", "fail")
			w.pass(time.Second)
			w.wish(id)
			w.pass(time.Hour)
			w.want(id, failed, jobsv1.Reason_REASON_EXIT_NONZERO)
		})
	})
}

func TestEngineThatIsAwayDelaysButFailsNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.engine.SetAway(true)
		w.start()
		id := w.submit("ann", "nothing")
		w.pass(10 * time.Minute)
		w.want(id, queued, jobsv1.Reason_REASON_WAITING_FOR_ENGINE)
		w.engine.SetAway(false)
		w.pass(time.Minute)
		j := w.want(id, completed, noReason)
		if len(j.GetAttempts()) != 1 {
			t.Errorf("%d attempts for one run", len(j.GetAttempts()))
		}
	})
}

// A start whose answer was lost is asked about, never repeated blindly.
func TestUncertainStartRunsOnce(t *testing.T) {
	lost := errors.New("the answer was lost")
	for name, accepted := range map[string]bool{"the engine has it": true, "the engine does not have it": false} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.engine.Plan(1, 0, executortest.Plan{Start: []executortest.StartStep{{Err: lost, Accept: accepted}}, Find: []error{executor.ErrUnavailable}})
				w.start()
				id := w.submit("ann", "nothing")
				w.pass(time.Hour)
				w.want(id, completed, noReason)
				w.runs(id, 1)
			})
		})
	}
}

func TestMissingInputFailsTheJobWithWords(t *testing.T) {
	inWorld(t, func(w *world) {
		w.preparing(func(preparation) error {
			return &executor.Failure{Reason: jobsv1.Reason_REASON_INPUT_MISSING, Message: "reads: /a.fq is gone"}
		})
		w.start()
		id := w.submit("ann", "nothing")
		w.pass(time.Hour)
		if j := w.want(id, failed, jobsv1.Reason_REASON_INPUT_MISSING); j.GetMessage() != "reads: /a.fq is gone" {
			t.Errorf("message %q", j.GetMessage())
		}
	})
}

func TestResultsThatCannotBeStoredFailTheJob(t *testing.T) {
	inWorld(t, func(w *world) {
		w.publish = func(*jobsv1.Job) (string, error) { return "", errors.New("no") }
		w.start()
		id := w.submit("ann", "nothing")
		w.pass(time.Hour)
		w.want(id, failed, jobsv1.Reason_REASON_OUTPUT_FAILED)
	})
}

func TestUnknownExecutorWaitsWithWords(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		id := w.submit("ann", "nothing", func(j *jobsv1.Job) { j.Executor = "gone" })
		w.pass(time.Minute)
		if message := w.waits(id, jobsv1.Reason_REASON_WAITING_FOR_ENGINE); !strings.Contains(message, "gone") {
			t.Errorf("message %q", message)
		}
	})
}

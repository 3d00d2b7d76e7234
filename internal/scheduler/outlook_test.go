package scheduler_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/estimate"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

// expected is a job with what is expected of it.
func (w *world) expected(id job.ID) *jobsv1.Job {
	w.Helper()
	w.pass(time.Second) // no forecast from before
	j := w.job(id)
	w.s.Expect(j)
	return j
}

// place finds how much is before a job.
func (w *world) place(id job.ID, jobs, users int64) *jobsv1.Job {
	w.Helper()
	j := w.expected(id)
	if p := j.GetQueuePosition(); p.GetJobsAhead() != jobs || p.GetUsersAhead() != users || p.GetAtLeast() || p == nil {
		w.Errorf("job %s has the place %v, want %d jobs of %d users before it (%s)", id, p, jobs, users, j.GetExpectationNote())
	}
	return j
}

// startLearnt runs a scheduler that knows how long jobs of a minute take, and to which no job has
// come.
func (w *world) startLearnt() {
	w.Helper()
	w.history = &estimate.History{}
	w.start()
	for range 20 {
		w.submit("teacher", "minute")
		w.pass(61 * time.Second)
	}
	w.crash()
	w.start()
}

func TestWaitingJobHasItsPlaceAndItsTimes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 1}
		w.startLearnt()
		first := w.submit("ann", "minute")
		w.pass(time.Second)
		begun := w.job(first).GetStartTime().AsTime()
		second, third, bob := w.submit("ann", "minute"), w.submit("ann", "minute"), w.submit("bob", "minute")
		w.place(bob, 0, 0) // it came last, and its owner has nothing in use
		w.place(second, 1, 1)
		j := w.place(third, 2, 2)
		start, end := begun.Add(3*time.Minute), begun.Add(4*time.Minute) // where no other comes
		if !covers(j.GetExpectedStartRange(), start) || !covers(j.GetExpectedStartRange(), j.GetExpectedStartTime().AsTime()) {
			t.Errorf("expected to start at %v, in %v", j.GetExpectedStartTime(), j.GetExpectedStartRange())
		}
		if !covers(j.GetExpectedCompleteRange(), end) || !covers(j.GetExpectedCompleteRange(), j.GetExpectedCompleteTime().AsTime()) || j.GetExpectationNote() != "" {
			t.Errorf("expected to end at %v, in %v (%s)", j.GetExpectedCompleteTime(), j.GetExpectedCompleteRange(), j.GetExpectationNote())
		}
		if j := w.expected(first); j.GetQueuePosition() != nil || j.GetExpectedStartTime() != nil || j.GetExpectedCompleteTime().AsTime().Sub(begun).Round(time.Second) != time.Minute {
			t.Errorf("the running job: %v", j)
		}
		w.pass(time.Hour)
		starts := []job.ID{second, bob, third}
		slices.SortFunc(starts, func(a, b job.ID) int {
			return w.job(a).GetStartTime().AsTime().Compare(w.job(b).GetStartTime().AsTime())
		})
		if !slices.Equal(starts, []job.ID{bob, second, third}) {
			t.Errorf("they started in the order %v", starts)
		}
		if j := w.expected(third); j.GetQueuePosition() != nil || j.GetExpectedCompleteTime() != nil || j.GetExpectationNote() != "" {
			t.Errorf("the finished job: %v", j)
		}
	})
}

func covers(r *jobsv1.TimeRange, at time.Time) bool {
	return r != nil && !at.Before(r.GetEarliest().AsTime()) && (r.GetLatest() == nil || !at.After(r.GetLatest().AsTime()))
}

// note finds that it is said why something cannot be said.
func (w *world) note(j *jobsv1.Job, words string) {
	w.Helper()
	if !strings.Contains(j.GetExpectationNote(), words) {
		w.Errorf("job %s: %q does not say %q", j.GetId(), j.GetExpectationNote(), words)
	}
}

func TestWhatCannotBeSaidIsExplained(t *testing.T) {
	limit := func(j *jobsv1.Job) { j.Resources.TimeLimit = durationpb.New(time.Hour) }
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 1}
		w.start()
		long, behind := w.submit("ann", "hold", limit), w.submit("ann", "hold")
		last := w.submit("ann", "minute", limit)
		w.note(w.expected(long), "0 jobs of Test like it have completed")
		j := w.place(behind, 0, 0)
		if w.note(j, "0 jobs of Test like it"); j.GetExpectedStartTime() == nil || j.GetExpectedCompleteTime() != nil {
			t.Errorf("behind a job with a time limit: %v", j)
		}
		if j := w.place(last, 1, 1); j.GetExpectedStartTime() != nil {
			t.Errorf("behind a job of which nothing is known: %v", j)
		} else {
			w.note(j, "not known how long they take")
		}
		w.hold("The disk is full.")
		w.note(w.place(behind, 0, 0), "The disk is full.")
		elsewhere := w.submit("ann", "minute", func(j *jobsv1.Job) { j.Executor = "gone" })
		w.note(w.expected(elsewhere), "not configured")
		big := w.submit("ann", "minute", func(j *jobsv1.Job) { j.Resources.Cpus = 2 })
		w.note(w.expected(big), "never start")
	})
}

// away is an executor that cannot be reached, and says so.
type away struct{ executor.Executor }

func (away) Start(context.Context, executor.Task) (executor.Handle, error) {
	return "", executor.ErrUnavailable
}

func (away) Status() *adminv1.ExecutorStatus { return &adminv1.ExecutorStatus{} }

func TestAnExecutorThatCannotBeReachedIsTheReasonThatNothingIsExpected(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.Slots: 1}
		w.wrap = func(e executor.Executor) executor.Executor { return away{e} }
		w.start()
		handed, waits := w.submit("ann", "minute"), w.submit("ann", "minute")
		w.note(w.expected(handed), "cannot be reached")
		j := w.place(waits, 0, 0)
		if w.note(j, "cannot be reached"); j.GetExpectedStartTime() != nil {
			t.Errorf("expected to start at %v", j.GetExpectedStartTime())
		}
	})
}

func TestJobBetweenTwoAttemptsHasNoPlace(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		id := w.submit("ann", "fail", func(j *jobsv1.Job) {
			j.Retry = &jobsv1.RetryPolicy{Reasons: []jobsv1.Reason{jobsv1.Reason_REASON_EXIT_NONZERO}, Backoff: durationpb.New(time.Hour)}
		})
		w.note(w.expected(id), "next attempt")
	})
}

func TestEngineSaysWhenItsJobsStart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.startLearnt()
		id := w.submit("ann", "hold")
		w.pass(time.Second)
		at := time.Now().Add(3 * time.Hour)
		j := w.job(id)
		j.State, j.StartTime = queued, nil // as a cluster has it
		w.s.Expect(j)
		if w.note(j, "does not say when it starts"); j.GetQueuePosition() != nil || j.GetExpectedCompleteTime() != nil {
			t.Errorf("job %v", j)
		}
		j.ExpectedStartTime, j.ExpectationNote = timestamppb.New(at), ""
		w.s.Expect(j)
		if !j.GetExpectedStartTime().AsTime().Equal(at) || j.GetExpectedCompleteTime().AsTime().Sub(at).Round(time.Second) != time.Minute || j.GetQueuePosition() != nil {
			t.Errorf("job %v", j)
		}
	})
}

func TestLongQueueHasALeastPlace(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 1}
		w.start()
		var last job.ID
		for range 300 {
			last = w.submit("ann", "minute", func(j *jobsv1.Job) { j.Resources.TimeLimit = durationpb.New(time.Hour) })
		}
		j := w.expected(last)
		if p := j.GetQueuePosition(); p.GetJobsAhead() != 256 || p.GetUsersAhead() != 1 || !p.GetAtLeast() {
			t.Errorf("place %v", p)
		}
		w.note(j, "Too many jobs")
	})
}

func TestPreviewIsOfTheJobThatWouldBeSubmitted(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 1}
		w.startLearnt()
		w.submit("ann", "minute")
		w.submit("ann", "minute")
		w.pass(time.Second)
		j := &jobsv1.Job{Service: "Test", Executor: "local", Owner: "ann", State: queued, Resources: &jobsv1.Resources{Cpus: 1}}
		w.s.Preview(j)
		if p := j.GetQueuePosition(); p.GetJobsAhead() != 1 || p.GetUsersAhead() != 1 || j.GetExpectedStartTime() == nil || j.GetExpectedCompleteTime() == nil {
			t.Errorf("preview %v", j)
		}
	})
}

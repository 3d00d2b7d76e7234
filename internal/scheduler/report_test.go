package scheduler_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/scheduler"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
	"github.com/stint-jobs/stint/internal/workdir"
)

const (
	nothing = jobsv1.JobEvent_JOB_EVENT_UNSPECIFIED
	started = jobsv1.JobEvent_JOB_EVENT_STARTED
	ended   = jobsv1.JobEvent_JOB_EVENT_ENDED
)

func TestEachEventOfAnAttemptHintsOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		id := w.submit("ann", "hold")
		w.pass(time.Second)
		for range 1000 {
			for _, e := range []jobsv1.JobEvent{nothing, started, ended, 99} {
				w.s.Report(id, 1, e, nil)
			}
			w.s.Report(id+1, 1, started, nil) // of a job that does not run
		}
		if diff := cmp.Diff([]string{"1 1 JOB_EVENT_STARTED", "1 1 JOB_EVENT_ENDED"}, w.hints); diff != "" {
			t.Error(diff)
		}
		w.want(id, running, noReason) // whatever it says
	})
}

func TestReportedProgressIsStoredAtMostEachSecond(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		id := w.submit("ann", "talk") // its file says 40 half way
		w.pass(3 * time.Second)
		before := w.store.Revision()
		for i := range 1000 {
			w.s.Report(id, 1, nothing, &workdir.Progress{Percent: i / 10, Message: "counting"})
			w.pass(10 * time.Millisecond)
		}
		w.pass(2 * time.Second)
		if p := w.job(id).GetProgress(); p.GetPercent() != 99 || p.GetMessage() != "counting" {
			t.Errorf("progress %v", p)
		}
		if n := w.store.Revision() - before; n < 5 || n > 12 {
			t.Errorf("a thousand reports in ten seconds were stored %d times", n)
		}
		before = w.store.Revision()
		for range 20 { // it has nothing new to say
			w.s.Report(id, 1, nothing, &workdir.Progress{Percent: 99, Message: "counting"})
			w.pass(time.Second)
		}
		if n := w.store.Revision() - before; n != 0 {
			t.Errorf("the same progress was stored %d times", n)
		}
	})
}

func TestReportsOfAnotherAttemptSayNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 1}
		w.start()
		id := w.submit("ann", "hold")
		w.pass(time.Second)
		w.s.Report(id, 2, nothing, &workdir.Progress{Percent: 50})
		w.pass(5 * time.Second)
		if p := w.job(id).GetProgress(); p != nil {
			t.Errorf("progress %v", p)
		}
	})
}

package scheduler_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
	"github.com/stint-jobs/stint/internal/workdir"
)

func TestProgressIsStoredWhileTheCommandRuns(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		id := w.submit("ann", "talk")
		w.pass(3 * time.Second)
		j := w.want(id, running, noReason)
		if p := j.GetProgress(); p.GetPercent() != 40 || p.GetMessage() != "half way" || p.GetUpdateTime() == nil {
			t.Errorf("progress %v", p)
		}
		before := j.GetRevision()
		w.pass(30 * time.Second)
		if after := w.job(id).GetRevision(); after != before {
			t.Error("the same progress was stored again")
		}
	})
}

func TestTheLastProgressIsStoredWithTheEnd(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		last, fails := w.submit("ann", "finish"), w.submit("ann", "give-up")
		silent, again := w.submit("ann", "nothing"), w.submit("ann", "give-up", func(j *jobsv1.Job) {
			j.Retry = &jobsv1.RetryPolicy{Reasons: []jobsv1.Reason{jobsv1.Reason_REASON_EXIT_NONZERO}, Backoff: durationpb.New(time.Hour)}
		})
		w.pass(59*time.Second + 500*time.Millisecond)
		ends := w.want(last, running, noReason).GetRevision()
		w.pass(5 * time.Second)
		j := w.want(last, completed, noReason)
		if p := j.GetProgress(); p.GetPercent() != 100 || p.GetMessage() != "done" || p.GetUpdateTime() == nil {
			t.Errorf("progress %v", p)
		}
		if n := len(j.GetHistory()); j.GetHistory()[n-1].GetRevision() != j.GetRevision() || j.GetRevision() <= ends {
			t.Errorf("the progress has a revision of its own: %d after %v", j.GetRevision(), j.GetHistory()[n-1])
		}
		if p := w.want(fails, failed, jobsv1.Reason_REASON_EXIT_NONZERO).GetProgress(); p.GetPercent() != 7 {
			t.Errorf("progress of a failed job %v", p)
		}
		if p := w.want(silent, completed, noReason).GetProgress(); p != nil {
			t.Errorf("progress of a silent job %v", p)
		}
		if p := w.want(again, queued, jobsv1.Reason_REASON_WAITING_FOR_RETRY).GetProgress(); p != nil {
			t.Errorf("progress of a job that waits for its next attempt %v", p)
		}
	})
}

// None of many jobs that end as soon as they have told their last progress loses it, and none
// takes a commit more for it.
func TestNoFinishedJobHasLostItsLastProgress(t *testing.T) {
	const jobs = 400
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 40}
		var ids []job.ID
		for range jobs {
			ids = append(ids, w.submit("ann", "tell"))
		}
		before := w.store.Stats().Changes
		w.start()
		w.pass(time.Minute)
		lost := 0
		for _, id := range ids {
			if p := w.want(id, completed, noReason).GetProgress(); p.GetPercent() != 100 || p.GetMessage() != "done" {
				lost++
			}
		}
		if lost > 0 {
			t.Errorf("%d of %d jobs have lost their last progress", lost, jobs)
		}
		if changes := w.store.Stats().Changes - before; changes > 4*jobs {
			t.Errorf("%d changes after the submits of %d jobs", changes, jobs)
		}
	})
}

func TestTheLastReportIsStoredWithTheEnd(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		id := w.submit("ann", "minute")
		w.pass(59*time.Second + 990*time.Millisecond)
		w.s.Report(id, 1, nothing, &workdir.Progress{Percent: 98, Message: "nearly"})
		w.pass(time.Second)
		if p := w.want(id, completed, noReason).GetProgress(); p.GetPercent() != 98 {
			t.Errorf("progress %v", p)
		}
	})
}

package api_test

import (
	"testing"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api"
	"github.com/stint-jobs/stint/internal/job"
)

// Why a job waits is derived when it is asked for: wherever a job is read, and in filters, with an
// exact total.
func TestWhyAJobWaitsIsOfNow(t *testing.T) {
	const short, turn = jobsv1.Reason_REASON_WAITING_FOR_RESOURCES, jobsv1.Reason_REASON_WAITING_FOR_TURN
	busy := true
	w := newWorld(t, func(cfg *api.Config) {
		cfg.Scheduler = engines{why: func(id job.ID) (jobsv1.Reason, string) {
			if busy && id == 1 {
				return short, "Waiting for cores."
			}
			return jobsv1.Reason_REASON_UNSPECIFIED, ""
		}}
	})
	ann := w.as("ann")
	one, two := w.submit(ann), w.submit(ann)
	w.finish(two, jobsv1.State_STATE_RUNNING, nil)
	revision := w.store.Revision()
	check := func(what string, j *jobsv1.Job, want jobsv1.Reason, message string) {
		t.Helper()
		if j.GetId() != one.GetId() || j.GetReason() != want || j.GetMessage() != message || j.GetEtag() != one.GetEtag() {
			t.Errorf("%s: job %s %v %q", what, j.GetId(), j.GetReason(), j.GetMessage())
		}
	}
	look := func(want jobsv1.Reason, message string) {
		t.Helper()
		got, err := w.jobs().Get(ann, &jobsv1.GetRequest{Id: one.GetId()})
		must(t, err)
		check("Get", got.GetJob(), want, message)
		some, err := w.jobs().BatchGet(ann, &jobsv1.BatchGetRequest{Ids: []string{one.GetId()}})
		must(t, err)
		check("BatchGet", some.GetJobs()[0], want, message)
		list, err := w.jobs().List(ann, &jobsv1.ListRequest{Filter: "reason = " + want.String()})
		must(t, err)
		if len(list.GetJobs()) != 1 || list.GetTotalSize() != 1 || !list.GetTotalSizeExact() {
			t.Fatalf("filtered by %v: %v", want, list)
		}
		check("List", list.GetJobs()[0], want, message)
		list, err = w.jobs().List(ann, &jobsv1.ListRequest{Filter: "reason != " + want.String()})
		must(t, err)
		if len(list.GetJobs()) != 1 || list.GetJobs()[0].GetId() != two.GetId() {
			t.Errorf("all but %v: %v", want, list)
		}
		queue, err := w.queue().ListQueue(ann, &adminv1.ListQueueRequest{State: jobsv1.State_STATE_QUEUED})
		must(t, err)
		if rows := queue.GetRows(); len(rows) != 1 || rows[0].GetReason() != want {
			t.Errorf("the queue: %v", rows)
		}
		s, err := w.jobs().WatchStatus(ann, &jobsv1.WatchStatusRequest{Id: one.GetId()})
		must(t, err)
		for {
			m, err := s.Recv()
			must(t, err)
			if c := m.GetJob(); c != nil {
				if c.GetReason() != want {
					t.Errorf("the snapshot: %v", c)
				}
				break
			}
		}
	}
	look(short, "Waiting for cores.")
	busy = false
	look(turn, "Waiting for its turn.")
	if w.store.Revision() != revision {
		t.Error("looking was a change")
	}
}

package api_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// What is expected of a job is worked out wherever a job is read, and stored nowhere.
func TestWhatIsExpectedIsToldWhereAJobIsRead(t *testing.T) {
	w := newWorld(t)
	w.service("Copy", strings.Replace(copyService, "label: Copy", "label: Copy\nversion: \"1.2\"", 1))
	_, err := w.live.Reload()
	must(t, err)
	ann := w.as("ann")
	w.submit(ann)
	j := w.submit(ann)
	if j.GetInputBytes() != 1 || j.GetServiceVersion() != "1.2" {
		t.Errorf("size %d and version %q of %v", j.GetInputBytes(), j.GetServiceVersion(), j)
	}
	check := func(what string, p *jobsv1.QueuePosition, expected bool) {
		t.Helper()
		if p.GetJobsAhead() != 2 || !expected {
			t.Errorf("%s: place %v, expected start %v", what, p, expected)
		}
	}
	got, err := w.jobs().Get(ann, &jobsv1.GetRequest{Id: j.GetId()})
	must(t, err)
	check("Get", got.GetJob().GetQueuePosition(), got.GetJob().GetExpectedStartTime() != nil)
	some, err := w.jobs().BatchGet(ann, &jobsv1.BatchGetRequest{Ids: []string{j.GetId()}})
	must(t, err)
	check("BatchGet", some.GetJobs()[0].GetQueuePosition(), some.GetJobs()[0].GetExpectedStartTime() != nil)
	list, err := w.jobs().List(ann, &jobsv1.ListRequest{PageSize: 1})
	must(t, err)
	check("List", list.GetJobs()[0].GetQueuePosition(), list.GetJobs()[0].GetExpectedStartTime() != nil)
	queue, err := w.queue().ListQueue(ann, &adminv1.ListQueueRequest{})
	must(t, err)
	check("ListQueue", queue.GetRows()[1].GetQueuePosition(), queue.GetRows()[1].GetExpectedStartTime() != nil)
	s, err := w.jobs().WatchStatus(ann, &jobsv1.WatchStatusRequest{Id: j.GetId()})
	must(t, err)
	for {
		m, err := s.Recv()
		must(t, err)
		if c := m.GetJob(); c != nil {
			check("the snapshot", c.GetQueuePosition(), c.GetExpectedStartTime() != nil)
			break
		}
	}
	id, err := job.ParseID(j.GetId())
	must(t, err)
	stored, err := w.store.Get(store.Everyone, id)
	must(t, err)
	if stored.GetQueuePosition() != nil || stored.GetExpectedStartTime() != nil {
		t.Errorf("it is stored: %v", stored)
	}
}

func TestACheckSaysWhatWouldBeExpected(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	must(t, w.upload(ann, "/in.txt", "seven b"))
	asked := copyJob()
	asked.QueuePosition, asked.InputBytes, asked.ServiceVersion = &jobsv1.QueuePosition{JobsAhead: 99}, 99, "99"
	resp, err := w.jobs().Submit(ann, &jobsv1.SubmitRequest{Job: asked, ValidateOnly: true})
	must(t, err)
	if j := resp.GetJob(); j.GetInputBytes() != 7 || j.GetQueuePosition().GetJobsAhead() != 7 || j.GetServiceVersion() != "" {
		t.Errorf("checked: %v", j)
	}
	resp, err = w.jobs().Submit(ann, &jobsv1.SubmitRequest{Job: proto.CloneOf(asked)})
	must(t, err)
	if j := resp.GetJob(); j.GetInputBytes() != 7 || j.GetQueuePosition() != nil {
		t.Errorf("stored: %v", j)
	}
}

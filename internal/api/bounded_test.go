package api_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/store"
)

// heavy stores jobs with so many bytes of parameters each.
func (w *world) heavy(jobs, bytes int) (ids []string) {
	w.Helper()
	for range jobs {
		j := copyJob()
		j.Owner, j.Parameters = "ann", params("text", structpb.NewStringValue(strings.Repeat("x", bytes)))
		stored, _, err := w.store.Submit(w.Context(), []*jobsv1.Job{j}, store.SubmitOptions{Owner: "ann"})
		must(w, err)
		ids = append(ids, stored[0].GetId())
	}
	return ids
}

func TestPagesInFullEndByBytes(t *testing.T) {
	w := newWorld(t)
	ids := w.heavy(12, 300_000)
	seen, token := 0, ""
	for {
		resp, err := w.jobs().List(w.as("ann"), &jobsv1.ListRequest{PageSize: 1000, View: jobsv1.JobView_JOB_VIEW_FULL, PageToken: token})
		must(t, err)
		if size := proto.Size(resp); size > 5<<18 {
			t.Errorf("a page of %d bytes", size)
		}
		seen += len(resp.GetJobs())
		if token = resp.GetNextPageToken(); token == "" {
			break
		}
	}
	if seen != len(ids) {
		t.Errorf("%d of %d jobs", seen, len(ids))
	}
	_, err := w.jobs().BatchGet(w.as("ann"), &jobsv1.BatchGetRequest{Ids: ids, View: jobsv1.JobView_JOB_VIEW_FULL})
	refusal(t, err, codes.InvalidArgument, "TOO_LARGE")
	if resp, err := w.jobs().BatchGet(w.as("ann"), &jobsv1.BatchGetRequest{Ids: ids}); err != nil || len(resp.GetJobs()) != len(ids) {
		t.Errorf("%d jobs, %v", len(resp.GetJobs()), err)
	}
}

func TestPagesOfReportsEndByBytes(t *testing.T) {
	w := newWorld(t)
	ids := w.heavy(5, 300_000)
	for _, id := range ids {
		_, err := w.jobs().ReportIssue(w.as("ann"), &jobsv1.ReportIssueRequest{Id: id, Description: "wrong"})
		must(t, err)
	}
	first, more, err := w.store.Issues(0, 100, 1<<20)
	if err != nil || !more || len(first) != 3 {
		t.Fatalf("%d reports, more %v, %v", len(first), more, err)
	}
	rest, more, err := w.store.Issues(first[2].ID.Seq, 100, 1<<20)
	if err != nil || more || len(rest) != 2 {
		t.Errorf("%d reports, more %v, %v", len(rest), more, err)
	}
}

func TestSnapshotComesInParts(t *testing.T) {
	w := newWorld(t)
	const active, final = 450, 20
	ids := w.heavy(active+final, 10)
	for _, id := range ids[:final] {
		w.finish(&jobsv1.Job{Id: id}, jobsv1.State_STATE_CANCELLED, nil)
	}
	for name, req := range map[string]*jobsv1.WatchStatusRequest{"of an owner": {}, "of ids": {Ids: ids}} {
		s, err := w.jobs().WatchStatus(w.as("ann"), req)
		must(t, err)
		seen := make(map[string]bool)
		frames(t, s, func(m *jobsv1.WatchStatusResponse) bool {
			if id := m.GetJob().GetId(); id != "" {
				seen[id] = true
			}
			return m.GetSnapshotEnd() != nil
		})
		if len(seen) != active+final {
			t.Errorf("%s: %d of %d jobs", name, len(seen), active+final)
		}
	}
}

func TestBatchAnswersAreBasic(t *testing.T) {
	w := newWorld(t)
	must(t, w.upload(w.as("ann"), "/in.txt", "x"))
	resp, err := w.jobs().BatchSubmit(w.as("ann"), &jobsv1.BatchSubmitRequest{Jobs: []*jobsv1.Job{copyJob(), copyJob()}})
	must(t, err)
	for _, j := range resp.GetJobs() {
		if j.GetId() == "" || j.GetEtag() == "" || j.GetParameters() != nil || j.GetHistory() != nil {
			t.Errorf("submitted: %v", j)
		}
	}
	id := resp.GetJobs()[0].GetId()
	cancelled, err := w.jobs().BatchCancel(w.as("ann"), &jobsv1.BatchCancelRequest{Ids: []string{id}})
	must(t, err)
	if j := cancelled.GetResults()[0].GetJob(); j.GetId() != id || j.GetHistory() != nil {
		t.Errorf("cancelled: %v", j)
	}
	if got, err := w.jobs().Get(w.as("ann"), &jobsv1.GetRequest{Id: id}); err != nil || got.GetJob().GetParameters() == nil || len(got.GetJob().GetHistory()) != 2 {
		t.Errorf("stored: %v, %v", got, err)
	}
	many := &jobsv1.BatchSubmitRequest{}
	for range 1000 {
		j := copyJob()
		j.Labels = map[string]string{"a": strings.Repeat("x", 128)}
		j.OutputFolder = "/" + strings.Repeat("y", 3100)
		many.Jobs = append(many.Jobs, j)
	}
	_, err = w.jobs().BatchSubmit(w.as("ann"), many)
	if fields := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); len(fields) != 1 || fields[0] != "jobs" {
		t.Errorf("too much for an answer: %v", fields)
	}
}

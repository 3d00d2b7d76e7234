package api_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/page"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/weight"
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
	first, more, err := w.store.Issues(0, 100, page.Bound)
	if err != nil || !more || len(first) != 3 {
		t.Fatalf("%d reports, more %v, %v", len(first), more, err)
	}
	rest, more, err := w.store.Issues(first[2].ID.Seq, 100, page.Bound)
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

// A thousand jobs as users have them, with all that happened to them, are one page and one batch.
func TestAThousandUsualJobsAreOnePage(t *testing.T) {
	w := newWorld(t)
	ids := w.heavy(1000, 300)
	for _, text := range ids {
		id, err := job.ParseID(text)
		must(t, err)
		_, err = w.store.Update(t.Context(), store.Everyone, id, func(r *storev1.Record) error {
			r.Job.Attempts = []*jobsv1.Attempt{{
				Number: 1, Executor: "local", StartTime: timestamppb.Now(), Reason: jobsv1.Reason_REASON_EXIT_NONZERO,
			}}
			for _, state := range []jobsv1.State{jobsv1.State_STATE_RUNNING, jobsv1.State_STATE_FAILED} {
				if _, err := job.Transition(r.GetJob(), job.Status{State: state, Time: time.Now(), Message: "The command began, or ended with exit code 1."}); err != nil {
					return err
				}
			}
			return nil
		})
		must(t, err)
	}
	for _, view := range []jobsv1.JobView{jobsv1.JobView_JOB_VIEW_BASIC, jobsv1.JobView_JOB_VIEW_FULL} {
		list, err := w.jobs().List(w.as("ann"), &jobsv1.ListRequest{PageSize: 1000, View: view})
		if err != nil || len(list.GetJobs()) != len(ids) || list.GetNextPageToken() != "" {
			t.Errorf("%v: a page of %d jobs, %v", view, len(list.GetJobs()), err)
		}
		batch, err := w.jobs().BatchGet(w.as("ann"), &jobsv1.BatchGetRequest{Ids: ids, View: view})
		if err != nil || len(batch.GetJobs()) != len(ids) {
			t.Errorf("%v: a batch of %d jobs, %v", view, len(batch.GetJobs()), err)
		}
	}
}

// Pages end where their jobs would be too much in memory or in JSON, though they have few bytes.
func TestPagesInFullEndByWhatJobsBecome(t *testing.T) {
	const each = 6
	for name, value := range map[string]*structpb.Value{
		"nulls":         structpb.NewNullValue(),
		"control codes": structpb.NewStringValue(strings.Repeat("\x01", 250)),
		"empty lists":   structpb.NewListValue(&structpb.ListValue{}),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			list := &structpb.ListValue{}
			for size := 0; size < 250<<10; size += proto.Size(value) + 2 {
				list.Values = append(list.Values, value)
			}
			var ids []string
			for range each {
				j := copyJob()
				j.Owner, j.Parameters = "ann", params("list", structpb.NewListValue(list))
				stored, _, err := w.store.Submit(t.Context(), []*jobsv1.Job{j}, store.SubmitOptions{Owner: "ann"})
				must(t, err)
				ids = append(ids, stored[0].GetId())
			}
			seen, pages := 0, 0
			for token := ""; ; pages++ {
				resp, err := w.jobs().List(w.as("ann"), &jobsv1.ListRequest{PageSize: 1000, View: jobsv1.JobView_JOB_VIEW_FULL, PageToken: token})
				must(t, err)
				raw, err := proto.Marshal(resp)
				must(t, err)
				json, err := protojson.Marshal(resp)
				must(t, err)
				of := weight.OfEncoded(raw, resp.ProtoReflect().Descriptor())
				if len(json) > page.MaxAnswer || len(resp.GetJobs()) > 1 && of.Memory > page.Bound.Memory {
					t.Errorf("a page of %d jobs: %d bytes of JSON, %d in memory", len(resp.GetJobs()), len(json), of.Memory)
				}
				seen += len(resp.GetJobs())
				if token = resp.GetNextPageToken(); token == "" {
					break
				}
			}
			if seen != each || pages == 0 {
				t.Errorf("%d of %d jobs on %d pages", seen, each, pages+1)
			}
			_, err := w.jobs().BatchGet(w.as("ann"), &jobsv1.BatchGetRequest{Ids: ids, View: jobsv1.JobView_JOB_VIEW_FULL})
			refusal(t, err, codes.InvalidArgument, "TOO_LARGE")
		})
	}
}

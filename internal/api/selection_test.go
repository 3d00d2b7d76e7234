package api_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api"
	"github.com/stint-jobs/stint/internal/job"
)

// labelled submits jobs of a project.
func (w *world) labelled(ctx context.Context, project string, n int) (ids []string) {
	w.Helper()
	req := &jobsv1.BatchSubmitRequest{}
	for range n {
		j := copyJob()
		j.Labels = map[string]string{"project": project}
		req.Jobs = append(req.Jobs, j)
	}
	resp, err := w.jobs().BatchSubmit(ctx, req)
	must(w.T, err)
	for _, j := range resp.GetJobs() {
		ids = append(ids, j.GetId())
	}
	return ids
}

// mixed has jobs 1 to 3 of project a, 4 and 5 of project b, of which 2 runs and 3 and 5 are complete, and 6 of bob.
func mixed(t *testing.T) (w *world, ann context.Context) {
	t.Helper()
	w = newWorld(t)
	ann = w.as("ann")
	must(t, w.upload(ann, "/in.txt", "x"))
	must(t, w.upload(w.as("bob"), "/in.txt", "x"))
	w.labelled(ann, "a", 3)
	w.labelled(ann, "b", 2)
	w.labelled(w.as("bob"), "a", 1)
	for _, id := range []string{"2", "3", "5"} {
		w.finish(&jobsv1.Job{Id: id}, jobsv1.State_STATE_RUNNING, nil)
	}
	for _, id := range []string{"3", "5"} {
		w.finish(&jobsv1.Job{Id: id}, jobsv1.State_STATE_COMPLETED, nil)
	}
	return w, ann
}

// Counts are those of the jobs that a list of the same filter has, whatever the filter.
func TestCountsOfAFilterAreThoseOfItsList(t *testing.T) {
	w, ann := mixed(t)
	filters := []string{
		"", "state = RUNNING", "state != RUNNING", "labels.project = a", "labels.project = b AND state = COMPLETED", "service = Copy", "service = Nothing",
		"state = RUNNING AND state = FAILED", "NOT labels.project = a", "id = 3 OR labels.project = b", "reason = WAITING_FOR_TURN",
	}
	for _, owner := range []string{"", "*", "bob"} {
		ctx := ann
		if owner != "" {
			ctx = w.as("op", "operator")
		}
		for _, filter := range filters {
			list, err := w.jobs().List(ctx, &jobsv1.ListRequest{Owner: owner, Filter: filter})
			must(t, err)
			want := &jobsv1.Summary{Total: &jobsv1.StateCounts{}, Services: map[string]*jobsv1.StateCounts{}}
			var ids []string
			for _, j := range list.GetJobs() {
				if want.Services[j.GetService()] == nil {
					want.Services[j.GetService()] = &jobsv1.StateCounts{}
				}
				for _, c := range []*jobsv1.StateCounts{want.GetTotal(), want.GetServices()[j.GetService()]} {
					*map[jobsv1.State]*int64{
						jobsv1.State_STATE_QUEUED: &c.Queued, jobsv1.State_STATE_RUNNING: &c.Running, jobsv1.State_STATE_COMPLETED: &c.Completed,
					}[j.GetState()]++
				}
				ids = append(ids, j.GetId())
			}
			sum, err := w.jobs().Summarize(ctx, &jobsv1.SummarizeRequest{Owner: owner, Filter: filter})
			must(t, err)
			if diff := cmp.Diff(want, sum.GetSummary(), protocmp.Transform()); diff != "" {
				t.Errorf("owner %q, filter %q:\n%s", owner, filter, diff)
			}
			all := []string{"1", "2", "3", "4", "5", "6", "6", "77", "x"}
			if sum, err = w.jobs().Summarize(ctx, &jobsv1.SummarizeRequest{Owner: owner, Filter: filter, Ids: all}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, sum.GetSummary(), protocmp.Transform()); diff != "" {
				t.Errorf("owner %q, filter %q, of all ids %q:\n%s", owner, filter, ids, diff)
			}
		}
	}
	sum, err := w.jobs().Summarize(ann, &jobsv1.SummarizeRequest{Filter: "labels.project = a", Ids: []string{"2", "4"}})
	must(t, err)
	if n := sum.GetSummary().GetTotal(); n.GetRunning() != 1 || n.GetQueued() != 0 {
		t.Errorf("ids and a filter do not hold together: %v", n)
	}
	for _, req := range []*jobsv1.SummarizeRequest{{Filter: "state ="}, {Ids: make([]string, job.MaxBatch+1)}} {
		_, err := w.jobs().Summarize(ann, req)
		refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
	}
}

func TestAWatchOfAFilterHasTheJobsThatFitAndSaysWhichCeaseTo(t *testing.T) {
	w, ann := mixed(t)
	watch := func(req *jobsv1.WatchStatusRequest) jobsv1.JobService_WatchStatusClient {
		t.Helper()
		s, err := w.jobs().WatchStatus(ann, req)
		must(t, err)
		return s
	}
	running := watch(&jobsv1.WatchStatusRequest{Filter: "state = RUNNING"})
	project := watch(&jobsv1.WatchStatusRequest{Filter: "labels.project = b"})
	some := watch(&jobsv1.WatchStatusRequest{Filter: "labels.project = b", Ids: []string{"1", "4"}})
	never := watch(&jobsv1.WatchStatusRequest{Filter: "state = RUNNING AND state = FAILED"})
	for want, s := range map[string]jobsv1.JobService_WatchStatusClient{
		"begin 2:RUNNING snapshot": running, "begin 5:COMPLETED 4:QUEUED snapshot": project, "begin 4:QUEUED snapshot": some, "begin snapshot": never,
	} {
		if got := frames(t, s, snapshotEnd); got != want {
			t.Errorf("snapshot: %q, want %q", got, want)
		}
	}
	before, err := w.jobs().List(ann, &jobsv1.ListRequest{})
	must(t, err)
	for _, id := range []string{"1", "4"} {
		w.finish(&jobsv1.Job{Id: id}, jobsv1.State_STATE_RUNNING, nil)
		w.finish(&jobsv1.Job{Id: id}, jobsv1.State_STATE_COMPLETED, nil)
	}
	now := w.cursor(w.store.Revision())
	for _, c := range []struct {
		name, want string
		s          jobsv1.JobService_WatchStatusClient
	}{
		{"running", "1:RUNNING removed:1 4:RUNNING removed:4", running},
		{"of a project", "4:RUNNING 4:COMPLETED", project},
		{"some of a project", "4:RUNNING 4:COMPLETED", some},
		{"never", "", never},
		{"running, resumed", "1:RUNNING removed:1 4:RUNNING removed:4", watch(&jobsv1.WatchStatusRequest{Filter: "state = RUNNING", AfterCursor: before.GetCursor()})},
		{"completed, resumed", "1:COMPLETED 4:COMPLETED", watch(&jobsv1.WatchStatusRequest{Filter: "state = COMPLETED", AfterCursor: before.GetCursor()})},
	} {
		upToNow := func(m *jobsv1.WatchStatusResponse) bool { return heartbeat(m) && m.GetCursor() == now }
		if got := frames(t, c.s, upToNow); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	_, err = watch(&jobsv1.WatchStatusRequest{Filter: "and"}).Recv()
	refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
}

func TestAWatchCountsTheJobsOfItsFilter(t *testing.T) {
	w, ann := mixed(t)
	for _, req := range []*jobsv1.WatchStatusRequest{{Filter: "labels.project = a"}, {Ids: []string{"1", "2", "3"}}} {
		req.View = jobsv1.WatchView_WATCH_VIEW_COUNTS
		ctx, cancel := context.WithCancel(ann)
		s, err := w.jobs().WatchStatus(ctx, req)
		must(t, err)
		var last *jobsv1.StateCounts
		counts := func(m *jobsv1.WatchStatusResponse) bool { last = m.GetCounts().GetTotal(); return m.GetCounts() != nil }
		frames(t, s, counts)
		first := last
		w.labelled(ann, "b", 1) // changes nothing that is counted
		id := map[bool]string{true: "1", false: "2"}[first.GetQueued() == 1]
		w.finish(&jobsv1.Job{Id: id}, map[bool]jobsv1.State{true: jobsv1.State_STATE_RUNNING, false: jobsv1.State_STATE_COMPLETED}[id == "1"], nil)
		frames(t, s, counts)
		if sum := first.GetQueued() + first.GetRunning() + first.GetCompleted(); sum != 3 || last.GetQueued() != 0 ||
			last.GetRunning()+last.GetCompleted() != 3 || cmp.Equal(first, last, protocmp.Transform()) {
			t.Errorf("%v: first %v, then %v", req, first, last)
		}
		cancel()
	}
}

func TestABatchOfCancelsByFilterEndsWhatFitsAndIsNotFinal(t *testing.T) {
	w, ann := mixed(t)
	cancel := func(ctx context.Context, req *jobsv1.BatchCancelRequest) (ids []string, remaining int64) {
		t.Helper()
		resp, err := w.jobs().BatchCancel(ctx, req)
		must(t, err)
		for _, r := range resp.GetResults() {
			if r.GetError() != nil {
				r.Id += "!"
			}
			ids = append(ids, r.GetId())
		}
		return ids, resp.GetRemainingSize()
	}
	for _, c := range []struct {
		ctx  context.Context //nolint:containedctx // a row of a table
		req  *jobsv1.BatchCancelRequest
		want []string
	}{
		{ann, &jobsv1.BatchCancelRequest{Filter: "state = COMPLETED"}, nil},
		{ann, &jobsv1.BatchCancelRequest{Filter: "state = RUNNING AND state = QUEUED"}, nil},
		{ann, &jobsv1.BatchCancelRequest{Filter: "labels.project = a", Ids: []string{"4", "x", "3", "2", "6"}}, []string{"x!", "3", "2", "6!"}},
		{ann, &jobsv1.BatchCancelRequest{Filter: "labels.project = b"}, []string{"4"}},
		{w.as("op", "operator"), &jobsv1.BatchCancelRequest{Filter: "labels.project = a", Owner: "*"}, []string{"1!", "6!"}}, // says no reason
		{w.as("op", "operator"), &jobsv1.BatchCancelRequest{Filter: "labels.project = a", Owner: "bob", Reason: "a test"}, []string{"6"}},
		{w.as("op", "operator"), &jobsv1.BatchCancelRequest{Filter: "labels.project = a", Reason: "a test"}, nil}, // of their own
	} {
		if got, remaining := cancel(c.ctx, c.req); !slices.Equal(got, c.want) || remaining != 0 {
			t.Errorf("%v: %q and %d more, want %q", c.req, got, remaining, c.want)
		}
	}
	for _, req := range []*jobsv1.BatchCancelRequest{{}, {Reason: "all"}, {Filter: " "}, {Filter: "state ="}, {Ids: make([]string, job.MaxBatch+1)}} {
		_, err := w.jobs().BatchCancel(ann, req)
		refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
	}
}

func TestABatchOfCancelsSaysHowManyAreLeft(t *testing.T) {
	w := newWorld(t, func(cfg *api.Config) { cfg.MaxActivePerOwner, cfg.MaxActive = 0, 0 })
	ann := w.as("ann")
	must(t, w.upload(ann, "/in.txt", "x"))
	w.labelled(ann, "many", 1000)
	w.labelled(ann, "many", 3)
	w.labelled(ann, "few", 1)
	var got []string
	for _, want := range []int{1000, 3, 0} {
		resp, err := w.jobs().BatchCancel(ann, &jobsv1.BatchCancelRequest{Filter: "labels.project = many"})
		must(t, err)
		got = append(got, fmt.Sprint(len(resp.GetResults()), " and ", resp.GetRemainingSize()))
		for _, r := range resp.GetResults() {
			id, err := job.ParseID(r.GetId())
			must(t, err)
			if id > 1003 || r.GetError() != nil {
				t.Fatalf("%d of %d: %v", id, want, r)
			}
			w.finish(r.GetJob(), jobsv1.State_STATE_CANCELLED, nil)
		}
	}
	if want := []string{"1000 and 3", "3 and 0", "0 and 0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

package api_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestSubmitFillsInWhatTheJobLeavesOut(t *testing.T) {
	w := newWorld(t)
	j := w.submit(w.as("ann"))
	p := j.GetParameters().GetFields()
	if j.GetOwner() != "ann" || j.GetOutputName() != "Copy-1" || j.GetOutputFolder() != "/jobs" || j.GetExecutor() != "local" ||
		j.GetState() != jobsv1.State_STATE_QUEUED || j.GetReason() != jobsv1.Reason_REASON_WAITING_FOR_TURN ||
		j.GetResources().GetCpus() != 2 || j.GetResources().GetMemoryBytes() != 64<<20 || j.GetResources().GetTimeLimit().GetSeconds() != 600 ||
		p["times"].GetNumberValue() != 1 || p["mode"].GetStringValue() != "safe" || j.GetEtag() == "" || j.GetSubmitTime() == nil {
		t.Errorf("stored %v", j)
	}
}

func TestSubmitReportsEveryViolationAtOnce(t *testing.T) {
	w := newWorld(t)
	bad := &jobsv1.Job{
		Service: "Copy", OutputName: "a/b\x01", Priority: 1000, Executor: "nowhere", ParentId: "x",
		Labels: map[string]string{"UPPER": "x"}, Resources: &jobsv1.Resources{Cpus: -1, MemoryBytes: -5},
		Parameters: params("source", structpb.NewStringValue("/../../etc/passwd"), "times", structpb.NewNumberValue(99),
			"mode", structpb.NewStringValue("wild"), "unknown", structpb.NewBoolValue(true)),
	}
	_, err := w.jobs().Submit(w.as("ann"), &jobsv1.SubmitRequest{Job: bad})
	got := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
	for _, f := range []string{
		"job.outputName", "job.priority", "job.executor", "job.parentId", "job.labels", "job.resources.cpus", "job.resources.memoryBytes",
		"job.parameters.source", "job.parameters.times", "job.parameters.mode", "job.parameters.unknown",
	} {
		if !slices.Contains(got, f) {
			t.Errorf("%s is not reported; reported are %v", f, got)
		}
	}
	if n := w.store.Summarize(everyone).GetTotal().GetQueued(); n != 0 {
		t.Errorf("%d jobs stored", n)
	}
}

func TestSubmitRefusals(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	must(t, w.upload(ann, "/in.txt", "x"))
	with := func(change func(*jobsv1.Job)) *jobsv1.SubmitRequest {
		j := copyJob()
		change(j)
		return &jobsv1.SubmitRequest{Job: j}
	}
	for name, c := range map[string]struct {
		req    *jobsv1.SubmitRequest
		code   codes.Code
		reason string
	}{
		"no job":               {&jobsv1.SubmitRequest{}, codes.InvalidArgument, "INVALID_ARGUMENT"},
		"no service":           {with(func(j *jobsv1.Job) { j.Service = "" }), codes.InvalidArgument, "INVALID_ARGUMENT"},
		"unknown service":      {with(func(j *jobsv1.Job) { j.Service = "Copi" }), codes.InvalidArgument, "INVALID_ARGUMENT"},
		"unavailable service":  {with(func(j *jobsv1.Job) { j.Service = "Broken" }), codes.FailedPrecondition, "CONFLICT"},
		"for somebody else":    {with(func(j *jobsv1.Job) { j.Owner = "bob" }), codes.PermissionDenied, "PERMISSION_DENIED"},
		"could never start":    {with(func(j *jobsv1.Job) { j.Resources = &jobsv1.Resources{Cpus: 5} }), codes.InvalidArgument, "INVALID_ARGUMENT"},
		"missing input":        {with(func(j *jobsv1.Job) { j.Parameters = params("source", structpb.NewStringValue("/gone")) }), codes.InvalidArgument, "INVALID_ARGUMENT"},
		"folder for a file":    {with(func(j *jobsv1.Job) { j.Parameters = params("source", structpb.NewStringValue("/")) }), codes.InvalidArgument, "INVALID_ARGUMENT"},
		"no parameters":        {with(func(j *jobsv1.Job) { j.Parameters = nil }), codes.InvalidArgument, "INVALID_ARGUMENT"},
		"null for a parameter": {with(func(j *jobsv1.Job) { j.Parameters = params("source", structpb.NewNullValue()) }), codes.InvalidArgument, "INVALID_ARGUMENT"},
		"a bad request id":     {&jobsv1.SubmitRequest{Job: copyJob(), RequestId: "a b"}, codes.InvalidArgument, "INVALID_ARGUMENT"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.jobs().Submit(ann, c.req)
			refusal(t, err, c.code, c.reason)
		})
	}
	if n := w.store.Summarize(everyone).GetTotal().GetQueued(); n != 0 {
		t.Errorf("%d jobs stored", n)
	}
}

func TestRepeatedRequestAnswersTheFirstJob(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	must(t, w.upload(ann, "/in.txt", "x"))
	req := &jobsv1.SubmitRequest{Job: copyJob(), RequestId: "r1"}
	first, err := w.jobs().Submit(ann, req)
	must(t, err)
	// It would not be accepted any more, but it was.
	_, err = w.space().Delete(ann, &workspacev1.DeleteRequest{Path: "/in.txt"})
	must(t, err)
	must(t, os.RemoveAll(filepath.Join(w.services, "Copy")))
	_, err = w.live.Reload()
	must(t, err)
	again, err := w.jobs().Submit(ann, req)
	must(t, err)
	if again.GetJob().GetId() != first.GetJob().GetId() || !again.GetDeduplicated() || first.GetDeduplicated() {
		t.Errorf("first %v, then %v", first, again)
	}
	other := &jobsv1.SubmitRequest{Job: copyJob(), RequestId: "r1"}
	other.Job.Priority = 1
	_, err = w.jobs().Submit(ann, other)
	refusal(t, err, codes.AlreadyExists, "REQUEST_ID_REUSED")
	_, err = w.jobs().Submit(w.as("bob"), req) // another owner's ids are their own
	refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
	// The header is an alias.
	again, err = w.jobs().Submit(metadata.AppendToOutgoingContext(ann, "idempotency-key", "r1"), &jobsv1.SubmitRequest{Job: copyJob(), RequestId: "r1"})
	must(t, err)
	if !again.GetDeduplicated() {
		t.Error("the header made another request")
	}
}

func TestBatchIsAllOrNone(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	must(t, w.upload(ann, "/in.txt", "x"))
	bad := copyJob()
	bad.Service = "Nope"
	_, err := w.jobs().BatchSubmit(ann, &jobsv1.BatchSubmitRequest{Jobs: []*jobsv1.Job{copyJob(), bad}})
	if f := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); !slices.Equal(f, []string{"jobs[1].service"}) {
		t.Errorf("fields %v", f)
	}
	for _, jobs := range [][]*jobsv1.Job{nil, make([]*jobsv1.Job, 1001)} {
		_, err := w.jobs().BatchSubmit(ann, &jobsv1.BatchSubmitRequest{Jobs: jobs})
		if err == nil {
			t.Errorf("%d jobs accepted", len(jobs))
		}
	}
	resp, err := w.jobs().BatchSubmit(ann, &jobsv1.BatchSubmitRequest{Jobs: []*jobsv1.Job{copyJob(), copyJob()}, RequestId: "b"})
	must(t, err)
	again, err := w.jobs().BatchSubmit(ann, &jobsv1.BatchSubmitRequest{Jobs: []*jobsv1.Job{copyJob(), copyJob()}, RequestId: "b"})
	must(t, err)
	if len(again.GetJobs()) != 2 || again.GetJobs()[1].GetId() != resp.GetJobs()[1].GetId() || !again.GetDeduplicated() {
		t.Errorf("%v, then %v", resp, again)
	}
	// The limit of twenty active jobs holds for batches too.
	many := make([]*jobsv1.Job, 19)
	for i := range many {
		many[i] = copyJob()
	}
	_, err = w.jobs().BatchSubmit(ann, &jobsv1.BatchSubmitRequest{Jobs: many})
	refusal(t, err, codes.ResourceExhausted, "LIMIT_REACHED")
	if wait := retryDelay(err); wait != time.Minute {
		t.Errorf("to wait %s for room, want a minute", wait)
	}
	_, err = w.jobs().BatchSubmit(ann, &jobsv1.BatchSubmitRequest{Jobs: slices.Repeat(many, 2)}) // more than there may ever be
	refusal(t, err, codes.ResourceExhausted, "LIMIT_REACHED")
	if wait := retryDelay(err); wait != 0 {
		t.Errorf("to wait %s for what no wait helps", wait)
	}
}

func TestValidateOnlyStoresNothingAndForecasts(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	must(t, w.upload(ann, "/in.txt", "x"))
	resp, err := w.jobs().Submit(ann, &jobsv1.SubmitRequest{Job: copyJob(), ValidateOnly: true})
	must(t, err)
	if resp.GetJob().GetId() != "" || !slices.Equal(resp.GetWarnings(), []string{"Waiting for cores."}) || w.store.Revision() != 0 {
		t.Errorf("%v at revision %d", resp, w.store.Revision())
	}
}

func TestClosedSubmissionsSayWhy(t *testing.T) {
	w := newWorld(t)
	op, ann := w.as("root", "operator"), w.as("ann")
	must(t, w.upload(ann, "/in.txt", "x"))
	_, err := w.admin().SetSubmissions(op, &adminv1.SetSubmissionsRequest{Message: "Back at noon."})
	must(t, err)
	_, err = w.jobs().Submit(ann, &jobsv1.SubmitRequest{Job: copyJob()})
	refusal(t, err, codes.Unavailable, "SUBMISSIONS_CLOSED")
	if err == nil || !strings.Contains(err.Error(), "Back at noon.") {
		t.Errorf("%v", err)
	}
	st, err := w.status().GetServerStatus(ann, &adminv1.GetServerStatusRequest{})
	must(t, err)
	if st.GetSubmissionsOpen() || st.GetMessage() != "Back at noon." || st.GetUser() != "ann" {
		t.Errorf("status %v", st)
	}
	_, err = w.admin().SetSubmissions(op, &adminv1.SetSubmissionsRequest{Open: true})
	must(t, err)
	w.submit(ann)
}

func TestRerunRepeatsWithChanges(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	first := w.submit(ann)
	resp, err := w.jobs().Rerun(ann, &jobsv1.RerunRequest{Id: first.GetId(), Parameters: params("times", structpb.NewNumberValue(3), "mode", structpb.NewNullValue()), OutputName: "again"})
	must(t, err)
	p := resp.GetJob().GetParameters().GetFields()
	if resp.GetJob().GetRerunOf() != first.GetId() || resp.GetJob().GetOutputName() != "again" || p["times"].GetNumberValue() != 3 ||
		p["mode"].GetStringValue() != "safe" || p["source"].GetStringValue() != "/in.txt" {
		t.Errorf("rerun %v", resp.GetJob())
	}
	_, err = w.jobs().Rerun(ann, &jobsv1.RerunRequest{Id: first.GetId(), Parameters: params("times", structpb.NewNumberValue(0))})
	if f := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); !slices.Equal(f, []string{"parameters.times"}) {
		t.Errorf("fields %v", f)
	}
	byOperator, err := w.jobs().Rerun(w.as("root", "operator"), &jobsv1.RerunRequest{Id: first.GetId(), Reason: "it failed by our fault"})
	must(t, err)
	if byOperator.GetJob().GetOwner() != "ann" {
		t.Errorf("an operator's rerun belongs to %s", byOperator.GetJob().GetOwner())
	}
}

// retryDelay is the wait that a refusal asks for; 0 when it asks for none.
func retryDelay(err error) time.Duration {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/auth"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workdir"
)

func (w *world) tell(id job.ID, attempt int, event jobsv1.JobEvent, p *workdir.Progress) {
	words := fmt.Sprint(id, " ", attempt, " ", event)
	if p != nil {
		words += fmt.Sprintf(" %d %s", p.Percent, p.Message)
	}
	w.told = append(w.told, words)
}

// command is the context of calls by the command of an attempt.
func (w *world) command(id job.ID, attempt int, owner string) context.Context {
	text := w.commands.Issue(auth.JobClaim{Job: id, Attempt: attempt, Owner: owner, Expires: time.Now().Add(time.Hour)})
	return metadata.AppendToOutgoingContext(w.Context(), "authorization", "Bearer "+text)
}

// running is a job of ann whose first attempt runs.
func (w *world) running() job.ID {
	w.Helper()
	id, err := job.ParseID(w.submit(w.as("ann")).GetId())
	must(w, err)
	w.transition(id, jobsv1.State_STATE_RUNNING, 1)
	return id
}

// transition brings a job into a state, in an attempt of that number.
func (w *world) transition(id job.ID, state jobsv1.State, attempt int32) {
	w.Helper()
	_, err := w.store.Update(w.Context(), everyone, id, func(r *storev1.Record) error {
		for n := int32(len(r.GetJob().GetAttempts())) + 1; n <= attempt; n++ { //nolint:gosec // few
			if last := job.Attempt(r.GetJob()); last != nil {
				last.CompleteTime = timestamppb.Now()
			}
			r.Job.Attempts = append(r.Job.Attempts, &jobsv1.Attempt{Number: n, Executor: "local"})
		}
		_, err := job.Transition(r.GetJob(), job.Status{State: state, Time: time.Now()})
		return err
	})
	must(w, err)
}

func TestACommandTellsOfItself(t *testing.T) {
	w := newWorld(t)
	id := w.running()
	before := w.store.Revision()
	for _, req := range []*jobsv1.ReportRequest{
		{Event: jobsv1.JobEvent_JOB_EVENT_STARTED},
		{Progress: &jobsv1.Progress{Percent: proto.Int32(0)}},
		{Progress: &jobsv1.Progress{Message: "reading\n\x1b[31mfiles", UpdateTime: timestamppb.Now()}},
		{Event: jobsv1.JobEvent_JOB_EVENT_ENDED, Progress: &jobsv1.Progress{Percent: proto.Int32(100), Message: "done"}},
		{},
	} {
		req.Id = id.String()
		_, err := w.jobs().Report(w.command(id, 1, "ann"), req)
		must(t, err)
	}
	want := []string{
		"1 1 JOB_EVENT_STARTED", "1 1 JOB_EVENT_UNSPECIFIED 0 ", "1 1 JOB_EVENT_UNSPECIFIED -1 reading [31mfiles",
		"1 1 JOB_EVENT_ENDED 100 done", "1 1 JOB_EVENT_UNSPECIFIED",
	}
	if diff := cmp.Diff(want, w.told); diff != "" {
		t.Error(diff)
	}
	if w.store.Revision() != before {
		t.Error("the call itself wrote something")
	}
}

func TestReportsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	id, other := w.running(), w.running()
	report := func(ctx context.Context, id string, change ...func(*jobsv1.ReportRequest)) error {
		req := &jobsv1.ReportRequest{Id: id, Event: jobsv1.JobEvent_JOB_EVENT_ENDED}
		for _, c := range change {
			c(req)
		}
		_, err := w.jobs().Report(ctx, req)
		return err
	}
	mine := w.command(id, 1, "ann")
	for _, text := range []string{other.String(), "999", "x"} {
		refusal(t, report(mine, text), codes.NotFound, "NOT_FOUND")
	}
	refusal(t, report(w.command(999, 1, "ann"), "999"), codes.NotFound, "NOT_FOUND")
	for _, ctx := range []context.Context{w.command(id, 2, "ann"), w.command(id, 0, "ann"), w.command(id, 1, "bob")} {
		refusal(t, report(ctx, id.String()), codes.Unauthenticated, "ATTEMPT_OVER")
	}
	refusal(t, report(w.as("ann"), id.String()), codes.PermissionDenied, "ROLE_REQUIRED")
	refusal(t, report(w.Context(), id.String()), codes.Unauthenticated, "CREDENTIALS_MISSING")
	for field, change := range map[string]func(*jobsv1.ReportRequest){
		"event":            func(r *jobsv1.ReportRequest) { r.Event = 99 },
		"progress.message": func(r *jobsv1.ReportRequest) { r.Progress = &jobsv1.Progress{Message: strings.Repeat("x", 1025)} },
		"progress.percent": func(r *jobsv1.ReportRequest) { r.Progress = &jobsv1.Progress{Percent: proto.Int32(101)} },
	} {
		if fields := refusal(t, report(mine, id.String(), change), codes.InvalidArgument, "INVALID_ARGUMENT"); len(fields) != 1 || fields[0] != field {
			t.Errorf("the fields named are %v, want %s", fields, field)
		}
	}
	if len(w.told) != 0 {
		t.Errorf("the scheduler was told %v", w.told)
	}
}

func TestATokenOfACommandEndsWithItsAttempt(t *testing.T) {
	w := newWorld(t)
	id := w.running()
	first := w.command(id, 1, "ann")
	call := func(ctx context.Context) error {
		_, err := w.jobs().Report(ctx, &jobsv1.ReportRequest{Id: id.String()})
		return err
	}
	must(t, call(first))
	w.transition(id, jobsv1.State_STATE_RUNNING, 2)
	refusal(t, call(first), codes.Unauthenticated, "ATTEMPT_OVER")
	must(t, call(w.command(id, 2, "ann")))
	w.transition(id, jobsv1.State_STATE_COMPLETED, 2)
	refusal(t, call(w.command(id, 2, "ann")), codes.Unauthenticated, "ATTEMPT_OVER")
}

// Nothing else is open to a command, not even about its own job.
func TestACommandCallsNothingElse(t *testing.T) {
	w := newWorld(t)
	id := w.running()
	ctx := w.command(id, 1, "ann")
	for name, call := range w.calls(id.String()) {
		t.Run(name, func(t *testing.T) { refusal(t, call(ctx), codes.PermissionDenied, "ROLE_REQUIRED") })
	}
}

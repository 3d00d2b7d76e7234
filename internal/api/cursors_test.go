package api_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/page"
)

// cursor returns the server's cursor behind a revision.
func (w *world) cursor(revision uint64) string {
	w.Helper()
	return w.cursorIn(w.store.Settings().GetIncarnation(), revision)
}

// cursorIn returns the cursor behind a revision of an incarnation.
func (w *world) cursorIn(incarnation string, revision uint64) string {
	w.Helper()
	sealer, err := page.NewSealer(w.store.Settings().GetPageTokenKey(), incarnation)
	must(w.T, err)
	return sealer.Cursor(revision)
}

// Every response that says something of jobs has a cursor, behind which a watch misses nothing and repeats nothing of it.
func TestEveryResponseWithJobsSaysWhereAWatchGoesOn(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	must(t, w.upload(ann, "/in.txt", "x"))
	empty, err := w.jobs().Summarize(ann, &jobsv1.SummarizeRequest{})
	must(t, err)
	first, err := w.jobs().Submit(ann, &jobsv1.SubmitRequest{Job: copyJob(), RequestId: "first"})
	must(t, err)
	follows := func(what, cursor, want string) {
		t.Helper()
		ctx, cancel := context.WithCancel(ann)
		defer cancel()
		s, err := w.jobs().WatchStatus(ctx, &jobsv1.WatchStatusRequest{AfterCursor: cursor})
		must(t, err)
		if got := frames(t, s, heartbeat); got != want {
			t.Errorf("behind %s: %q, want %q", what, got, want)
		}
	}
	follows("the counts of an empty server", empty.GetCursor(), "1:QUEUED")
	follows("a submit", first.GetCursor(), "")
	batch, err := w.jobs().BatchSubmit(ann, &jobsv1.BatchSubmitRequest{Jobs: []*jobsv1.Job{copyJob(), copyJob()}})
	must(t, err)
	follows("a submit", first.GetCursor(), "2:QUEUED 3:QUEUED")
	follows("a batch", batch.GetCursor(), "")
	again, err := w.jobs().Submit(ann, &jobsv1.SubmitRequest{Job: copyJob(), RequestId: "first"})
	must(t, err)
	follows("a repeated submit", again.GetCursor(), "2:QUEUED 3:QUEUED")
	rerun, err := w.jobs().Rerun(ann, &jobsv1.RerunRequest{Id: "1"})
	must(t, err)
	follows("a batch", batch.GetCursor(), "4:QUEUED")
	follows("a rerun", rerun.GetCursor(), "")
	one, err := w.jobs().Get(ann, &jobsv1.GetRequest{Id: "1"})
	must(t, err)
	some, err := w.jobs().BatchGet(ann, &jobsv1.BatchGetRequest{Ids: []string{"1", "99"}})
	must(t, err)
	page, err := w.jobs().List(ann, &jobsv1.ListRequest{PageSize: 1})
	must(t, err)
	none, err := w.jobs().List(ann, &jobsv1.ListRequest{Filter: "state = RUNNING AND state = FAILED"})
	must(t, err)
	sum, err := w.jobs().Summarize(ann, &jobsv1.SummarizeRequest{})
	must(t, err)
	checked, err := w.jobs().Submit(ann, &jobsv1.SubmitRequest{Job: copyJob(), ValidateOnly: true})
	must(t, err)
	if checked.GetCursor() != "" {
		t.Errorf("what is stored nowhere has the cursor %q", checked.GetCursor())
	}
	w.finish(rerun.GetJob(), jobsv1.State_STATE_RUNNING, nil)
	for what, cursor := range map[string]string{
		"a job": one.GetCursor(), "some jobs": some.GetCursor(), "a page": page.GetCursor(), "an empty page": none.GetCursor(), "counts": sum.GetCursor(),
	} {
		follows(what, cursor, "4:RUNNING")
	}
}

// A cursor of another incarnation of the database, as before a restore, is not taken for one of this.
func TestACursorOfAnotherIncarnationRestartsTheWatch(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	w.submit(ann)
	for _, revision := range []uint64{0, 1, 1 << 40} {
		s, err := w.jobs().WatchStatus(ann, &jobsv1.WatchStatusRequest{AfterCursor: w.cursorIn("another", revision)})
		must(t, err)
		if got := frames(t, s, snapshotEnd); got != "restarted begin 1:QUEUED snapshot" {
			t.Errorf("revision %d: %s", revision, got)
		}
	}
	for _, text := range []string{"17", "x", w.cursor(1) + "A"} {
		s, err := w.jobs().WatchStatus(ann, &jobsv1.WatchStatusRequest{AfterCursor: text})
		must(t, err)
		_, err = s.Recv()
		refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
	}
}

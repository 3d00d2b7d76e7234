package api_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/file"
)

// frames reads until stop answers true and gives the kinds of frames as words.
func frames(t *testing.T, s interface {
	Recv() (*jobsv1.WatchStatusResponse, error)
}, stop func(*jobsv1.WatchStatusResponse) bool,
) string {
	t.Helper()
	var words []string
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return strings.Join(append(words, "end"), " ")
		}
		if err != nil {
			t.Fatalf("%v after %v", err, words)
		}
		switch e := m.GetEvent().(type) {
		case *jobsv1.WatchStatusResponse_SnapshotBegin:
			words = append(words, "begin")
		case *jobsv1.WatchStatusResponse_SnapshotEnd:
			words = append(words, "snapshot")
		case *jobsv1.WatchStatusResponse_Job:
			words = append(words, e.Job.GetId()+":"+job.StateWord(e.Job.GetState()))
		case *jobsv1.WatchStatusResponse_Removed:
			words = append(words, "removed:"+e.Removed.GetId())
		case *jobsv1.WatchStatusResponse_Restarted:
			words = append(words, "restarted")
		case *jobsv1.WatchStatusResponse_Counts:
			words = append(words, "counts")
		}
		if stop(m) {
			return strings.Join(words, " ")
		}
	}
}

func snapshotEnd(m *jobsv1.WatchStatusResponse) bool { return m.GetSnapshotEnd() != nil }
func heartbeat(m *jobsv1.WatchStatusResponse) bool   { return m.GetHeartbeat() != nil }

func TestWatchSnapshotThenChangesThenResume(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	w.submit(ann)
	w.submit(w.as("bob"))
	s, err := w.jobs().WatchStatus(ann, &jobsv1.WatchStatusRequest{})
	must(t, err)
	if got := frames(t, s, snapshotEnd); got != "begin 1:QUEUED snapshot" {
		t.Errorf("snapshot: %s", got)
	}
	before, err := w.jobs().List(ann, &jobsv1.ListRequest{})
	must(t, err)
	j := w.submit(ann)
	w.finish(j, jobsv1.State_STATE_RUNNING, nil)
	w.finish(j, jobsv1.State_STATE_COMPLETED, nil)
	if got := frames(t, s, func(m *jobsv1.WatchStatusResponse) bool {
		return m.GetJob().GetState() == jobsv1.State_STATE_COMPLETED
	}); got != "3:QUEUED 3:RUNNING 3:COMPLETED" {
		t.Errorf("changes: %s", got)
	}
	again, err := w.jobs().WatchStatus(ann, &jobsv1.WatchStatusRequest{AfterCursor: before.GetCursor()})
	must(t, err)
	if got := frames(t, again, heartbeat); got != "3:QUEUED 3:RUNNING 3:COMPLETED" {
		t.Errorf("resumed: %s", got)
	}
	future, err := w.jobs().WatchStatus(ann, &jobsv1.WatchStatusRequest{AfterCursor: w.cursor(1 << 40)})
	must(t, err)
	if got := frames(t, future, snapshotEnd); got != "restarted begin 3:COMPLETED 1:QUEUED snapshot" {
		t.Errorf("a revision of the future: %s", got)
	}
	id, err := job.ParseID(j.GetId())
	must(t, err)
	_, err = w.store.Delete(t.Context(), id)
	must(t, err)
	if got := frames(t, s, func(m *jobsv1.WatchStatusResponse) bool { return m.GetRemoved() != nil }); got != "removed:3" {
		t.Errorf("deleted: %s", got)
	}
}

func TestWatchOfIDsEndsWithTheirJobs(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	a, b := w.submit(ann), w.submit(ann)
	s, err := w.jobs().WatchStatus(ann, &jobsv1.WatchStatusRequest{Ids: []string{a.GetId(), b.GetId()}, UntilFinal: true})
	must(t, err)
	if got := frames(t, s, snapshotEnd); got != "begin 1:QUEUED 2:QUEUED snapshot" {
		t.Errorf("snapshot: %s", got)
	}
	w.finish(a, jobsv1.State_STATE_COMPLETED, nil)
	_, err = w.jobs().Cancel(ann, &jobsv1.CancelRequest{Id: b.GetId(), Reason: "no need"})
	must(t, err)
	if got := frames(t, s, func(*jobsv1.WatchStatusResponse) bool { return false }); got != "1:COMPLETED 2:CANCELLED end" {
		t.Errorf("changes: %s", got)
	}
}

func TestWatchOfCounts(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	s, err := w.jobs().WatchStatus(ann, &jobsv1.WatchStatusRequest{View: jobsv1.WatchView_WATCH_VIEW_COUNTS})
	must(t, err)
	want := func(queued int64) {
		t.Helper()
		if got := frames(t, s, func(m *jobsv1.WatchStatusResponse) bool {
			return m.GetCounts() != nil && m.GetCounts().GetTotal().GetQueued() == queued
		}); !strings.HasSuffix(got, "counts") {
			t.Errorf("got %s", got)
		}
	}
	want(0)
	w.submit(ann)
	want(1)
	w.submit(w.as("bob")) // says nothing to ann
	w.submit(ann)
	want(2)
}

func TestWatchRefusals(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	w.submit(ann)
	for name, req := range map[string]*jobsv1.WatchStatusRequest{
		"until final of all":  {UntilFinal: true},
		"a view that is none": {View: 99},
		"more ids than 1,000": {Ids: make([]string, 1001)},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := w.jobs().WatchStatus(ann, req)
			refusal(t, drain(s, err), codes.InvalidArgument, "INVALID_ARGUMENT")
		})
	}
}

func TestStreamsEndWhenTheServerDrains(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	j := w.submit(ann)
	watch, err := w.jobs().WatchStatus(ann, &jobsv1.WatchStatusRequest{})
	must(t, err)
	frames(t, watch, snapshotEnd)
	logs, err := w.jobs().StreamLogs(ann, &jobsv1.StreamLogsRequest{Id: j.GetId(), Stream: jobsv1.LogStream_LOG_STREAM_STDOUT, Follow: true})
	must(t, err)
	w.srv.Drain()
	refusal(t, drain(watch, nil), codes.Unavailable, "UNAVAILABLE")
	refusal(t, drain(logs, nil), codes.Unavailable, "UNAVAILABLE")
	late, err := w.jobs().WatchStatus(ann, &jobsv1.WatchStatusRequest{})
	must(t, err)
	refusal(t, drain(late, nil), codes.Unavailable, "UNAVAILABLE")
}

// The first change after a silence is sent at once: what a watcher reads because a heartbeat may be due is no change.
func TestHeartbeatsDoNotHoldChangesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *api.Config) { c.Heartbeat, c.WatchEvery = time.Minute, time.Hour })
		ann := w.as("ann")
		s, err := w.jobs().WatchStatus(ann, &jobsv1.WatchStatusRequest{})
		must(t, err)
		frames(t, s, snapshotEnd)
		for begin := time.Now(); time.Since(begin) < 2*time.Hour; {
			frames(t, s, heartbeat)
		}
		at := time.Now()
		w.submit(ann)
		if got := frames(t, s, func(m *jobsv1.WatchStatusResponse) bool { return m.GetJob() != nil }); got != "1:QUEUED" {
			t.Errorf("got %s", got)
		}
		if took := time.Since(at); took > time.Second {
			t.Errorf("the change came after %s", took)
		}
	})
}

// A watcher that hears nothing of others' changes does not fall behind them: when it comes back, it goes on from there.
func TestHeartbeatsSayHowFarTheWatcherIs(t *testing.T) {
	w := newWorld(t)
	s, err := w.jobs().WatchStatus(w.as("ann"), &jobsv1.WatchStatusRequest{})
	must(t, err)
	frames(t, s, snapshotEnd)
	w.submit(w.as("bob"))
	now := w.cursor(w.store.Revision())
	if got := frames(t, s, func(m *jobsv1.WatchStatusResponse) bool { return heartbeat(m) && m.GetCursor() == now }); got != "" {
		t.Errorf("besides heartbeats came %s", got)
	}
}

func TestLogsAreFollowedToTheEnd(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	j := w.submit(ann)
	s, err := w.jobs().StreamLogs(ann, &jobsv1.StreamLogsRequest{Id: j.GetId(), Stream: jobsv1.LogStream_LOG_STREAM_STDOUT, Follow: true})
	must(t, err)
	w.finish(j, jobsv1.State_STATE_RUNNING, map[string]string{"stdout": "one\n"}) // it waits for the first attempt
	first, err := s.Recv()
	for err == nil && len(first.GetData()) == 0 {
		first, err = s.Recv()
	}
	if err != nil || string(first.GetData()) != "one\n" || first.GetOffset() != 0 {
		t.Fatalf("first chunk %v, %v", first, err)
	}
	w.finish(j, jobsv1.State_STATE_RUNNING, map[string]string{"stdout": "one\ntwo\n"})
	id, err := job.ParseID(j.GetId())
	must(t, err)
	_, err = w.store.Update(t.Context(), store.Everyone, id, func(r *storev1.Record) error {
		_, err := job.Transition(r.GetJob(), job.Status{State: jobsv1.State_STATE_COMPLETED})
		return err
	})
	must(t, err)
	var rest []byte
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		rest = append(rest, m.GetData()...)
	}
	if string(rest) != "two\n" {
		t.Errorf("then came %q", rest)
	}
	for name, req := range map[string]*jobsv1.StreamLogsRequest{
		"no stream":         {},
		"negative offset":   {Stream: 1, Offset: -1},
		"tail and offset":   {Stream: 1, Offset: 1, TailLines: 1},
		"too long a tail":   {Stream: 1, TailLines: 1 << 20},
		"limit and follow":  {Stream: 1, LimitBytes: 1, Follow: true},
		"negative attempt":  {Stream: 1, Attempt: -1},
		"negative limit":    {Stream: 1, LimitBytes: -1},
		"an unknown stream": {Stream: 7},
	} {
		t.Run(name, func(t *testing.T) {
			req.Id = j.GetId()
			s, err := w.jobs().StreamLogs(ann, req)
			refusal(t, drain(s, err), codes.InvalidArgument, "INVALID_ARGUMENT")
		})
	}
}

func TestCancelAnswersTheTruthForEachJob(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	waiting, done, bobs := w.submit(ann), w.submit(ann), w.submit(w.as("bob"))
	w.finish(done, jobsv1.State_STATE_COMPLETED, nil)
	resp, err := w.jobs().BatchCancel(ann, &jobsv1.BatchCancelRequest{Ids: []string{waiting.GetId(), done.GetId(), bobs.GetId(), "x", "99"}})
	must(t, err)
	r := resp.GetResults()
	if len(r) != 5 || r[0].GetJob().GetState() != jobsv1.State_STATE_CANCELLED || r[1].GetJob().GetState() != jobsv1.State_STATE_COMPLETED {
		t.Fatalf("results %v", r)
	}
	for _, bad := range r[2:] {
		if bad.GetJob() != nil || codes.Code(bad.GetError().GetCode()) != codes.NotFound { //nolint:gosec // a code
			t.Errorf("result %v", bad)
		}
	}
	_, err = w.jobs().Cancel(ann, &jobsv1.CancelRequest{Id: done.GetId(), Reason: string(make([]byte, 501))})
	refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
	byOperator, err := w.jobs().Cancel(w.as("root", "operator"), &jobsv1.CancelRequest{Id: bobs.GetId(), Reason: "too large"})
	must(t, err)
	if j := byOperator.GetJob(); j.GetReason() != jobsv1.Reason_REASON_CANCELLED_BY_OPERATOR || j.GetCancelledBy() != "root" || !strings.Contains(j.GetMessage(), "too large") {
		t.Errorf("cancelled by an operator: %v", j)
	}
}

func TestReportIsStoredWithTheJob(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	j := w.submit(ann)
	_, err := w.jobs().ReportIssue(ann, &jobsv1.ReportIssueRequest{Id: j.GetId()})
	refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
	w.finish(j, jobsv1.State_STATE_FAILED, nil)
	resp, err := w.jobs().ReportIssue(ann, &jobsv1.ReportIssueRequest{Id: j.GetId()})
	must(t, err)
	list, err := w.admin().ListIssues(w.as("root", "operator"), &adminv1.ListIssuesRequest{PageSize: 1})
	must(t, err)
	i := list.GetIssues()[0]
	if i.GetId() != resp.GetIssueId() || i.GetReporter() != "ann" || i.GetJob().GetParameters() == nil || len(w.reports) != 1 {
		t.Errorf("stored %v, passed on %v", i, w.reports)
	}
}

func TestRevokedTokenEndsItsStreams(t *testing.T) {
	w := newWorld(t)
	op := w.as("root", "operator")
	ann := w.as("ann")
	s, err := w.jobs().WatchStatus(ann, &jobsv1.WatchStatusRequest{})
	must(t, err)
	frames(t, s, snapshotEnd)
	list, err := w.tokens().ListTokens(op, &authv1.ListTokensRequest{})
	must(t, err)
	for _, tok := range list.GetTokens() {
		if tok.GetUser() == "ann" {
			_, err := w.tokens().RevokeToken(op, &authv1.RevokeTokenRequest{Id: tok.GetId()})
			must(t, err)
		}
	}
	if err := drain(s, nil); err == nil {
		t.Error("the stream ended well")
	}
	_, err = w.jobs().List(ann, &jobsv1.ListRequest{})
	refusal(t, err, codes.Unauthenticated, "TOKEN_UNKNOWN")
}

func TestBackupIsADatabase(t *testing.T) {
	w := newWorld(t)
	w.submit(w.as("ann"))
	s, err := w.admin().Backup(w.as("root", "operator"), &adminv1.BackupRequest{})
	must(t, err)
	path := filepath.Join(t.TempDir(), "copy.db")
	f, err := os.Create(path)
	must(t, err)
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		_, err = f.Write(m.GetData())
		must(t, err)
	}
	must(t, f.Close())
	problems, err := file.Check(path)
	if err != nil || len(problems) != 0 {
		t.Errorf("CheckFile() = %v, %v", problems, err)
	}
}

package api_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/store"
)

var everyone = store.Everyone

// calls are all calls that address a job by its id.
func (w *world) calls(id string) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Get": func(ctx context.Context) error {
			_, err := w.jobs().Get(ctx, &jobsv1.GetRequest{Id: id})
			return err
		},
		"Cancel": func(ctx context.Context) error {
			_, err := w.jobs().Cancel(ctx, &jobsv1.CancelRequest{Id: id, Reason: "because"})
			return err
		},
		"Rerun": func(ctx context.Context) error {
			_, err := w.jobs().Rerun(ctx, &jobsv1.RerunRequest{Id: id, ValidateOnly: true})
			return err
		},
		"ReportIssue": func(ctx context.Context) error {
			_, err := w.jobs().ReportIssue(ctx, &jobsv1.ReportIssueRequest{Id: id, Description: "x"})
			return err
		},
		"ListResults": func(ctx context.Context) error {
			_, err := w.jobs().ListResults(ctx, &jobsv1.ListResultsRequest{Id: id})
			return err
		},
		"ReadResult": func(ctx context.Context) error {
			s, err := w.jobs().ReadResult(ctx, &jobsv1.ReadResultRequest{Id: id, Path: "t.tsv"})
			return drain(s, err)
		},
		"StreamLogs": func(ctx context.Context) error {
			s, err := w.jobs().StreamLogs(ctx, &jobsv1.StreamLogsRequest{Id: id, Stream: jobsv1.LogStream_LOG_STREAM_STDOUT})
			return drain(s, err)
		},
		"WatchStatus": func(ctx context.Context) error {
			s, err := w.jobs().WatchStatus(ctx, &jobsv1.WatchStatusRequest{Id: id, UntilFinal: true})
			return drain(s, err)
		},
	}
}

// drain reads a stream to its end and answers its error.
func drain[M any](s interface{ Recv() (M, error) }, err error) error {
	for err == nil {
		_, err = s.Recv()
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// A job of somebody else is answered exactly as one that does not exist.
func TestSomebodyElsesJobDoesNotExist(t *testing.T) {
	w := newWorld(t)
	ann, bob, op := w.as("ann"), w.as("bob"), w.as("root", "operator")
	j := w.submit(ann)
	w.finish(j, jobsv1.State_STATE_FAILED, map[string]string{"output/t.tsv": "a\tb\n", "stdout": "hello\n"})
	before := w.store.Revision()
	for name, call := range w.calls(j.GetId()) {
		t.Run(name, func(t *testing.T) {
			refusal(t, call(bob), codes.NotFound, "NOT_FOUND")
			must(t, call(ann))
			must(t, call(op))
			refusal(t, call(t.Context()), codes.Unauthenticated, "CREDENTIALS_MISSING")
		})
	}
	for _, id := range []string{"0", "999", "-1", "1 ", "abc", "18446744073709551616", "../1"} {
		for name, call := range w.calls(id) {
			t.Run(name+" of "+id, func(t *testing.T) { refusal(t, call(ann), codes.NotFound, "NOT_FOUND") })
		}
	}
	if w.store.Revision() != before {
		t.Error("a refused call changed something")
	}
}

func TestListsAreOfTheCallerUnlessAnOperatorAsks(t *testing.T) {
	w := newWorld(t)
	ann, bob, op := w.as("ann"), w.as("bob"), w.as("root", "operator")
	w.submit(ann)
	w.submit(ann)
	w.submit(bob)
	for _, c := range []struct {
		ctx   context.Context //nolint:containedctx // a row of a table
		owner string
		want  int64
		code  codes.Code
	}{
		{ann, "", 2, codes.OK},
		{ann, "ann", 2, codes.OK},
		{bob, "", 1, codes.OK},
		{bob, "ann", 0, codes.PermissionDenied},
		{bob, "*", 0, codes.PermissionDenied},
		{op, "", 0, codes.OK},
		{op, "ann", 2, codes.OK},
		{op, "*", 3, codes.OK},
		{op, "a b", 0, codes.InvalidArgument},
	} {
		list, err := w.jobs().List(c.ctx, &jobsv1.ListRequest{Owner: c.owner})
		if c.code == codes.OK && (err != nil || list.GetTotalSize() != c.want || int64(len(list.GetJobs())) != c.want) {
			t.Errorf("List(%q) = %d jobs of %d, %v; want %d", c.owner, len(list.GetJobs()), list.GetTotalSize(), err, c.want)
		}
		sum, serr := w.jobs().Summarize(c.ctx, &jobsv1.SummarizeRequest{Owner: c.owner})
		if c.code == codes.OK && (serr != nil || sum.GetSummary().GetTotal().GetQueued() != c.want) {
			t.Errorf("Summarize(%q) = %v, %v", c.owner, sum, serr)
		}
		if c.code != codes.OK {
			reason := map[codes.Code]string{codes.PermissionDenied: "PERMISSION_DENIED", codes.InvalidArgument: "INVALID_ARGUMENT"}[c.code]
			refusal(t, err, c.code, reason)
			refusal(t, serr, c.code, reason)
			s, err := w.jobs().WatchStatus(c.ctx, &jobsv1.WatchStatusRequest{Owner: c.owner})
			refusal(t, drain(s, err), c.code, reason)
		}
	}
}

func TestPageTokenOfAnotherIsRefused(t *testing.T) {
	w := newWorld(t)
	ann, bob, op := w.as("ann"), w.as("bob"), w.as("root", "operator")
	for range 3 {
		w.submit(ann)
		w.submit(bob)
	}
	page, err := w.jobs().List(ann, &jobsv1.ListRequest{PageSize: 2, Filter: "state = QUEUED"})
	must(t, err)
	token := page.GetNextPageToken()
	next, err := w.jobs().List(ann, &jobsv1.ListRequest{PageSize: 2, Filter: "state = QUEUED", PageToken: token})
	if err != nil || len(next.GetJobs()) != 1 || next.GetNextPageToken() != "" {
		t.Errorf("second page %v, %v", next, err)
	}
	for name, c := range map[string]struct {
		ctx context.Context //nolint:containedctx // a row of a table
		req *jobsv1.ListRequest
	}{
		"another caller": {bob, &jobsv1.ListRequest{Filter: "state = QUEUED", PageToken: token}},
		"an operator":    {op, &jobsv1.ListRequest{Filter: "state = QUEUED", PageToken: token, Owner: "ann"}},
		"another filter": {ann, &jobsv1.ListRequest{Filter: "state = RUNNING", PageToken: token}},
		"another order":  {ann, &jobsv1.ListRequest{Filter: "state = QUEUED", OrderBy: "id", PageToken: token}},
		"garbage":        {ann, &jobsv1.ListRequest{Filter: "state = QUEUED", PageToken: "AAAA"}},
		"a long one":     {ann, &jobsv1.ListRequest{Filter: "state = QUEUED", PageToken: string(make([]byte, 50_000))}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.jobs().List(c.ctx, c.req)
			if f := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); len(f) != 1 || f[0] != "pageToken" {
				t.Errorf("fields %v", f)
			}
		})
	}
	_, err = w.jobs().List(ann, &jobsv1.ListRequest{PageSize: -1})
	refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
}

func TestOperatorCallsAreForOperators(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	for name, call := range map[string]func() error{
		"SetSubmissions": func() error { _, err := w.admin().SetSubmissions(ann, &adminv1.SetSubmissionsRequest{}); return err },
		"Diagnose":       func() error { _, err := w.admin().Diagnose(ann, &adminv1.DiagnoseRequest{}); return err },
		"ListOrphans":    func() error { _, err := w.admin().ListOrphans(ann, &adminv1.ListOrphansRequest{}); return err },
		"CancelOrphan": func() error {
			_, err := w.admin().CancelOrphan(ann, &adminv1.CancelOrphanRequest{})
			return err
		},
		"ListIssues": func() error { _, err := w.admin().ListIssues(ann, &adminv1.ListIssuesRequest{}); return err },
		"Backup":     func() error { s, err := w.admin().Backup(ann, &adminv1.BackupRequest{}); return drain(s, err) },
	} {
		t.Run(name, func(t *testing.T) { refusal(t, call(), codes.PermissionDenied, "ROLE_REQUIRED") })
	}
}

func TestResultsStayInTheirFolder(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	j := w.submit(ann)
	w.finish(j, jobsv1.State_STATE_COMPLETED, map[string]string{"output/t.tsv": "a\tb\n", "secret": "no", "stdout": "hello\n"})
	must(t, os.Symlink("/etc/passwd", filepath.Join(w.folders.Path(), "0/1/attempts/1/output/link")))
	must(t, os.Symlink("../secret", filepath.Join(w.folders.Path(), "0/1/attempts/1/output/up")))
	list, err := w.jobs().ListResults(ann, &jobsv1.ListResultsRequest{Id: j.GetId()})
	must(t, err)
	if len(list.GetFiles()) != 1 || list.GetFiles()[0].GetPath() != "t.tsv" || list.GetFiles()[0].GetDisplay() != "table" || list.GetFiles()[0].GetTitle() != "Table" {
		t.Errorf("results %v", list)
	}
	read := func(path string, offset, limit int64) (string, error) {
		s, err := w.jobs().ReadResult(ann, &jobsv1.ReadResultRequest{Id: j.GetId(), Path: path, Offset: offset, LimitBytes: limit})
		must(t, err)
		var got []byte
		for {
			m, err := s.Recv()
			if errors.Is(err, io.EOF) {
				return string(got), nil
			}
			if err != nil {
				return "", err
			}
			got = append(got, m.GetData()...)
		}
	}
	for _, c := range []struct {
		offset, limit int64
		want          string
	}{{0, 0, "a\tb\n"}, {2, 0, "b\n"}, {1, 2, "\tb"}, {4, 0, ""}, {1 << 40, 5, ""}, {0, 1<<63 - 1, "a\tb\n"}} {
		if got, err := read("t.tsv", c.offset, c.limit); err != nil || got != c.want {
			t.Errorf("ReadResult(%d, %d) = %q, %v", c.offset, c.limit, got, err)
		}
	}
	for _, path := range []string{"../secret", "link", "up", "/etc/passwd", "gone", "..", ".", "a\x00b", "../../../../../etc/passwd"} {
		_, err := read(path, 0, 0)
		if err == nil {
			t.Errorf("%q was read", path)
		}
	}
	_, err = read("t.tsv", -1, 0)
	refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
}

func TestWorkspacePathsStayInTheTree(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	must(t, w.upload(w.as("bob"), "/private.txt", "bob's"))
	for _, path := range []string{"/../bob/private.txt", "../bob/private.txt", "/a/../../bob/private.txt", "a\x00b", "/" + string(make([]byte, 2000)), "/a\nb", ".stint-tmp/x", "/", ""} {
		refusal(t, w.upload(ann, path, "x"), codes.InvalidArgument, "INVALID_ARGUMENT")
		s, err := w.space().Download(ann, &workspacev1.DownloadRequest{Path: path})
		if err := drain(s, err); err == nil {
			t.Errorf("download of %q", path)
		}
		if _, err := w.space().Delete(ann, &workspacev1.DeleteRequest{Path: path, Recursive: true}); err == nil {
			t.Errorf("delete of %q", path)
		}
	}
	refusal(t, w.upload(ann, "/big", string(make([]byte, 1<<20))+"x"), codes.InvalidArgument, "INVALID_ARGUMENT") // one frame of more than 1 MiB
	must(t, w.upload(ann, "/half", string(make([]byte, 1<<19))))
	refusal(t, w.upload(ann, "/more", string(make([]byte, 1<<20))), codes.ResourceExhausted, "LIMIT_REACHED")
	refusal(t, w.upload(ann, "/half", "again"), codes.AlreadyExists, "ALREADY_EXISTS")
	list, err := w.space().List(ann, &workspacev1.ListRequest{PageSize: 1})
	must(t, err)
	if len(list.GetEntries()) != 1 || list.GetUsageBytes() != 1<<19 || list.GetQuotaBytes() != 1<<20 {
		t.Errorf("list %v", list)
	}
}

func TestOrphansAreListedAndEnded(t *testing.T) {
	w := newWorld(t)
	op := w.as("root", "operator")
	list, err := w.admin().ListOrphans(op, &adminv1.ListOrphansRequest{})
	must(t, err)
	if len(list.GetOrphans()) != 3 || list.GetTotalSize() != 3 || len(list.GetUnreachable()) != 1 || list.GetNextPageToken() != "" {
		t.Errorf("orphans %v", list)
	}
	var found []string
	for token := ""; ; {
		part, err := w.admin().ListOrphans(op, &adminv1.ListOrphansRequest{PageSize: 1, PageToken: token})
		must(t, err)
		for _, o := range part.GetOrphans() {
			found = append(found, o.GetExecutor()+"/"+o.GetEngineId())
		}
		if token = part.GetNextPageToken(); token == "" {
			break
		}
	}
	if want := []string{"local/7", "slurm/11", "slurm/9"}; !slices.Equal(found, want) {
		t.Errorf("page by page %q, want %q", found, want)
	}
	_, err = w.admin().ListOrphans(op, &adminv1.ListOrphansRequest{PageToken: "x"})
	refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
	_, err = w.admin().CancelOrphan(op, &adminv1.CancelOrphanRequest{Executor: "local", EngineId: "7"})
	must(t, err)
	_, err = w.admin().CancelOrphan(op, &adminv1.CancelOrphanRequest{Executor: "local", EngineId: "8"})
	refusal(t, err, codes.NotFound, "NOT_FOUND")
}

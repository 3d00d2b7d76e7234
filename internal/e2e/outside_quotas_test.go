package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// quotas are the caller's, by kind.
func (h *hostile) quotas(user string) map[string]*workspacev1.Quota {
	h.Helper()
	u, err := workspacev1.NewWorkspaceServiceClient(h.conn).GetUsage(h.as(user), &workspacev1.GetUsageRequest{})
	if err != nil {
		h.Fatal(err)
	}
	byKind := make(map[string]*workspacev1.Quota)
	for _, q := range u.GetQuotas() {
		byKind[q.GetKind()] = q
	}
	return byKind
}

// reach asks for things of a kind until one is refused. It returns how many were taken, and the refusal.
type reach func(h *hostile) (taken int64, refusal error)

// atMost asks again and again, at most so many times.
func atMost(limit int, ask func(n int) error) (taken int64, refusal error) {
	for n := range limit {
		if err := ask(n); err != nil {
			return taken, err
		}
		taken++
	}
	return taken, nil
}

func (h *hostile) put(path string) error {
	stream, err := workspacev1.NewWorkspaceServiceClient(h.conn).Upload(h.as("ann"))
	if err != nil {
		return err
	}
	if err := stream.Send(&workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Target{Target: &workspacev1.UploadTarget{Path: path}}}); err != nil {
		return err
	}
	_, err = stream.CloseAndRecv()
	return err
}

func (h *hostile) shareWith(id, user string) error {
	_, err := h.jobs().Share(h.as("ann"), &jobsv1.ShareRequest{
		Id: id, User: user, UnknownUser: true, Rights: []jobsv1.ShareRight{jobsv1.ShareRight_SHARE_RIGHT_HISTORY},
	})
	return err
}

func (h *hostile) report(id string) error {
	_, err := h.jobs().ReportIssue(h.as("ann"), &jobsv1.ReportIssueRequest{Id: id, Description: "x"})
	return err
}

// annsJobs submits jobs that are over soon.
func (h *hostile) annsJobs(n int) (ids []string) {
	h.Helper()
	jobs := make([]*jobsv1.Job, n)
	for i := range jobs {
		jobs[i] = misbehave("nothing")
	}
	resp, err := h.jobs().BatchSubmit(h.as("ann"), &jobsv1.BatchSubmitRequest{Jobs: jobs})
	if err != nil {
		h.Fatal(err)
	}
	for _, j := range resp.GetJobs() {
		ids = append(ids, j.GetId())
	}
	return ids
}

// sharesOfAll shares a hundred jobs with a hundred users each, many at a time, and then one more.
func sharesOfAll(h *hostile) (taken int64, refusal error) {
	ids := h.annsJobs(101)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for part := range slices.Chunk(ids[:100], 4) {
		wg.Go(func() {
			for _, id := range part {
				for n := range 100 {
					err := h.shareWith(id, fmt.Sprint("user", n))
					mu.Lock()
					if taken++; err != nil {
						refusal = err
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if refusal != nil {
		return taken, refusal
	}
	return taken, h.shareWith(ids[100], "bob")
}

// reportsOfDays reports ten problems about each of ten jobs. Those of a day are counted from the start of the server.
func reportsOfDays(h *hostile) (taken int64, refusal error) {
	for n, id := range h.annsJobs(11) {
		if n > 0 && n%5 == 0 {
			h.stop()
			h.start()
		}
		of, err := atMost(10, func(int) error { return h.report(id) })
		if taken += of; err != nil {
			return taken, err
		}
	}
	return taken, nil
}

// ends has, for each kind that GetUsage names, how its end is reached on the real binary, with which flags.
var ends = map[string]struct {
	flags []string
	reach reach
	code  codes.Code // ResourceExhausted if it is OK
	field string
	undo  func(h *hostile) error // makes room for one more; nil where time does
}{
	"workspace_bytes": {flags: []string{"--quota", "40K"}, field: "path", reach: func(h *hostile) (int64, error) {
		n, err := atMost(20, func(n int) error { return h.put(fmt.Sprintf("/f%d", n)) })
		return n * 4096, err
	}, undo: func(h *hostile) error { return h.remove("/f0") }},
	"workspace_entries": {flags: []string{"--quota-entries", "7"}, field: "path", reach: func(h *hostile) (int64, error) {
		return atMost(20, func(n int) error { return h.put(fmt.Sprintf("/f%d", n)) })
	}, undo: func(h *hostile) error { return h.remove("/f0") }},
	"path_names": {flags: []string{"--max-depth", "5"}, code: codes.InvalidArgument, field: "path", reach: func(h *hostile) (int64, error) {
		return atMost(20, func(n int) error { return h.put(fmt.Sprintf("/%d%s", n, strings.Repeat("/a", n))) })
	}},
	"unfinished_uploads": {flags: []string{"--max-uploads", "4"}, field: "path", reach: func(h *hostile) (int64, error) {
		return atMost(20, func(n int) error {
			_, err := workspacev1.NewWorkspaceServiceClient(h.conn).CreateUpload(h.as("ann"), &workspacev1.CreateUploadRequest{Path: fmt.Sprintf("/f%d", n)})
			return err
		})
	}, undo: func(h *hostile) error {
		files := workspacev1.NewWorkspaceServiceClient(h.conn)
		list, err := files.ListUploads(h.as("ann"), &workspacev1.ListUploadsRequest{})
		if err != nil {
			return err
		}
		_, err = files.EndUpload(h.as("ann"), &workspacev1.EndUploadRequest{Id: list.GetUploads()[0].GetId()})
		return err
	}},
	"active_jobs": {flags: []string{"--max-active-per-owner", "3", "--cpus", "1"}, reach: func(h *hostile) (int64, error) {
		return atMost(20, func(int) error {
			_, err := h.jobs().Submit(h.as("ann"), &jobsv1.SubmitRequest{Job: misbehave("wait")})
			return err
		})
	}, undo: func(h *hostile) error {
		_, err := h.jobs().BatchCancel(h.as("ann"), &jobsv1.BatchCancelRequest{Ids: []string{"1", "2", "3"}})
		return err
	}},
	"kept_jobs": {flags: []string{"--max-kept-per-owner", "3"}, field: "id", reach: func(h *hostile) (int64, error) {
		ids := h.annsJobs(6)
		return atMost(len(ids), func(n int) error {
			h.until(ids[n], jobsv1.State_STATE_COMPLETED)
			_, err := h.jobs().Keep(h.as("ann"), &jobsv1.KeepRequest{Id: ids[n]})
			return err
		})
	}, undo: func(h *hostile) error {
		_, err := h.jobs().Unkeep(h.as("ann"), &jobsv1.UnkeepRequest{Id: "2"})
		return err
	}},
	"shares": {field: "user", reach: sharesOfAll, undo: func(h *hostile) error {
		_, err := h.jobs().Unshare(h.as("ann"), &jobsv1.UnshareRequest{Id: "1", User: "user0"})
		return err
	}},
	"shares_of_job": {field: "user", reach: func(h *hostile) (int64, error) {
		id := h.annsJobs(1)[0]
		return atMost(200, func(n int) error { return h.shareWith(id, fmt.Sprint("user", n)) })
	}, undo: func(h *hostile) error {
		_, err := h.jobs().Unshare(h.as("ann"), &jobsv1.UnshareRequest{Id: "1", User: "user0"})
		return err
	}},
	"api_tokens": {field: "user", reach: func(h *hostile) (int64, error) {
		n, err := atMost(200, func(int) error {
			_, err := authv1.NewTokenServiceClient(h.conn).CreateToken(h.as("ann"), &authv1.CreateTokenRequest{})
			return err
		})
		return n + 1, err // the one that she calls with
	}, undo: func(h *hostile) error {
		tokens := authv1.NewTokenServiceClient(h.conn)
		list, err := tokens.ListTokens(h.as("ann"), &authv1.ListTokensRequest{})
		if err != nil {
			return err
		}
		_, err = tokens.RevokeToken(h.as("ann"), &authv1.RevokeTokenRequest{Id: list.GetTokens()[50].GetId()})
		return err
	}},
	"reports": {reach: reportsOfDays, undo: func(h *hostile) error {
		list, err := adminv1.NewAdminServiceClient(h.conn).ListIssues(h.as("op"), &adminv1.ListIssuesRequest{})
		if err != nil {
			return err
		}
		_, err = adminv1.NewAdminServiceClient(h.conn).DeleteIssue(h.as("op"), &adminv1.DeleteIssueRequest{Id: list.GetIssues()[0].GetId()})
		return err
	}},
	"reports_of_job": {field: "id", reach: func(h *hostile) (int64, error) {
		id := h.annsJobs(1)[0]
		return atMost(20, func(int) error { return h.report(id) })
	}},
	"reports_per_day": {reach: func(h *hostile) (taken int64, refusal error) {
		for _, id := range h.annsJobs(7) {
			of, err := atMost(10, func(int) error { return h.report(id) })
			if taken += of; err != nil {
				return taken, err
			}
		}
		return taken, nil
	}},
	"audit_entries_per_day": {flags: []string{"--max-audited-per-user", "9"}, reach: func(h *hostile) (int64, error) {
		return atMost(20, func(int) error {
			_, err := h.jobs().Submit(h.as("ann"), &jobsv1.SubmitRequest{Job: misbehave("nothing")})
			return err
		})
	}},
}

func (h *hostile) remove(path string) error {
	_, err := workspacev1.NewWorkspaceServiceClient(h.conn).Delete(h.as("ann"), &workspacev1.DeleteRequest{Path: path})
	return err
}

// One more browser signs out another one, and nothing is refused: TestSessionsOfOneBatchMakeRoomForEachOther.
var withoutRefusal = []string{"sessions"}

func TestWhatUsersMakeEndsWithAClearRefusal(t *testing.T) {
	for kind := range newHostile(t).quotas("ann") {
		if _, ok := ends[kind]; !ok && !slices.Contains(withoutRefusal, kind) {
			t.Errorf("nothing shows how %s ends", kind)
		}
	}
	for kind, end := range ends {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			h := newHostile(t, end.flags...)
			taken, refusal := end.reach(h)
			q := h.quotas("ann")[kind]
			if q == nil || refusal == nil || q.GetMax() != taken || q.Used != nil && q.GetUsed() != taken {
				t.Fatalf("%d were taken, and shown is %v: %v", taken, q, refusal)
			}
			judgeRefusal(t, refusal, kind, end.field, q, cmpCode(end.code))
			if h.quotas("ann")[kind].GetUsed() != q.GetUsed() {
				t.Error("a refusal changes what is used")
			}
			if end.undo != nil {
				if err := end.undo(h); err != nil {
					t.Fatalf("make room: %v", err)
				}
				if after := h.quotas("ann")[kind]; q.Used != nil && after.GetUsed() >= q.GetUsed() && kind != "active_jobs" {
					t.Errorf("with room again %v", after)
				}
			}
			if q.GetWayOut() == "" || q.GetTitle() == "" {
				t.Errorf("%v has no words", q)
			}
			waitUntilFinal(h.as("op"), h.server)
			h.stop()
			h.check()
		})
	}
}

func cmpCode(c codes.Code) codes.Code {
	if c == codes.OK {
		return codes.ResourceExhausted
	}
	return c
}

// judgeRefusal looks for what a client needs: whose limit it is, which field asks for more, the number and the way out.
func judgeRefusal(t *testing.T, refusal error, kind, field string, q *workspacev1.Quota, code codes.Code) {
	t.Helper()
	s := status.Convert(refusal)
	if s.Code() != code {
		t.Fatalf("refused with %v", refusal)
	}
	if code == codes.InvalidArgument {
		if !strings.Contains(fieldsOf(s.Proto()), field) {
			t.Errorf("refused with %v", refusal)
		}
		return
	}
	var failure *errdetails.QuotaFailure
	var info *errdetails.ErrorInfo
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.QuotaFailure:
			failure = d
		case *errdetails.ErrorInfo:
			info = d
		}
	}
	if len(failure.GetViolations()) != 1 || info.GetReason() != "LIMIT_REACHED" || info.GetMetadata()["field"] != field {
		t.Fatalf("refused with %v %v", failure, info)
	}
	v := failure.GetViolations()[0]
	if v.GetQuotaId() != kind || v.GetQuotaValue() != q.GetMax() || v.GetSubject() == "" || !strings.Contains(s.Message(), q.GetWayOut()) {
		t.Errorf("%v: %s", v, s.Message())
	}
}

// The same over REST, where the pages and scripts read it.
func TestAReachedLimitIsSaidOverREST(t *testing.T) {
	h := newHostile(t, "--max-active-per-owner", "1", "--cpus", "1")
	h.submit("ann", misbehave("wait"))
	const one = `{"job": {"service": "Append", "parameters": {}}}`
	got, body := h.rest("ann", call{method: http.MethodPost, path: "/v1/jobs", body: strings.NewReader(one)})
	if got.StatusCode != http.StatusTooManyRequests || !strings.Contains(body, "google.rpc.QuotaFailure") || !strings.Contains(body, `"active_jobs"`) {
		t.Errorf("%s %s", got.Status, body)
	}
	if _, err := h.jobs().BatchCancel(context.WithoutCancel(h.as("ann")), &jobsv1.BatchCancelRequest{Ids: []string{"1"}}); err != nil {
		t.Error(err)
	}
}

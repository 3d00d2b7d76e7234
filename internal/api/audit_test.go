package api_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// audit is what the audit says, oldest first, each entry in short: who, what, jobs, whose, why.
func (w *world) audit(ctx context.Context, req *adminv1.ListAuditRequest) []string {
	w.Helper()
	var all []string
	for {
		resp, err := w.admin().ListAudit(ctx, req)
		must(w, err)
		for _, e := range resp.GetEntries() {
			method := e.GetMethod()[strings.LastIndex(e.GetMethod(), "/")+1:]
			all = append(all, strings.Join([]string{e.GetUser(), method, strings.Join(e.GetJobIds(), ","), e.GetSubject(), e.GetReason()}, "|"))
			if e.GetHow() != "token" || e.GetCredentialId() == "" || e.GetTime() == nil || len(e.GetHash()) != 64 {
				w.Errorf("entry %v", e)
			}
		}
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
			slices.Reverse(all)
			return all
		}
	}
}

func (w *world) sameAudit(ctx context.Context, want ...string) {
	w.Helper()
	if diff := cmp.Diff(want, w.audit(ctx, &adminv1.ListAuditRequest{PageSize: 2})); diff != "" {
		w.Errorf("the audit is not as it should be:\n%s", diff)
	}
}

func TestWhatCallsChangeIsInTheAudit(t *testing.T) {
	w := newWorld(t)
	ann, op := w.as("ann"), w.as("root", "operator")
	must(t, w.upload(ann, "/in.txt", "x"))
	w.submit(ann)
	two, err := w.jobs().BatchSubmit(ann, &jobsv1.BatchSubmitRequest{Jobs: []*jobsv1.Job{copyJob(), copyJob()}})
	must(t, err)
	for range 2 { // the second changes nothing
		_, err = w.jobs().Cancel(ann, &jobsv1.CancelRequest{Id: "1", Reason: "mine"})
		must(t, err)
	}
	_, err = w.jobs().Cancel(op, &jobsv1.CancelRequest{Id: two.GetJobs()[0].GetId(), Reason: "it floods the disk"})
	must(t, err)
	_, err = w.jobs().Rerun(op, &jobsv1.RerunRequest{Id: "1", Reason: "our fault"})
	must(t, err)
	_, err = w.jobs().Rerun(ann, &jobsv1.RerunRequest{Id: "1", Parameters: params("times", structpb.NewNumberValue(99))})
	refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
	_, err = w.jobs().ReportIssue(ann, &jobsv1.ReportIssueRequest{Id: "1", Description: "odd"})
	must(t, err)
	made, err := w.tokens().CreateToken(op, &authv1.CreateTokenRequest{User: "bob"})
	must(t, err)
	_, err = w.tokens().RevokeToken(op, &authv1.RevokeTokenRequest{Id: made.GetToken().GetId()})
	must(t, err)
	_, err = w.admin().SetSubmissions(op, &adminv1.SetSubmissionsRequest{})
	must(t, err)
	_, err = w.admin().SetSubmissions(ann, &adminv1.SetSubmissionsRequest{Open: true})
	refusal(t, err, codes.PermissionDenied, "ROLE_REQUIRED")
	_, err = w.admin().CancelOrphan(op, &adminv1.CancelOrphanRequest{Executor: "local", EngineId: "7"})
	must(t, err)
	backup, err := w.admin().Backup(op, &adminv1.BackupRequest{})
	must(t, drain(backup, err))
	w.sameAudit(op,
		"ann|Submit|1||",
		"ann|BatchSubmit|2,3||",
		"ann|Cancel|1||mine",
		"root|Cancel|2|ann|it floods the disk",
		"root|Rerun|4|ann|our fault",
		"ann|ReportIssue|1||",
		"root|CreateToken||bob|",
		"root|RevokeToken||bob|",
		"root|SetSubmissions|||",
		"root|CancelOrphan|||",
		"root|Backup|||",
	)
}

func TestReadsOfOthersJobsAreInTheAuditBeforeTheyAreAnswered(t *testing.T) {
	w := newWorld(t)
	ann, op, auditor := w.as("ann"), w.as("root", "operator"), w.as("eve", "auditor")
	j := w.submit(ann)
	w.finish(j, jobsv1.State_STATE_FAILED, map[string]string{"output/t.tsv": "a\tb\n", "stdout": "hello\n"})
	reads := func(ctx context.Context) {
		for _, call := range []string{"Get", "ListResults", "ReadResult", "StreamLogs", "WatchStatus", "Rerun"} {
			must(t, w.calls("1")[call](ctx)) // Rerun only checks
		}
		for _, view := range []jobsv1.JobView{jobsv1.JobView_JOB_VIEW_FULL, jobsv1.JobView_JOB_VIEW_BASIC} {
			_, err := w.jobs().BatchGet(ctx, &jobsv1.BatchGetRequest{Ids: []string{"1", "7"}, View: view})
			must(t, err)
			_, err = w.jobs().List(ctx, &jobsv1.ListRequest{Owner: "ann", View: view})
			must(t, err)
		}
	}
	reads(ann)
	reads(op)
	_, err := w.jobs().Get(auditor, &jobsv1.GetRequest{Id: "1"})
	must(t, err)
	s, err := w.jobs().ReadResult(op, &jobsv1.ReadResultRequest{Id: "1", Path: "none.tsv"}) // what fails afterwards was audited before
	refusal(t, drain(s, err), codes.NotFound, "NOT_FOUND")
	_, err = w.jobs().Get(w.as("bob"), &jobsv1.GetRequest{Id: "1"})
	refusal(t, err, codes.NotFound, "NOT_FOUND")
	_, err = w.admin().ListIssues(op, &adminv1.ListIssuesRequest{})
	must(t, err)
	w.sameAudit(auditor,
		"ann|Submit|1||",
		"root|Get|1|ann|",
		"root|ListResults|1|ann|",
		"root|ReadResult|1|ann|",
		"root|StreamLogs|1|ann|",
		"root|Rerun|1|ann|",
		"root|BatchGet|1|ann|",
		"root|List|1|ann|",
		"eve|Get|1|ann|", // what root reads again is counted
		"root|ListIssues|||",
	)
}

func TestAnOperatorActsOnOthersJobsWithAReason(t *testing.T) {
	w := newWorld(t)
	ann, op := w.as("ann"), w.as("root", "operator")
	theirs := w.submit(ann).GetId()
	mine := w.submit(op).GetId()
	for _, reason := range []string{"", " \n"} {
		_, err := w.jobs().Cancel(op, &jobsv1.CancelRequest{Id: theirs, Reason: reason})
		if f := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); !slices.Equal(f, []string{"reason"}) {
			t.Errorf("cancel: fields %v", f)
		}
		_, err = w.jobs().Rerun(op, &jobsv1.RerunRequest{Id: theirs, Reason: reason})
		if f := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); !slices.Equal(f, []string{"reason"}) {
			t.Errorf("rerun: fields %v", f)
		}
	}
	_, err := w.jobs().Rerun(op, &jobsv1.RerunRequest{Id: mine, Reason: strings.Repeat("x", 501)})
	if f := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); !slices.Equal(f, []string{"reason"}) {
		t.Errorf("a long reason: fields %v", f)
	}
	_, err = w.jobs().Rerun(op, &jobsv1.RerunRequest{Id: mine})
	must(t, err)
	both, err := w.jobs().BatchCancel(op, &jobsv1.BatchCancelRequest{Ids: []string{theirs, mine, "77"}})
	must(t, err)
	var got []codes.Code
	for _, r := range both.GetResults() {
		got = append(got, codes.Code(r.GetError().GetCode())) //nolint:gosec // a code of gRPC
	}
	if diff := cmp.Diff([]codes.Code{codes.InvalidArgument, codes.OK, codes.NotFound}, got); diff != "" {
		t.Errorf("own and others' jobs without a reason:\n%s", diff)
	}
	j, err := w.jobs().Get(ann, &jobsv1.GetRequest{Id: theirs})
	if must(t, err); j.GetJob().GetState() != jobsv1.State_STATE_QUEUED || j.GetJob().GetCancelTime() != nil {
		t.Errorf("a refused cancellation changed %v", j)
	}
	_, err = w.jobs().BatchCancel(op, &jobsv1.BatchCancelRequest{Ids: []string{theirs}, Reason: "maintenance"})
	must(t, err)
	if j, err = w.jobs().Get(ann, &jobsv1.GetRequest{Id: theirs}); err != nil || j.GetJob().GetCancelReason() != "maintenance" || j.GetJob().GetCancelledBy() != "root" {
		t.Errorf("%v %v", j, err)
	}
	w.sameAudit(op,
		"ann|Submit|1||", "root|Submit|2||", "root|Rerun|3||", "root|BatchCancel|2||", "root|BatchCancel|1|ann|maintenance")
}

func TestTheAuditIsForOperatorsAndAuditors(t *testing.T) {
	w := newWorld(t)
	ann, bob, op := w.as("ann"), w.as("bob"), w.as("root", "operator")
	for range 3 {
		w.submit(ann)
		w.submit(bob)
	}
	for _, ctx := range []context.Context{ann, w.as("svc", "service")} {
		_, err := w.admin().ListAudit(ctx, &adminv1.ListAuditRequest{User: "ann"})
		refusal(t, err, codes.PermissionDenied, "ROLE_REQUIRED")
	}
	if got := w.audit(op, &adminv1.ListAuditRequest{User: "bob", PageSize: 1}); !slices.Equal(got, []string{"bob|Submit|2||", "bob|Submit|4||", "bob|Submit|6||"}) {
		t.Errorf("of bob: %v", got)
	}
	if got := w.audit(op, &adminv1.ListAuditRequest{JobId: "3"}); !slices.Equal(got, []string{"ann|Submit|3||"}) {
		t.Errorf("of job 3: %v", got)
	}
	page, err := w.admin().ListAudit(op, &adminv1.ListAuditRequest{User: "bob", PageSize: 1})
	must(t, err)
	for field, req := range map[string]*adminv1.ListAuditRequest{
		"pageToken": {User: "ann", PageToken: page.GetNextPageToken()},
		"jobId":     {JobId: "first"},
		"pageSize":  {PageSize: -1},
		"user":      {User: strings.Repeat("x", 1000)},
	} {
		_, err := w.admin().ListAudit(op, req)
		if f := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); !slices.Equal(f, []string{field}) {
			t.Errorf("fields %v, want %s", f, field)
		}
	}
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

type fakeJob struct {
	*jobsv1.Job
	stdout, stderr []string // an element for each attempt
	results        []fakeResult
}

type fakeResult struct {
	path    string
	content string
}

// fakeChange is one entry of the store's history.
type fakeChange struct {
	revision uint64
	id       string
	job      *jobsv1.Job // nil when the job was removed
}

// commit gives a job's present state a revision and tells watchers. The lock is held.
func (f *fake) commit(j *fakeJob) {
	f.revision++
	j.Revision = f.revision
	j.Attempt, j.ChangeTime = int32(len(j.Attempts)), timestamppb.Now()
	j.History = append(j.History, &jobsv1.StatusChange{Revision: f.revision, Time: j.GetChangeTime(), State: j.GetState(), Reason: j.GetReason(), Message: j.GetMessage()})
	basic := proto.CloneOf(j.Job)
	basic.Parameters, basic.Attempts, basic.History = nil, nil, nil
	f.changes = append(f.changes, fakeChange{revision: f.revision, id: j.GetId(), job: basic})
	f.wake()
}

func (f *fake) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fake) find(id string) *fakeJob {
	n, err := strconv.Atoi(id)
	if err != nil || n < 1 || n > len(f.jobs) || f.jobs[n-1] == nil {
		return nil
	}
	return f.jobs[n-1]
}

var errNoJob = refuse(codes.NotFound, "NOT_FOUND", "There is no such job, or it is not yours.")

// update changes a job as a test says.
func (f *fake) update(id string, change func(*fakeJob)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.find(id)
	change(j)
	f.commit(j)
}

// start lets a job run, as another attempt.
func (f *fake) start(id string) {
	f.update(id, func(j *fakeJob) {
		j.State, j.Reason, j.StartTime = jobsv1.State_STATE_RUNNING, 0, timestamppb.Now()
		j.Attempts = append(j.Attempts, &jobsv1.Attempt{Number: int32(len(j.Attempts) + 1), Executor: "fake", StartTime: j.StartTime})
		j.stdout, j.stderr = append(j.stdout, ""), append(j.stderr, "")
	})
}

// end lets a job end.
func (f *fake) end(id string, state jobsv1.State, reason jobsv1.Reason, message string) {
	f.update(id, func(j *fakeJob) {
		j.State, j.Reason, j.Message, j.CompleteTime = state, reason, message, timestamppb.Now()
		if state == jobsv1.State_STATE_COMPLETED {
			j.ResultFolder = j.GetOutputFolder() + "/" + j.GetOutputName()
		}
	})
}

// print lets the latest attempt of a job write to its standard output.
func (f *fake) print(id, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.find(id)
	j.stdout[len(j.stdout)-1] += text
	f.wake()
}

// remove takes a job away, as retention does.
func (f *fake) remove(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, _ := strconv.Atoi(id)
	f.jobs[n-1] = nil
	f.revision++
	f.changes = append(f.changes, fakeChange{revision: f.revision, id: id})
	f.wake()
}

func (f *fake) Submit(_ context.Context, req *jobsv1.SubmitRequest) (*jobsv1.SubmitResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed != "" {
		return nil, refuse(codes.Unavailable, "SUBMISSIONS_CLOSED", f.closed)
	}
	if err := f.checkParameters(req.GetJob()); err != nil {
		return nil, err
	}
	if id, ok := f.requests[req.GetRequestId()]; ok && req.GetRequestId() != "" {
		return &jobsv1.SubmitResponse{Job: proto.CloneOf(f.find(id).Job), Cursor: cursorOf(f.revision), Deduplicated: true}, nil
	}
	j := &fakeJob{Job: proto.CloneOf(req.GetJob())}
	if owner := req.GetJob().GetOwner(); owner != "" && owner != fakeCaller {
		if req.GetReason() == "" {
			return nil, invalid(violation("reason", "must say why"))
		}
		j.SubmittedBy, j.SubmitReason = fakeCaller, req.GetReason()
	}
	j.State, j.Owner, j.SubmitTime = jobsv1.State_STATE_QUEUED, "tester", timestamppb.Now()
	if req.GetValidateOnly() {
		return &jobsv1.SubmitResponse{Job: j.Job, Advice: f.advice}, nil
	}
	f.jobs = append(f.jobs, j)
	j.Id = strconv.Itoa(len(f.jobs))
	if j.OutputName == "" {
		j.OutputName = j.GetService() + "-" + j.GetId()
	}
	if j.OutputFolder == "" {
		j.OutputFolder = "/jobs"
	}
	f.requests[req.GetRequestId()] = j.GetId()
	f.commit(j)
	answer, cursor := proto.CloneOf(j.Job), cursorOf(f.revision)
	f.runAtOnce(j)
	return &jobsv1.SubmitResponse{Job: answer, Cursor: cursor}, nil
}

// runAtOnce plays the services that end at once. The lock is held.
func (f *fake) runAtOnce(j *fakeJob) {
	nap, sleeps := j.GetParameters().GetFields()["sleep_time"]
	if s := j.GetService(); s != "Date" && s != "SequenceStats" && !(sleeps && nap.GetNumberValue() == 0) {
		return
	}
	j.State, j.StartTime = jobsv1.State_STATE_RUNNING, timestamppb.Now()
	j.Attempts = []*jobsv1.Attempt{{Number: 1, Executor: "fake", StartTime: j.StartTime}}
	f.commit(j)
	j.stdout, j.stderr = []string{"hello\n"}, []string{""}
	j.State, j.CompleteTime, j.ExitCode = jobsv1.State_STATE_COMPLETED, timestamppb.Now(), proto.Int32(0)
	j.ResultFolder = j.GetOutputFolder() + "/" + j.GetOutputName()
	switch path := j.GetParameters().GetFields()["sequences"].GetStringValue(); {
	case j.GetService() == "Sleep":
	case j.GetService() == "Date":
		j.results = []fakeResult{{"now", "2026-01-31T12:00:00Z\n"}}
	case !strings.HasPrefix(f.files.content(path), ">"):
		j.State, j.Reason, j.Message = jobsv1.State_STATE_FAILED, jobsv1.Reason_REASON_EXIT_NONZERO, "The command exited with code 12."
		j.ExitCode, j.ResultFolder = proto.Int32(12), ""
		j.stderr[0] = "sequences: neither FASTA nor FASTQ\n"
	default:
		n := strings.Count(f.files.content(path), ">")
		j.results = []fakeResult{{"stats.tsv", fmt.Sprintf("statistic\tvalue\nsequences\t%d\n", n)}, {"summary.txt", "sequences\n"}}
	}
	f.commit(j)
}

func (f *fake) Rerun(ctx context.Context, req *jobsv1.RerunRequest) (*jobsv1.RerunResponse, error) {
	f.mu.Lock()
	old := f.find(req.GetId())
	if old == nil {
		f.mu.Unlock()
		return nil, errNoJob
	}
	if err := f.needsReason(req.GetId(), req.GetReason()); err != nil && !req.GetValidateOnly() {
		f.mu.Unlock()
		return nil, err
	}
	next := &jobsv1.Job{Service: old.GetService(), Parameters: proto.CloneOf(old.GetParameters()), OutputName: req.GetOutputName(), RerunOf: req.GetId()}
	f.mu.Unlock()
	for name, v := range req.GetParameters().GetFields() {
		if next.Parameters == nil {
			next.Parameters = &structpb.Struct{Fields: map[string]*structpb.Value{}}
		}
		next.Parameters.Fields[name] = v
		if isNull(v) {
			delete(next.Parameters.Fields, name)
		}
	}
	res, err := f.Submit(ctx, &jobsv1.SubmitRequest{Job: next, RequestId: req.GetRequestId(), ValidateOnly: req.GetValidateOnly()})
	return &jobsv1.RerunResponse{Job: res.GetJob(), Deduplicated: res.GetDeduplicated(), Advice: res.GetAdvice()}, err
}

func (f *fake) Get(_ context.Context, req *jobsv1.GetRequest) (*jobsv1.GetResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j := f.find(req.GetId()); j != nil {
		return &jobsv1.GetResponse{Job: proto.CloneOf(j.Job)}, nil
	}
	return nil, errNoJob
}

func (f *fake) BatchGet(_ context.Context, req *jobsv1.BatchGetRequest) (*jobsv1.BatchGetResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	res := &jobsv1.BatchGetResponse{}
	for _, id := range req.GetIds() {
		if j := f.find(id); j != nil {
			res.Jobs = append(res.Jobs, proto.CloneOf(j.Job))
		} else {
			res.MissingIds = append(res.MissingIds, id)
		}
	}
	return res, nil
}

// List knows conditions joined by AND and OR, which is all that the flags make.
func (f *fake) List(_ context.Context, req *jobsv1.ListRequest) (*jobsv1.ListResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := matchesFilter(&jobsv1.Job{}, req.GetFilter()); err != nil {
		return nil, invalid(violation("filter", err.Error()))
	}
	var found []*jobsv1.Job
	for _, j := range f.jobs {
		if j == nil {
			continue
		}
		if ok, _ := matchesFilter(j.Job, req.GetFilter()); ok {
			found = append(found, proto.CloneOf(j.Job))
		}
	}
	if req.GetOrderBy() != "id" {
		slices.Reverse(found)
	}
	from, _ := strconv.Atoi(req.GetPageToken())
	to := min(from+int(req.GetPageSize()), len(found))
	res := &jobsv1.ListResponse{Jobs: found[from:to], TotalSize: int64(len(found)), TotalSizeExact: true, Cursor: cursorOf(f.revision)}
	if to < len(found) {
		res.NextPageToken = strconv.Itoa(to)
	}
	return res, nil
}

func matchesFilter(j *jobsv1.Job, filter string) (bool, error) {
	if filter == "" {
		return true, nil
	}
	for term := range strings.SplitSeq(filter, " AND ") {
		fits := false
		for one := range strings.SplitSeq(strings.Trim(term, "()"), " OR ") {
			field, value, ok := strings.Cut(one, " = ")
			value = strings.Trim(value, `"`)
			switch {
			case !ok && strings.HasPrefix(one, `"`):
				fits = fits || strings.Contains(j.GetOutputName()+" "+j.GetService(), strings.Trim(one, `"`))
			case strings.HasPrefix(one, "submit_time"):
				fits = true
			case field == "state":
				fits = fits || stateWord(j.GetState()) == value
			case field == "service":
				fits = fits || j.GetService() == value
			case field == "id":
				fits = fits || j.GetId() == value
			case strings.HasPrefix(field, "labels."):
				fits = fits || j.GetLabels()[strings.Trim(strings.TrimPrefix(field, "labels."), `"`)] == value
			default:
				return false, fmt.Errorf("asks for %q, which is no field", field)
			}
		}
		if !fits {
			return false, nil
		}
	}
	return true, nil
}

func (f *fake) Summarize(context.Context, *jobsv1.SummarizeRequest) (*jobsv1.SummarizeResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	sum := &jobsv1.Summary{Total: &jobsv1.StateCounts{}, Services: map[string]*jobsv1.StateCounts{}}
	for _, j := range f.jobs {
		if sum.Services[j.GetService()] == nil {
			sum.Services[j.GetService()] = &jobsv1.StateCounts{}
		}
		for _, c := range []*jobsv1.StateCounts{sum.GetTotal(), sum.GetServices()[j.GetService()]} {
			switch j.GetState() {
			case jobsv1.State_STATE_QUEUED:
				c.Queued++
			case jobsv1.State_STATE_RUNNING:
				c.Running++
			case jobsv1.State_STATE_COMPLETED:
				c.Completed++
			case jobsv1.State_STATE_FAILED:
				c.Failed++
			case jobsv1.State_STATE_CANCELLED:
				c.Cancelled++
			case jobsv1.State_STATE_UNSPECIFIED:
			}
		}
	}
	return &jobsv1.SummarizeResponse{Summary: sum, Cursor: cursorOf(f.revision)}, nil
}

func (f *fake) BatchCancel(_ context.Context, req *jobsv1.BatchCancelRequest) (*jobsv1.BatchCancelResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	res := &jobsv1.BatchCancelResponse{}
	for _, id := range req.GetIds() {
		j := f.find(id)
		if j == nil {
			s, _ := callStatus(errNoJob)
			res.Results = append(res.Results, &jobsv1.CancelResult{Id: id, Error: s.Proto()})
			continue
		}
		if err := f.needsReason(id, req.GetReason()); err != nil {
			s, _ := callStatus(err)
			res.Results = append(res.Results, &jobsv1.CancelResult{Id: id, Error: s.Proto()})
			continue
		}
		if !finalState(j.GetState()) {
			j.CancelTime, j.CancelledBy, j.CancelReason = timestamppb.Now(), "tester", req.GetReason()
			j.State, j.Reason, j.CompleteTime = jobsv1.State_STATE_CANCELLED, jobsv1.Reason_REASON_CANCELLED_BY_OWNER, timestamppb.Now()
			f.commit(j)
		}
		res.Results = append(res.Results, &jobsv1.CancelResult{Id: id, Job: proto.CloneOf(j.Job)})
	}
	return res, nil
}

func (f *fake) ReportIssue(_ context.Context, req *jobsv1.ReportIssueRequest) (*jobsv1.ReportIssueResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.find(req.GetId())
	switch {
	case j == nil:
		return nil, errNoJob
	case req.GetDescription() == "" && j.GetState() != jobsv1.State_STATE_FAILED:
		return nil, invalid(violation("description", "is required unless the job failed"))
	}
	id := fmt.Sprintf("issue-%d", len(f.issues)+1)
	f.issues = append(f.issues, &adminv1.Issue{Id: id, Reporter: "tester", Description: req.GetDescription(), CreateTime: timestamppb.Now(), Job: proto.CloneOf(j.Job)})
	return &jobsv1.ReportIssueResponse{IssueId: id}, nil
}

func (f *fake) GetServerStatus(context.Context, *adminv1.GetServerStatusRequest) (*adminv1.GetServerStatusResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &adminv1.GetServerStatusResponse{
		SubmissionsOpen: f.closed == "", Message: f.closed, Version: "fake", User: "tester", Roles: []string{"user", "operator"},
		Executors: []*adminv1.ExecutorStatus{{Name: "local", Healthy: true, UsedCpus: 1, TotalCpus: 2, ActiveJobs: 1}},
	}, nil
}

func (f *fake) SetSubmissions(_ context.Context, req *adminv1.SetSubmissionsRequest) (*adminv1.SetSubmissionsResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed = ""; !req.GetOpen() {
		f.closed = req.GetMessage()
	}
	return &adminv1.SetSubmissionsResponse{}, nil
}

// needsReason refuses an operator who does not say why.
func (f *fake) needsReason(id, reason string) error {
	if reason != "" || !slices.Contains(f.foreign, id) {
		return nil
	}
	s, err := status.New(codes.InvalidArgument, "reason must say why.").WithDetails(
		&errdetails.ErrorInfo{Reason: "INVALID_ARGUMENT", Domain: "stint"},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "reason", Description: "must say why"}}})
	return errors.Join(err, s.Err())
}

// ListAudit answers two entries a page, and an empty page before each but the first.
func (f *fake) ListAudit(_ context.Context, req *adminv1.ListAuditRequest) (*adminv1.ListAuditResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var fit []*adminv1.AuditEntry
	for _, e := range slices.Backward(f.audit) {
		if (req.GetUser() == "" || req.GetUser() == e.GetUser()) && (req.GetJobId() == "" || slices.Contains(e.GetJobIds(), req.GetJobId())) {
			fit = append(fit, e)
		}
	}
	number, looked := strings.CutSuffix(req.GetPageToken(), "+")
	if number != "" && !looked {
		return &adminv1.ListAuditResponse{NextPageToken: number + "+"}, nil
	}
	at, _ := strconv.Atoi(number)
	end := min(at+2, at+int(req.GetPageSize()), len(fit))
	page := &adminv1.ListAuditResponse{Entries: fit[at:end]}
	if end < len(fit) {
		page.NextPageToken = strconv.Itoa(end)
	}
	return page, nil
}

func (f *fake) ListIssues(context.Context, *adminv1.ListIssuesRequest) (*adminv1.ListIssuesResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &adminv1.ListIssuesResponse{Issues: slices.Clone(f.issues)}, nil
}

func (f *fake) DeleteIssue(_ context.Context, req *adminv1.DeleteIssueRequest) (*adminv1.DeleteIssueResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.issues)
	if f.issues = slices.DeleteFunc(f.issues, func(i *adminv1.Issue) bool { return i.GetId() == req.GetId() }); len(f.issues) == n {
		return nil, status.Error(codes.NotFound, "There is no problem report "+req.GetId()+".")
	}
	return &adminv1.DeleteIssueResponse{}, nil
}

func (f *fake) Backup(_ *adminv1.BackupRequest, s grpc.ServerStreamingServer[adminv1.BackupResponse]) error {
	for _, data := range []string{"data", "base"} {
		if err := s.Send(&adminv1.BackupResponse{Data: []byte(data), SizeBytes: 8}); err != nil {
			return err
		}
	}
	return nil
}

// fakeTimeout bounds what a test waits for.
const fakeTimeout = 20 * time.Second

func namesToViolations(wrong []string) []*errdetails.BadRequest_FieldViolation {
	var all []*errdetails.BadRequest_FieldViolation
	for _, w := range wrong {
		name, why, _ := strings.Cut(w, "|")
		all = append(all, violation("job.parameters."+name, why))
	}
	return all
}

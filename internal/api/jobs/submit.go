package jobs

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/job"
)

// Submit stores a new job and returns once it is durable.
func (s *Service) Submit(ctx context.Context, req *jobsv1.SubmitRequest) (*jobsv1.SubmitResponse, error) {
	id, err := requestID(ctx, req.GetRequestId())
	if err != nil {
		return nil, err
	}
	in := submission{
		jobs: []*jobsv1.Job{req.GetJob()}, prefixes: []string{"job."},
		requestID: id, validateOnly: req.GetValidateOnly(), body: req, reason: req.GetReason(),
	}
	out, err := s.submit(ctx, in)
	if err != nil {
		return nil, err
	}
	return &jobsv1.SubmitResponse{Job: out.jobs[0], Deduplicated: out.deduplicated, Warnings: out.warnings, Advice: out.advice, Cursor: s.cursorOf(out.jobs)}, nil
}

// requestIDHeader is how REST clients may send the request id; the gateway passes it on.
const requestIDHeader = "idempotency-key"

// requestID returns the request's id, from its body or from its header. Where both have one, it is the same: a client that
// gives two means one request by each, and would be told of the wrong one.
func requestID(ctx context.Context, body string) (string, error) {
	header := metadata.ValueFromIncomingContext(ctx, requestIDHeader)
	for _, id := range header {
		if id != header[0] {
			return "", job.Invalid("requestId", "comes with two values in the header Idempotency-Key; send one")
		}
	}
	switch {
	case len(header) == 0 || header[0] == "":
		return body, nil
	case body != "" && body != header[0]:
		return "", job.Invalid("requestId", "differs from the header Idempotency-Key; send one of them, or both with the same value")
	default:
		return header[0], job.CheckRequestID(header[0]).Err()
	}
}

// submission is one request to store jobs, from whichever RPC.
type submission struct {
	jobs         []*jobsv1.Job
	prefixes     []string // of the fields of each job, for violations
	requestID    string
	validateOnly bool
	body         proto.Message // what the request id stands for
	reason       string        // of an operator who submits for another user
	owner        string        // set by Rerun; otherwise the jobs' own or the caller
	rerunOf      string
}

// submitted is what became of it.
type submitted struct {
	jobs         []*jobsv1.Job
	deduplicated bool
	warnings     []string
	advice       *jobsv1.Advice // of one job that was only checked
}

// submit checks everything at once and then stores all jobs in one commit.
func (s *Service) submit(ctx context.Context, in submission) (submitted, error) {
	owner, err := s.ownerOf(ctx, in)
	if err != nil {
		return submitted{}, err
	}
	opts := s.options(owner, in)
	if !in.validateOnly && opts.RequestID != "" {
		// A repeated request answers what it answered first, even if it would not be accepted any more.
		if was, found, err := s.cfg.Store.Submitted(opts); err != nil || found {
			return submitted{jobs: was, deduplicated: found}, err
		}
	}
	if err := s.open(ctx); err != nil {
		return submitted{}, err
	}
	ready, err := s.admitFor(ctx, owner, in)
	if err != nil {
		return submitted{}, err
	}
	warnings := s.unusual(in, ready)
	if in.validateOnly {
		checked := submitted{jobs: ready, warnings: append(warnings, s.forecast(ready)...)}
		if len(ready) == 1 {
			ready[0].Owner = owner
			s.cfg.Scheduler.Preview(ready[0])
			checked.advice = s.cfg.Scheduler.Advise(ready[0])
		}
		return checked, nil
	}
	stored, dup, err := s.cfg.Store.Submit(ctx, ready, opts)
	if err != nil {
		return submitted{}, err
	}
	return submitted{jobs: stored, deduplicated: dup, warnings: warnings}, nil
}

// admitFor is admit for an owner who need not be the caller.
func (s *Service) admitFor(ctx context.Context, owner string, in submission) ([]*jobsv1.Job, error) {
	if err := s.maySubmitFor(ctx, owner, in); err != nil {
		return nil, err
	}
	ready, err := s.admit(ctx, owner, in)
	if err != nil {
		return nil, err
	}
	return ready, signed(ctx, owner, in.reason, ready)
}

// maySubmitFor requires a reason of an operator who submits for another user: the job reads that user's files, and the operator
// its results. A check alone shows whether files are there, so it is audited where it stores nothing.
func (s *Service) maySubmitFor(ctx context.Context, owner string, in submission) error {
	p, err := call.Caller(ctx)
	if err != nil || owner == p.User || in.rerunOf != "" { // Rerun asks for itself
		return err
	}
	if strings.TrimSpace(in.reason) == "" {
		return job.Invalid("reason", "must say why, since the job is for %s, who sees it; it is stored in the audit", owner)
	}
	if !in.validateOnly {
		return nil
	}
	method, _ := grpc.Method(ctx)
	e := call.AuditEntry(p, method)
	e.Subject, e.Reason = owner, in.reason
	return s.cfg.Store.AuditRead(ctx, e)
}

// cursorOf returns the cursor from which a watch of jobs that were stored together misses nothing. It is empty for jobs that are not stored.
func (s *Service) cursorOf(jobs []*jobsv1.Job) string {
	var last uint64
	for _, j := range jobs {
		last = max(last, j.GetRevision())
	}
	if last == 0 {
		return ""
	}
	return s.cfg.Pages.Cursor(last)
}

// signed says on jobs who submits them, where that is not their owner alone.
func signed(ctx context.Context, owner, reason string, jobs []*jobsv1.Job) error {
	p, err := call.Caller(ctx)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		switch {
		case p.Actor != "":
			j.SubmittedBy = p.Actor
		case p.User != owner:
			j.SubmittedBy, j.SubmitReason = p.User, reason
		}
	}
	return nil
}

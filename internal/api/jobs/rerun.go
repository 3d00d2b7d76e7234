package jobs

import (
	"context"
	"maps"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/auth"
)

// Rerun submits a new job like an existing one, with parameters changed where
// asked. The new job belongs to the owner of the old one, also when an operator
// reruns it: it counts against the owner's limits, reads their files, and its results are theirs.
// When the old one is only shared with the caller, all this is the caller's.
func (s *Service) Rerun(ctx context.Context, req *jobsv1.RerunRequest) (*jobsv1.RerunResponse, error) {
	old, err := s.find(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	owner, err := s.ownerOfRerun(ctx, old)
	if err != nil {
		return nil, err
	}
	if err := s.mayRepeat(ctx, old, owner, req); err != nil {
		return nil, err
	}
	again := &jobsv1.Job{
		Service: old.GetService(), OutputName: old.GetOutputName(), OutputFolder: old.GetOutputFolder(),
		Parameters: changed(old.GetParameters(), req.GetParameters()), Resources: askedBefore(old), Labels: old.GetLabels(),
		Priority: old.GetPriority(), Retry: old.GetRetry(), ParentId: old.GetParentId(), Executor: old.GetExecutor(),
	}
	if owner != old.GetOwner() {
		again.Resources.Account = "" // the caller's work is not charged to the owner
	}
	if req.GetOutputName() != "" {
		again.OutputName = req.GetOutputName()
	}
	id, err := requestID(ctx, req.GetRequestId())
	if err != nil {
		return nil, err
	}
	out, err := s.submit(ctx, submission{
		jobs: []*jobsv1.Job{again}, prefixes: []string{""}, requestID: id,
		validateOnly: req.GetValidateOnly(), body: req, reason: req.GetReason(), owner: owner, rerunOf: old.GetId(),
	})
	if err != nil {
		return nil, err
	}
	return &jobsv1.RerunResponse{Job: out.jobs[0], Deduplicated: out.deduplicated, Warnings: out.warnings, Advice: out.advice, Cursor: s.cursorOf(out.jobs)}, nil
}

// mayRepeat asks an operator for the reason to repeat somebody else's job. To check
// whether it could be repeated needs none, but shows its parameters, and is audited as that.
func (s *Service) mayRepeat(ctx context.Context, old *jobsv1.Job, owner string, req *jobsv1.RerunRequest) error {
	if req.GetValidateOnly() {
		return call.AuditForeign(ctx, s.cfg.Store, old)
	}
	p, err := call.Caller(ctx)
	if err != nil {
		return err
	}
	return call.NeedsReason(p, owner, req.GetReason())
}

// ownerOfRerun is whose the new job becomes. Files that its parameters name are then looked for in that user's workspace.
func (s *Service) ownerOfRerun(ctx context.Context, old *jobsv1.Job) (string, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return "", err
	}
	method, _ := grpc.Method(ctx)
	if auth.Allow(p, method, p.Ownership(old.GetOwner())) == auth.Allowed {
		return old.GetOwner(), nil
	}
	return p.User, nil
}

// changed is the old parameters with the new ones over them; null removes one.
func changed(old, with *structpb.Struct) *structpb.Struct {
	fields := maps.Clone(old.GetFields())
	if fields == nil {
		fields = make(map[string]*structpb.Value)
	}
	for name, v := range with.GetFields() {
		if _, null := v.GetKind().(*structpb.Value_NullValue); null {
			delete(fields, name)
		} else {
			fields[name] = v
		}
	}
	return &structpb.Struct{Fields: fields}
}

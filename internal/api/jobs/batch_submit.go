package jobs

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/job"
)

// BatchSubmit stores up to 1,000 jobs in one commit: all of them or none.
func (s *Service) BatchSubmit(ctx context.Context, req *jobsv1.BatchSubmitRequest) (*jobsv1.BatchSubmitResponse, error) {
	id, err := requestID(ctx, req.GetRequestId())
	if err != nil {
		return nil, err
	}
	in := submission{
		jobs: req.GetJobs(), requestID: id, validateOnly: req.GetValidateOnly(), body: req, reason: req.GetReason(),
	}
	for i := range req.GetJobs() {
		in.prefixes = append(in.prefixes, fmt.Sprintf("jobs[%d].", i))
	}
	if err := checkBatchBytes(req); err != nil {
		return nil, err
	}
	out, err := s.submit(ctx, in)
	if err != nil {
		return nil, err
	}
	for i, j := range out.jobs {
		out.jobs[i] = basic(j)
	}
	return &jobsv1.BatchSubmitResponse{Jobs: out.jobs, Deduplicated: out.deduplicated, Warnings: out.warnings, Cursor: s.cursorOf(out.jobs)}, nil
}

// checkBatchBytes refuses jobs that could be stored but whose answer, which has all of them but the parameters, no client takes.
func checkBatchBytes(req *jobsv1.BatchSubmitRequest) error {
	size := 0
	for _, j := range req.GetJobs() {
		size += proto.Size(j) - proto.Size(j.GetParameters())
	}
	if most := page.BatchBound.Bytes; size > most {
		return job.Invalid("jobs", "have %d bytes besides their parameters; at most %d may be submitted at a time", size, most)
	}
	return nil
}

// basic returns a job in the view BASIC. It shares what it has with the other.
func basic(j *jobsv1.Job) *jobsv1.Job {
	out := &jobsv1.Job{}
	to := out.ProtoReflect()
	j.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch f.Name() {
		case "parameters", "attempts", "history":
		default:
			to.Set(f, v)
		}
		return true
	})
	return out
}

package status

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stint-jobs/stint/internal/job"
)

func TestStatusSaysNothingOfTheInside(t *testing.T) {
	s := Of(errors.New("open /secret/path: permission denied"))
	if s.Message() != "Something went wrong inside the server; its log says what." {
		t.Errorf("message %q", s.Message())
	}
	for _, k := range kinds {
		s := Of(errors.Join(errors.New("secret"), k.sentinel))
		if s.Code() != k.kind.Code || s.Message() != k.kind.Message || len(s.Details()) != 1 {
			t.Errorf("%v: %v", k.sentinel, s)
		}
	}
	if Of(nil).Code() != 0 {
		t.Error("no error is an error")
	}
}

func TestErrorsOfGRPCItselfHaveAReason(t *testing.T) {
	for code, want := range map[codes.Code]string{codes.ResourceExhausted: "MESSAGE_TOO_LARGE", codes.Unimplemented: "UNIMPLEMENTED", codes.Unavailable: "UNAVAILABLE"} {
		s := Of(status.New(code, "grpc: of its own").Err())
		info, _ := s.Details()[0].(*errdetails.ErrorInfo)
		if s.Code() != code || s.Message() != "grpc: of its own" || info.GetReason() != want || info.GetDomain() != "stint" {
			t.Errorf("%v became %v", code, s)
		}
		if again := Of(s.Err()); len(again.Details()) != 1 {
			t.Errorf("%v has a second reason: %v", code, again)
		}
	}
}

// What programs go by is in the details: which field, which limit and how much it is, and which thing there is not.
func TestDetailsSayWhatProgramsGoBy(t *testing.T) {
	missing := Of(fmt.Errorf("read: %w", job.Missingf("stint.jobs.v1.Job", "7", "there is no job 7")))
	if r, _ := missing.Details()[1].(*errdetails.ResourceInfo); missing.Code() != codes.NotFound || r.GetResourceType() != "stint.jobs.v1.Job" || r.GetResourceName() != "7" {
		t.Errorf("what there is not: %v", missing)
	}
	wrong := Of(job.Invalid("job.priority", "must be from -100 to 100"))
	if info, _ := wrong.Details()[0].(*errdetails.ErrorInfo); info.GetMetadata()["field"] != "job.priority" {
		t.Errorf("what is wrong: %v", wrong)
	}
	full := Of(job.Full(job.Reached{Quota: job.QuotaReportsPerDay, Subject: "user:ann", Limit: 50}, "full"))
	info, _ := full.Details()[0].(*errdetails.ErrorInfo)
	if info.GetReason() != "LIMIT_REACHED" || info.GetMetadata()["limit"] != string(job.QuotaReportsPerDay) || info.GetMetadata()["number"] != "50" {
		t.Errorf("what is full: %v", full)
	}
}

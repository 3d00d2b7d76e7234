package staging

import (
	"context"
	"errors"
	"syscall"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
)

const (
	diskFullBefore = "The disk of the server is full, so the job could not be made ready. Tell the operators, then run it again."
	diskFullAfter  = "The command succeeded, but the disk of the server is too full to put its results into the workspace. The results are kept with the job. Tell the operators."
)

// errNeverRoom means that copies of inputs are larger than the disk.
var errNeverRoom = errors.New("larger than the disk")

// failure makes an error definite. What is full is said so whatever was being
// done; the end of ctx says nothing about the job and stays what it is.
func failure(ctx context.Context, err error, def executor.Failure, full string) error {
	var known *executor.Failure
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), err)
	case errors.Is(err, job.ErrNoSpace): // there may be room later
		return &executor.Failure{Reason: jobsv1.Reason_REASON_DISK_FULL, Message: words(err), Err: err}
	case errors.Is(err, errNeverRoom):
		def.Message, def.Err = words(err), err
		return &def
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &executor.Failure{Reason: jobsv1.Reason_REASON_DISK_FULL, Message: full, Err: err}
	default:
		def.Err = err
		return &def
	}
}

// words are those of err that are meant for users; empty when it has none.
func words(err error) string {
	if said, ok := errors.AsType[*job.UserError](err); ok {
		return said.Message
	}
	if invalid, ok := errors.AsType[*job.InvalidError](err); ok && len(invalid.Violations) > 0 {
		v := invalid.Violations[0]
		return "its " + v.Field + " " + v.Description
	}
	return ""
}

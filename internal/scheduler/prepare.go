package scheduler

import (
	"context"
	"errors"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// prepare makes the attempt ready, unless a request to cancel the job comes meanwhile. Its errors are definite: the executor
// was not called yet.
func (r *run) prepare(ctx context.Context, j *jobsv1.Job) (executor.Task, error) {
	until, stop := context.WithCancel(ctx)
	defer stop()
	go func() { // a copy of large inputs takes long
		select {
		case <-r.cancelled:
			stop()
		case <-until.Done():
		}
	}()
	t, err := r.s.cfg.Prepare(until, j, r.attempt, func(message string) { r.update(ctx, preparing(message)) })
	var failure *executor.Failure
	switch {
	case ctx.Err() != nil && err != nil:
		return executor.Task{}, errNoStart // the next process voids the attempt
	case r.isCancelled():
		return executor.Task{}, &executor.Failure{Reason: jobsv1.Reason_REASON_CANCELLED_BY_OWNER}
	case err == nil, errors.As(err, &failure):
		return t, err
	default:
		return executor.Task{}, &executor.Failure{
			Reason: jobsv1.Reason_REASON_LAUNCH_FAILED, Message: "The job's folder could not be made ready.", Err: err,
		}
	}
}

// preparing says what the preparation of an attempt is busy with.
func preparing(message string) func(*storev1.Record) error {
	return func(rec *storev1.Record) error {
		if rec.GetPhase() != storev1.Phase_PHASE_STARTING || rec.GetJob().GetState() != jobsv1.State_STATE_QUEUED {
			return store.ErrUnchanged
		}
		return transition(rec, job.Status{State: jobsv1.State_STATE_QUEUED, Message: message, Time: time.Now()})
	}
}

// noteInputs notes what of its folders a job is not given.
func noteInputs(note string) func(*storev1.Record) error {
	return func(rec *storev1.Record) error {
		rec.GetJob().InputNote = note
		return nil
	}
}

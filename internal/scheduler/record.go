package scheduler

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// This file has every change that the scheduler makes to a record. Each is a
// function for store.Update and sees the record as it is when its turn has come.

// beginAttempt stores the intent to start the next attempt. An attempt that is
// begun already, and was refused for now, is the same one.
func (r *run) beginAttempt(rec *storev1.Record) error {
	j := rec.GetJob()
	if j.GetState() != jobsv1.State_STATE_QUEUED {
		return job.ErrConflict
	}
	last := job.Attempt(j)
	if rec.GetPhase() == storev1.Phase_PHASE_STARTING {
		r.attempt = int(last.GetNumber())
		return store.ErrUnchanged
	}
	if j.GetCancelTime() != nil {
		return job.ErrConflict
	}
	rec.Phase, rec.Handle, rec.NotBefore = storev1.Phase_PHASE_STARTING, "", nil
	if j.GetReason() == jobsv1.Reason_REASON_WAITING_FOR_SPACE && last.GetMessage() == noSpaceYet {
		last.CreateTime, last.CompleteTime, last.Message = timestamppb.Now(), nil, ""
		r.attempt = int(last.GetNumber())
		return nil // it waits until it is known whether there is room now
	}
	next := &jobsv1.Attempt{Number: last.GetNumber() + 1, Executor: r.lane.name, CreateTime: timestamppb.Now(), GpuIndexes: r.gpus}
	switch {
	case rec.GetGranted() != nil:
		next.Resources, next.ResourcesNote = rec.GetGranted(), rec.GetGrantedNote()
	case j.GetAppliedAdvice() != nil:
		next.Resources, next.ResourcesNote = j.GetResources(), adviceNote(j.GetAppliedAdvice())
	}
	j.Attempts = append(j.Attempts, next)
	r.attempt = int(last.GetNumber()) + 1
	_, err := job.Transition(j, job.Status{State: jobsv1.State_STATE_QUEUED, Message: "Being started.", Time: time.Now()})
	return err
}

// voidAttempt closes an attempt that the executor never had. It has no reason,
// so it does not count against the retry budget.
func voidAttempt(rec *storev1.Record) error {
	if a := job.Attempt(rec.GetJob()); a != nil {
		a.CompleteTime = timestamppb.Now()
		a.Message = "Never reached the executor: the server stopped before."
	}
	rec.Phase, rec.Handle = storev1.Phase_PHASE_UNSPECIFIED, ""
	if rec.GetJob().GetCancelTime() != nil {
		return transition(rec, job.Cancelled(rec.GetJob(), rec.GetCancelledByOperator()))
	}
	return nil
}

// noSpaceYet is the message of an attempt that the disk had no room for.
const noSpaceYet = "Never reached the executor: the disk had no room for it."

// waitForSpace takes back the intent to start an attempt that the disk had no room for. The executor
// does not have the attempt, which beginAttempt begins again.
func (r *run) waitForSpace(why *executor.Failure) func(*storev1.Record) error {
	return func(rec *storev1.Record) error {
		j := rec.GetJob()
		if a := job.Attempt(j); a != nil {
			a.CompleteTime, a.Message = timestamppb.Now(), noSpaceYet
		}
		rec.Phase, rec.Handle = storev1.Phase_PHASE_UNSPECIFIED, ""
		if j.GetCancelTime() != nil {
			return transition(rec, job.Cancelled(j, rec.GetCancelledByOperator()))
		}
		message := r.s.held()
		switch {
		case message != "":
		case errors.Is(why, job.ErrNoSpace): // its copies would not leave the floor
			message = why.Message
		default:
			message = job.Explain(jobsv1.Reason_REASON_WAITING_FOR_SPACE, 0, 0)
		}
		return become(j, jobsv1.Reason_REASON_WAITING_FOR_SPACE, message)
	}
}

// become gives a queued job a reason to wait. One that waits for it already keeps the words of the
// first time, so that trying again does not make its history longer.
func become(j *jobsv1.Job, reason jobsv1.Reason, message string) error {
	if j.GetState() == jobsv1.State_STATE_QUEUED && j.GetReason() == reason {
		return nil
	}
	_, err := job.Transition(j, job.Status{State: jobsv1.State_STATE_QUEUED, Reason: reason, Message: message, Time: time.Now()})
	return err
}

// engineAway says that the job waits for its engine.
func engineAway(rec *storev1.Record) error {
	j := rec.GetJob()
	if j.GetState() != jobsv1.State_STATE_QUEUED {
		return store.ErrUnchanged // a running job goes on, whether we can see it or not
	}
	return transition(rec, job.Status{
		State: jobsv1.State_STATE_QUEUED, Reason: jobsv1.Reason_REASON_WAITING_FOR_ENGINE,
		Message: "The system that runs the jobs cannot be reached at the moment; the job starts when it can.", Time: time.Now(),
	})
}

// observed stores what an executor saw of the attempt.
func observed(o executor.Observation) func(*storev1.Record) error {
	return func(rec *storev1.Record) error {
		j := rec.GetJob()
		a := job.Attempt(j)
		if a == nil || job.Terminal(j.GetState()) {
			return store.ErrUnchanged
		}
		news := learn(a, o)
		if expected := timestamp(o.ExpectedStart); o.State == jobsv1.State_STATE_QUEUED && !same(expected, j.GetExpectedStartTime()) {
			j.ExpectedStartTime, news = expected, true
		}
		start := o.StartTime
		if start.IsZero() {
			start = time.Now()
		}
		changed, err := job.Transition(j, job.Status{
			State: o.State, Reason: o.Reason, Message: o.Message, EngineState: o.EngineState, Time: start,
		})
		if err == nil && !changed && !news {
			return store.ErrUnchanged
		}
		return err
	}
}

// observe stores what the executor saw.
func (r *run) observe(ctx context.Context, o executor.Observation) {
	if !r.update(ctx, observed(o)) {
		return
	}
	r.running.Store(o.State == jobsv1.State_STATE_RUNNING)
}

// learn notes in the attempt what the observation adds and reports whether that was anything.
func learn(a *jobsv1.Attempt, o executor.Observation) bool {
	news := false
	if o.EngineID != "" && o.EngineID != a.GetEngineId() {
		a.EngineId, news = o.EngineID, true
	}
	if o.Node != "" && o.Node != a.GetNode() {
		a.Node, news = o.Node, true
	}
	if o.EngineState != a.GetEngineState() {
		a.EngineState, news = o.EngineState, true
	}
	if start := timestamp(o.StartTime); start != nil && !same(start, a.GetStartTime()) {
		a.StartTime, news = start, true
	}
	return news
}

func transition(rec *storev1.Record, to job.Status) error {
	changed, err := job.Transition(rec.GetJob(), to)
	if err == nil && !changed {
		return store.ErrUnchanged
	}
	return err
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func same(a, b *timestamppb.Timestamp) bool {
	return a.GetSeconds() == b.GetSeconds() && a.GetNanos() == b.GetNanos() && (a == nil) == (b == nil)
}

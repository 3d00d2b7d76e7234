package scheduler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/estimate"
	"github.com/stint-jobs/stint/internal/executor"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/workdir"
)

// conclude stores how the attempt ended and, from that, what becomes of the
// job. The results of a success are published before, so that a COMPLETED job has them.
func (r *run) conclude(ctx context.Context, exit executor.Exit) {
	out := outcomeOf(exit)
	folder := ""
	if out.State == jobsv1.State_STATE_COMPLETED {
		var ok bool
		if folder, ok = r.publish(ctx, &out); !ok {
			return // it is published when the job can be read, or by the next process
		}
	}
	progress := r.lastProgress()
	var now *jobsv1.Job
	stored := r.update(ctx, func(rec *storev1.Record) error {
		now = rec.GetJob()
		more := r.s.grow(now, out.Reason, exit.Usage)
		return settle(rec, end{exit: exit, out: out, folder: folder, progress: progress, growth: more, sooner: r.sooner(job.Given(now).GetMemoryBytes(), exit.Usage.GetMaxRssBytes())})
	})
	if r.settled = stored; stored {
		if r.s.cfg.Release != nil {
			r.s.cfg.Release(now, r.attempt)
		}
		r.s.learn(now)
		r.s.log.Info("attempt ended", "job", r.id, "attempt", r.attempt,
			"state", job.StateWord(now.GetState()), "reason", job.ReasonWord(now.GetReason()), "exit_code", exit.Code)
	}
}

// publish stores the results. A failure to do so becomes the outcome.
func (r *run) publish(ctx context.Context, out *job.Status) (folder string, ok bool) {
	j, err := r.job(ctx)
	if err != nil {
		return "", false
	}
	folder, note, err := r.s.cfg.Publish(ctx, j, r.attempt, func(message string) { r.update(ctx, publishing(message)) })
	if err == nil {
		if note != "" {
			out.Message = strings.TrimSpace(out.Message + " " + note)
		}
		return folder, true
	}
	if ctx.Err() != nil {
		return "", false
	}
	r.s.log.Error("publish results", "job", r.id, "error", err)
	out.State, out.Reason = jobsv1.State_STATE_FAILED, jobsv1.Reason_REASON_OUTPUT_FAILED
	out.Message = "The command succeeded but its results could not be stored in the workspace. The results are kept with the job."
	if failure, ok := errors.AsType[*executor.Failure](err); ok {
		out.Reason, out.Message = failure.Reason, failure.Message
	}
	return "", true
}

// publishing says what the publication of results is busy with, while the job is in the state that it had.
func publishing(message string) func(*storev1.Record) error {
	return func(rec *storev1.Record) error {
		j := rec.GetJob()
		if job.Terminal(j.GetState()) {
			return store.ErrUnchanged
		}
		return transition(rec, job.Status{State: j.GetState(), Reason: j.GetReason(), Message: message, EngineState: j.GetEngineState(), Time: time.Now()})
	}
}

// end is how an attempt ended.
type end struct {
	exit     executor.Exit
	out      job.Status        // what that means for the job
	folder   string            // of the results, where they were published
	progress *workdir.Progress // that is not stored yet; nil where the command told no more
	growth   growth            // of what the next attempt gets, if there is one
	sooner   *jobsv1.SoonerStart
}

// settle closes the attempt and puts the job into its final state, or back into the queue.
func settle(rec *storev1.Record, e end) error {
	j, exit, out := rec.GetJob(), e.exit, e.out
	if job.Terminal(j.GetState()) {
		return store.ErrUnchanged
	}
	if j.GetCancelTime() != nil {
		out = asCancelled(rec, out)
	}
	if a := job.Attempt(j); a != nil {
		closeAttempt(a, exit, out)
		if out.State == jobsv1.State_STATE_COMPLETED {
			a.SoonerStart = e.sooner
		}
	}
	rec.Phase, rec.Handle = storev1.Phase_PHASE_UNSPECIFIED, ""
	if out.State == jobsv1.State_STATE_FAILED && j.GetCancelTime() == nil {
		wait, again := job.Retry(j.GetRetry(), out.Reason, failures(j))
		switch {
		case again && e.growth.refused != "":
			out.Message += " " + e.growth.refused
		case again:
			return requeue(rec, out, wait, e.growth)
		}
	}
	if exit.Code >= 0 {
		j.ExitCode = proto.Int32(int32(exit.Code)) //nolint:gosec // an exit code has 8 bits
	}
	if j.GetStartTime() == nil && !exit.Start.IsZero() {
		j.StartTime = timestamppb.New(exit.Start) // ran between two looks
	}
	j.ResultFolder = e.folder
	if e.progress != nil {
		setProgress(j, *e.progress)
	}
	_, err := job.Transition(j, out)
	return err
}

// learn takes in how long a completed job took and how much memory it needed.
func (s *Scheduler) learn(j *jobsv1.Job) {
	if k, sample, ok := SampleOf(j); ok {
		s.cfg.History.Add(k, sample)
	}
}

// SampleOf returns what can be learned of a job: of one that completed, its last attempt.
func SampleOf(j *jobsv1.Job) (estimate.Kind, estimate.Sample, bool) {
	a := job.Attempt(j)
	elapsed := a.GetUsage().GetElapsed().AsDuration()
	if elapsed == 0 && a.GetStartTime() != nil {
		elapsed = a.GetCompleteTime().AsTime().Sub(a.GetStartTime().AsTime())
	}
	return estimate.Kind{Service: j.GetService(), Version: j.GetServiceVersion()}, estimate.Sample{
		InputBytes: j.GetInputBytes(), CPUs: job.Given(j).GetCpus(),
		MemoryBytes: a.GetUsage().GetMaxRssBytes(), Elapsed: elapsed,
	}, j.GetState() == jobsv1.State_STATE_COMPLETED && elapsed > 0
}

// asCancelled makes the outcome of a job that somebody wished cancelled. One that
// ended well or by itself before the wish took effect keeps its real outcome.
func asCancelled(rec *storev1.Record, out job.Status) job.Status {
	switch out.Reason {
	case jobsv1.Reason_REASON_CANCELLED_BY_OWNER, jobsv1.Reason_REASON_CANCELLED_BY_ENGINE, jobsv1.Reason_REASON_CANCELLED_BY_OPERATOR,
		jobsv1.Reason_REASON_LOST, jobsv1.Reason_REASON_NODE_FAILED, jobsv1.Reason_REASON_PREEMPTED, jobsv1.Reason_REASON_LAUNCH_FAILED:
	default:
		return out
	}
	c := job.Cancelled(rec.GetJob(), rec.GetCancelledByOperator())
	c.Time, c.EngineState = out.Time, out.EngineState
	return c
}

// requeue sends a job whose attempt failed for another one. The wait begins now, by the server's
// clock: that of the engine, which out.Time is from, may be another.
func requeue(rec *storev1.Record, out job.Status, wait time.Duration, more growth) error {
	rec.NotBefore = timestamppb.New(time.Now().Add(wait))
	if wait == 0 {
		rec.NotBefore = nil
	}
	message := fmt.Sprintf("Attempt %d failed (%s). The next attempt starts in %s.",
		job.Attempt(rec.GetJob()).GetNumber(), job.ReasonWord(out.Reason), wait)
	if more.resources != nil {
		rec.Granted, rec.GrantedNote = more.resources, more.note
		message += " It gets more: " + more.note
	}
	_, err := job.Transition(rec.GetJob(), job.Status{
		State: jobsv1.State_STATE_QUEUED, Reason: jobsv1.Reason_REASON_WAITING_FOR_RETRY, EngineState: out.EngineState, Time: out.Time,
		Message: message,
	})
	return err
}

// failures counts the attempts that failed; those that never reached an executor do not count.
func failures(j *jobsv1.Job) int {
	n := 0
	for _, a := range j.GetAttempts() {
		if a.GetReason() != jobsv1.Reason_REASON_UNSPECIFIED {
			n++
		}
	}
	return n
}

func closeAttempt(a *jobsv1.Attempt, exit executor.Exit, out job.Status) {
	if exit.Code >= 0 {
		a.ExitCode = proto.Int32(int32(exit.Code)) //nolint:gosec // an exit code has 8 bits
	}
	a.Signal = int32(exit.Signal) //nolint:gosec // signals are small
	a.Reason, a.Message, a.EngineState = out.Reason, out.Message, out.EngineState
	a.Usage = exit.Usage
	a.CompleteTime = timestamppb.New(out.Time)
	if exit.EngineID != "" {
		a.EngineId = exit.EngineID
	}
	if exit.Node != "" {
		a.Node = exit.Node
	}
	if start := timestamp(exit.Start); start != nil {
		a.StartTime = start
	}
}

// outcomeOf says what an attempt's end means for its job.
func outcomeOf(exit executor.Exit) job.Status {
	out := job.Status{
		State: jobsv1.State_STATE_FAILED, Reason: exit.Reason, Message: exit.Message,
		EngineState: exit.EngineState, Time: exit.End,
	}
	if out.Time.IsZero() {
		out.Time = time.Now()
	}
	switch {
	case exit.Reason == jobsv1.Reason_REASON_CANCELLED_BY_OWNER, exit.Reason == jobsv1.Reason_REASON_CANCELLED_BY_OPERATOR,
		exit.Reason == jobsv1.Reason_REASON_CANCELLED_BY_ENGINE:
		out.State = jobsv1.State_STATE_CANCELLED
		out.Reason = jobsv1.Reason_REASON_CANCELLED_BY_ENGINE // unless the record knows of a wish
	case exit.Reason != jobsv1.Reason_REASON_UNSPECIFIED:
	case exit.Signal != 0:
		out.Reason = jobsv1.Reason_REASON_SIGNALLED
	case exit.Code != 0:
		out.Reason = jobsv1.Reason_REASON_EXIT_NONZERO
	default:
		out.State = jobsv1.State_STATE_COMPLETED
	}
	if out.Message == "" {
		out.Message = job.Explain(out.Reason, exit.Code, exit.Signal)
	}
	return out
}

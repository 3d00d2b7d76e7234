package store

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
)

// basicAt returns a job in the view BASIC as of entry i of its history, as far as the history
// and the attempts tell: words of the engine and progress are not kept. The result shares the job's messages.
func basicAt(j *jobsv1.Job, i int) *jobsv1.Job {
	h := j.GetHistory()[i]
	past := asSubmitted(j)
	past.State, past.Reason, past.Message, past.Attempt, past.ChangeTime = h.GetState(), h.GetReason(), h.GetMessage(), h.GetAttempt(), h.GetTime()
	past.Revision, past.Etag = h.GetRevision(), file.Etag(h.GetRevision())
	if c := j.GetCancelTime(); c != nil && file.Nanos(c) <= file.Nanos(h.GetTime()) {
		past.CancelTime, past.CancelledBy, past.CancelReason = c, j.GetCancelledBy(), j.GetCancelReason()
	}
	if h.GetAttempt() > 0 {
		past.InputNote = j.GetInputNote()
	}
	if h.GetState() == jobsv1.State_STATE_QUEUED {
		return past
	}
	past.StartTime = startOf(j, h.GetAttempt())
	if job.Terminal(h.GetState()) {
		past.CompleteTime, past.ExitCode = j.GetCompleteTime(), j.ExitCode
	}
	return past
}

// basicBefore returns a job in the view BASIC as of the last entry of its history before its last change. It is nil for a job that
// has not changed since it was submitted.
func basicBefore(j *jobsv1.Job) *jobsv1.Job {
	i := len(j.GetHistory()) - 1
	if i >= 0 && j.GetHistory()[i].GetRevision() == j.GetRevision() {
		i--
	}
	if i < 0 {
		return nil
	}
	return basicAt(j, i)
}

// asSubmitted returns what of a job in the view BASIC does not change after it was submitted.
func asSubmitted(j *jobsv1.Job) *jobsv1.Job {
	return &jobsv1.Job{
		Id: j.GetId(), Owner: j.GetOwner(), Service: j.GetService(), OutputName: j.GetOutputName(), OutputFolder: j.GetOutputFolder(),
		Resources: j.GetResources(), Labels: j.GetLabels(), Priority: j.GetPriority(), Retry: j.GetRetry(),
		ParentId: j.GetParentId(), RerunOf: j.GetRerunOf(), Executor: j.GetExecutor(), SubmitTime: j.GetSubmitTime(),
		InputBytes: j.GetInputBytes(), ServiceVersion: j.GetServiceVersion(), AppliedAdvice: j.GetAppliedAdvice(),
		SubmittedBy: j.GetSubmittedBy(), SubmitReason: j.GetSubmitReason(),
	}
}

func startOf(j *jobsv1.Job, attempt int32) *timestamppb.Timestamp {
	for _, a := range j.GetAttempts() {
		if a.GetNumber() == attempt && a.GetStartTime() != nil {
			return a.GetStartTime()
		}
	}
	if attempt == file.AttemptOf(j) {
		return j.GetStartTime()
	}
	return nil
}

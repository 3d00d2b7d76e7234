package store

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
)

// StatusOf returns the part of a job that a watch shows. The result shares the job's messages.
func StatusOf(j *jobsv1.Job) *jobsv1.JobStatus {
	s := identity(j)
	s.State, s.Reason, s.Message, s.EngineState = j.GetState(), j.GetReason(), j.GetMessage(), j.GetEngineState()
	s.StartTime, s.CompleteTime, s.CancelTime = j.GetStartTime(), j.GetCompleteTime(), j.GetCancelTime()
	s.Progress, s.ExitCode = j.GetProgress(), j.ExitCode
	s.Attempt = file.AttemptOf(j)
	s.QueuePosition, s.ExpectedStartTime, s.ExpectedCompleteTime = j.GetQueuePosition(), j.GetExpectedStartTime(), j.GetExpectedCompleteTime()
	s.ExpectedStartRange, s.ExpectedCompleteRange, s.ExpectationNote = j.GetExpectedStartRange(), j.GetExpectedCompleteRange(), j.GetExpectationNote()
	if n := len(j.GetHistory()); n > 0 {
		s.ChangeTime = j.GetHistory()[n-1].GetTime()
	}
	return s
}

func identity(j *jobsv1.Job) *jobsv1.JobStatus {
	return &jobsv1.JobStatus{
		Id: j.GetId(), Owner: j.GetOwner(), Service: j.GetService(), OutputName: j.GetOutputName(),
		SubmitTime: j.GetSubmitTime(),
	}
}

// statusAt returns the status as of entry i of the history, as far as the history
// and the attempts tell: words of the engine and progress are not kept.
func statusAt(j *jobsv1.Job, i int) *jobsv1.JobStatus {
	h := j.GetHistory()[i]
	s := identity(j)
	s.State, s.Reason, s.Message, s.Attempt, s.ChangeTime = h.GetState(), h.GetReason(), h.GetMessage(), h.GetAttempt(), h.GetTime()
	if c := j.GetCancelTime(); c != nil && file.Nanos(c) <= file.Nanos(h.GetTime()) {
		s.CancelTime = c
	}
	if h.GetState() == jobsv1.State_STATE_QUEUED {
		return s
	}
	s.StartTime = startOf(j, h.GetAttempt())
	if job.Terminal(h.GetState()) {
		s.CompleteTime, s.ExitCode = j.GetCompleteTime(), j.ExitCode
	}
	return s
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

package file

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// How much of the past of a job is kept, as job.proto says.
const (
	MaxHistory  = 1 + 40 // the first entry and the last ones
	MaxAttempts = 20
)

// Status is what a change of which makes an entry in the history.
type Status struct {
	// State of the job.
	State jobsv1.State
	// Reason for the state.
	Reason jobsv1.Reason
	// Attempt is the number of the latest attempt.
	Attempt int32
}

// StatusOf returns the status of a job.
func StatusOf(j *jobsv1.Job) Status {
	return Status{j.GetState(), j.GetReason(), AttemptOf(j)}
}

// AttemptOf returns the number of the latest attempt; 0 before the first.
func AttemptOf(j *jobsv1.Job) int32 {
	if n := len(j.GetAttempts()); n > 0 {
		return j.GetAttempts()[n-1].GetNumber()
	}
	return 0
}

// AppendHistory appends the present status of a job to its history.
func AppendHistory(j *jobsv1.Job, now *timestamppb.Timestamp) {
	j.History = append(j.History, &jobsv1.StatusChange{
		Revision: j.GetRevision(), Time: now,
		State: j.GetState(), Reason: j.GetReason(), Message: j.GetMessage(), Attempt: AttemptOf(j),
	})
	if n := len(j.History); n > MaxHistory {
		j.History = append(j.History[:1], j.History[n-MaxHistory+1:]...)
	}
}

// BoundAttempts drops the oldest attempts.
func BoundAttempts(j *jobsv1.Job) {
	if n := len(j.GetAttempts()); n > MaxAttempts {
		j.Attempts = j.Attempts[n-MaxAttempts:]
	}
}

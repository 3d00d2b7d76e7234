package store

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// How much of a job's past is kept, as job.proto says.
const (
	maxHistory  = 1 + 40 // the first entry and the last ones
	maxAttempts = 20
)

// standing is what a change of which makes an entry in the history.
type standing struct {
	state   jobsv1.State
	reason  jobsv1.Reason
	attempt int32
}

func standingOf(j *jobsv1.Job) standing {
	return standing{j.GetState(), j.GetReason(), attemptOf(j)}
}

// attemptOf is the number of the latest attempt; 0 before the first.
func attemptOf(j *jobsv1.Job) int32 {
	if n := len(j.GetAttempts()); n > 0 {
		return j.GetAttempts()[n-1].GetNumber()
	}
	return 0
}

// noteStatus appends the job's present standing to its history.
func noteStatus(j *jobsv1.Job, now *timestamppb.Timestamp) {
	j.History = append(j.History, &jobsv1.StatusChange{
		Revision: j.GetRevision(), Time: now,
		State: j.GetState(), Reason: j.GetReason(), Message: j.GetMessage(), Attempt: attemptOf(j),
	})
	if n := len(j.History); n > maxHistory {
		j.History = append(j.History[:1], j.History[n-maxHistory+1:]...)
	}
}

// boundAttempts drops the oldest attempts.
func boundAttempts(j *jobsv1.Job) {
	if n := len(j.GetAttempts()); n > maxAttempts {
		j.Attempts = j.Attempts[n-maxAttempts:]
	}
}

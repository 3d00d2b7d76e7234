package job

import (
	"strings"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// StateWord is the name of a state as users see it: `QUEUED`.
func StateWord(s jobsv1.State) string { return strings.TrimPrefix(s.String(), "STATE_") }

// ReasonWord is the name of a reason as users see it: `OUT_OF_MEMORY`. Empty when there is none.
func ReasonWord(r jobsv1.Reason) string {
	if r == jobsv1.Reason_REASON_UNSPECIFIED {
		return ""
	}
	return strings.TrimPrefix(r.String(), "REASON_")
}

// Given returns what the latest attempt of j was given, or what j asks for where it had none.
func Given(j *jobsv1.Job) *jobsv1.Resources {
	if r := Attempt(j).GetResources(); r != nil {
		return r
	}
	return j.GetResources()
}

// Attempt is the latest attempt of j, or nil before the first.
func Attempt(j *jobsv1.Job) *jobsv1.Attempt {
	if n := len(j.GetAttempts()); n > 0 {
		return j.GetAttempts()[n-1]
	}
	return nil
}

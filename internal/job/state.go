package job

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// States are all states of a job, in the order of its life.
var States = []jobsv1.State{
	jobsv1.State_STATE_QUEUED,
	jobsv1.State_STATE_RUNNING,
	jobsv1.State_STATE_COMPLETED,
	jobsv1.State_STATE_FAILED,
	jobsv1.State_STATE_CANCELLED,
}

// legal says which state may follow which. A state may follow itself: its
// reason, message or attempt changed. QUEUED may be followed by COMPLETED
// because an engine that is polled can run a short job between two polls;
// RUNNING by QUEUED because an engine can requeue a job and because a lost
// attempt is followed by another.
var legal = map[jobsv1.State][]jobsv1.State{
	jobsv1.State_STATE_UNSPECIFIED: {jobsv1.State_STATE_QUEUED},
	jobsv1.State_STATE_QUEUED: {
		jobsv1.State_STATE_QUEUED, jobsv1.State_STATE_RUNNING, jobsv1.State_STATE_COMPLETED,
		jobsv1.State_STATE_FAILED, jobsv1.State_STATE_CANCELLED,
	},
	jobsv1.State_STATE_RUNNING: {
		jobsv1.State_STATE_QUEUED, jobsv1.State_STATE_RUNNING, jobsv1.State_STATE_COMPLETED,
		jobsv1.State_STATE_FAILED, jobsv1.State_STATE_CANCELLED,
	},
}

// Terminal reports whether s is final.
func Terminal(s jobsv1.State) bool {
	switch s {
	case jobsv1.State_STATE_COMPLETED, jobsv1.State_STATE_FAILED, jobsv1.State_STATE_CANCELLED:
		return true
	default:
		return false
	}
}

// Legal reports whether a job in state from may get into state to.
func Legal(from, to jobsv1.State) bool {
	return slices.Contains(legal[from], to)
}

// Status is what a job is found or put into.
type Status struct {
	// State to get into.
	State jobsv1.State
	// Reason for it.
	Reason jobsv1.Reason
	// Message gives the reason in plain words.
	Message string
	// EngineState is the engine's own word; empty where it has none.
	EngineState string
	// Time is when it happened: the start for RUNNING, the end for a final state.
	Time time.Time
}

// Transition puts j into the status and reports whether anything changed. It
// is the only function that writes a job's state. A final job stays as it is:
// what comes late or twice is no error and changes nothing. A change that the
// table forbids is ErrConflict.
func Transition(j *jobsv1.Job, to Status) (bool, error) {
	from := j.GetState()
	if Terminal(from) {
		return false, nil
	}
	if !Legal(from, to.State) {
		return false, fmt.Errorf("job %s from %v to %v: %w", j.GetId(), from, to.State, ErrConflict)
	}
	same := from == to.State && j.GetReason() == to.Reason && j.GetMessage() == to.Message && j.GetEngineState() == to.EngineState
	if same {
		return false, nil
	}
	j.State, j.Reason, j.Message, j.EngineState = to.State, to.Reason, to.Message, to.EngineState
	switch {
	case to.State == jobsv1.State_STATE_RUNNING && from != jobsv1.State_STATE_RUNNING:
		j.StartTime, j.ExpectedStartTime = timestamppb.New(to.Time), nil
	case to.State == jobsv1.State_STATE_QUEUED && from == jobsv1.State_STATE_RUNNING:
		j.StartTime, j.ExitCode, j.Progress = nil, nil, nil
	case Terminal(to.State):
		j.CompleteTime, j.ExpectedStartTime = timestamppb.New(to.Time), nil
	}
	return true, nil
}

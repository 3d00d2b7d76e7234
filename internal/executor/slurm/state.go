package slurm

import (
	"strings"

	"github.com/stint-jobs/stint/internal/executor/batch"
)

// phases has Slurm's words, of all releases from 20.11 to 25.11. COMPLETING and
// its like hide the state below: the job is not over before they are gone.
var phases = map[string]batch.Phase{
	"PENDING": batch.Pending, "CONFIGURING": batch.Pending, "REQUEUED": batch.Pending, "REQUEUE_FED": batch.Pending, "REQUEUE_HOLD": batch.Pending,
	"RESV_DEL_HOLD": batch.Pending, "SPECIAL_EXIT": batch.Pending, "EXPEDITING": batch.Pending,
	"RUNNING": batch.Running, "COMPLETING": batch.Running, "SUSPENDED": batch.Running, "STOPPED": batch.Running, "RESIZING": batch.Running,
	"SIGNALING": batch.Running, "STAGE_OUT": batch.Running,
	"COMPLETED": batch.Completed, "FAILED": batch.Failed, "CANCELLED": batch.Cancelled, "TIMEOUT": batch.TimedOut, "DEADLINE": batch.TimedOut,
	"OUT_OF_MEMORY": batch.OutOfMemory, "NODE_FAIL": batch.NodeFailed, "BOOT_FAIL": batch.NodeFailed, "PREEMPTED": batch.Preempted, "REVOKED": batch.Revoked,
}

// notes are flags of newer releases that stand beside a state and do not change it.
var notes = map[string]bool{"LAUNCH_FAILED": true, "RECONFIG_FAIL": true, "UPDATE_DB": true, "POWER_UP_NODE": true}

// phaseOf reads a state. Newer releases can show several words at once, a base state and flags; one
// that says that the job goes on overrules an end.
func phaseOf(state string) batch.Phase {
	words := strings.FieldsFunc(state, func(r rune) bool { return r == ',' || r == '|' || r == ' ' || r == '+' })
	found := batch.Unknown
	for _, w := range words {
		p, ok := phases[w]
		if notes[w] {
			continue
		}
		if !ok {
			return batch.Unknown
		}
		if found == batch.Unknown || !p.Terminal() {
			found = p
		}
	}
	return found
}

// launchSignal is the "signal" that Slurm notes for a job which a node could not set up.
const launchSignal = 53

// explain adds to a row what its state, its reason and its signal mean.
func explain(r *batch.Row, reason string) {
	r.Phase = phaseOf(r.State)
	w := whyPending(reason)
	switch r.Phase {
	case batch.Pending:
		r.Waiting = w
	case batch.Failed:
		r.SetupFailed = r.Signal == launchSignal
		r.Rejected = reason == "BadConstraints"
	case batch.Cancelled:
		r.Rejected = reason == "DependencyNeverSatisfied"
	case batch.TimedOut:
		if r.State == "DEADLINE" {
			r.Words = "The cluster's deadline for the job passed."
		}
	default:
	}
	if r.Rejected {
		r.Words = w.Words
	}
}

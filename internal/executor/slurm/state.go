package slurm

import "strings"

// phase is what one of Slurm's states means to an attempt.
type phase int

const (
	unknown phase = iota // a word that this version does not know
	pending
	running
	completed
	failed
	cancelled
	timedOut
	outOfMemory
	nodeFailed
	preempted
	revoked
)

// phases has Slurm's words, of all releases from 20.11 to 25.11. COMPLETING and
// its like hide the state below: the job is not over before they are gone.
var phases = map[string]phase{
	"PENDING": pending, "CONFIGURING": pending, "REQUEUED": pending, "REQUEUE_FED": pending, "REQUEUE_HOLD": pending,
	"RESV_DEL_HOLD": pending, "SPECIAL_EXIT": pending, "EXPEDITING": pending,
	"RUNNING": running, "COMPLETING": running, "SUSPENDED": running, "STOPPED": running, "RESIZING": running,
	"SIGNALING": running, "STAGE_OUT": running,
	"COMPLETED": completed, "FAILED": failed, "CANCELLED": cancelled, "TIMEOUT": timedOut, "DEADLINE": timedOut,
	"OUT_OF_MEMORY": outOfMemory, "NODE_FAIL": nodeFailed, "BOOT_FAIL": nodeFailed, "PREEMPTED": preempted, "REVOKED": revoked,
}

func (p phase) terminal() bool { return p >= completed }

// notes are flags of newer releases that stand beside a state and do not change it.
var notes = map[string]bool{"LAUNCH_FAILED": true, "RECONFIG_FAIL": true, "UPDATE_DB": true, "POWER_UP_NODE": true}

// phaseOf reads a state. Newer releases can show several words at once, a base state and flags; one
// that says that the job goes on overrules an end.
func phaseOf(state string) phase {
	words := strings.FieldsFunc(state, func(r rune) bool { return r == ',' || r == '|' || r == ' ' || r == '+' })
	found := unknown
	for _, w := range words {
		p, ok := phases[w]
		if notes[w] {
			continue
		}
		if !ok {
			return unknown
		}
		if found == unknown || !p.terminal() {
			found = p
		}
	}
	return found
}

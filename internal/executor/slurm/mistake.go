package slurm

import (
	"time"

	"github.com/stint-jobs/stint/internal/executor/batch"
)

// A controller that is killed forgets the jobs it took last, and gives their
// ids out again when it is back. A node that still runs one of the forgotten
// jobs tells of its end by the id alone; if the job that has the id by then is pending, the controller
// notes it as cancelled by root (job_complete in Slurm's job_mgr.c; seen on 22.05 under 200 submits).
// Such an end does not count: nobody wanted it and nothing ran, so the attempt counts as one that Slurm does not have.

// aftermath is for how long after its start a controller may still hear of jobs
// that the one before it knew: nodes that cannot reach it try for SlurmdTimeout,
// 300 seconds unless it is set, and then some.
const aftermath = 10 * time.Minute

// controller is what is known of when the controller began.
type controller struct {
	boot  time.Time // by its own clock; zero where it does not say
	asked time.Time // when it was asked
}

// restarted reports whether it took over, not long before t, from one that was there
// while the attempt was, or that this process had known.
func (c controller) restarted(submitted, known, t time.Time) bool {
	return !c.boot.IsZero() && (c.boot.After(submitted) || c.boot.After(known)) &&
		!t.Before(c.boot) && t.Sub(c.boot) < aftermath
}

// Mistaken reports whether a restarted controller, which counts as root, ended a pending job.
func (e *engine) Mistaken(end batch.Ending) (mistaken, fresh bool) {
	if a := end.Account; a != nil && a.UID != "" && a.UID != "0" {
		return false, true
	}
	e.mu.Lock()
	c := e.controller
	e.mu.Unlock()
	return c.restarted(end.Submitted, end.Known, end.Row.End), c.asked.After(end.Noticed)
}

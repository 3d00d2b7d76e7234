package slurm

import (
	"slices"
	"time"
)

// A controller that is killed forgets the jobs it took last, and gives their
// ids out again when it is back. A node that still runs one of the forgotten
// jobs tells of its end by the id alone; if the job that has the id by then is pending, the controller
// notes it as cancelled by root (job_complete in Slurm's job_mgr.c; seen on 22.05 under 200 submits).
// Such an end is void: nobody wanted it and nothing ran, so the attempt counts as one that Slurm does not have.

// aftermath is for how long after its start a controller may still hear of jobs
// that the one before it knew: nodes that cannot reach it try for SlurmdTimeout,
// 300 seconds unless it is set, and then some.
const aftermath = 10 * time.Minute

// controller is what is known of when the controller began.
type controller struct {
	boot  time.Time // by its own clock; zero where it does not say
	asked time.Time // when it was asked
	known time.Time // when this process first had an answer from the cluster
}

// restarted says that it took over, not long before t, from one that was there
// while the attempt was, or that this process had known.
func (c controller) restarted(submitted, t time.Time) bool {
	return !c.boot.IsZero() && (c.boot.After(submitted) || c.boot.After(c.known)) &&
		!t.Before(c.boot) && t.Sub(c.boot) < aftermath
}

// void is a job of Slurm whose end does not count. Ids are used again, but not within a second.
type void struct {
	id     string
	submit int64
}

func voidOf(r row) void { return void{id: r.id, submit: r.submit.Unix()} }

// mayBeVoid says that Slurm itself, or root, ended a job whose command had not begun.
func (m *memory) mayBeVoid(s sight, r row, p phase, a *account) bool {
	return p == cancelled && !s.wished && s.never == "" && !s.files.locked && r.reason != "DependencyNeverSatisfied" &&
		(a == nil || a.uid == "" || a.uid == "0") && len(m.voids) < m.tries
}

// ending is the end of an attempt whose Slurm job is over, unless that is void.
func (m *memory) ending(s sight, r row, p phase, a *account) step {
	if m.mayBeVoid(s, r, p, a) {
		switch {
		case !s.controller.asked.After(m.ended) && s.now.Sub(m.ended) < m.settle:
			return step{move: examine}
		case s.controller.restarted(s.submission.Time, r.end):
			m.voids = append(m.voids, voidOf(r))
			m.ended, m.seen = time.Time{}, false
			m.drop(&s)
			return m.decide(s)
		}
	}
	return step{move: end, exit: conclude(s.evidence(r, p, a))}
}

// drop takes out of what is known the jobs whose ends are void.
func (m *memory) drop(s *sight) {
	if len(m.voids) == 0 {
		return
	}
	s.rows = slices.DeleteFunc(slices.Clone(s.rows), func(r row) bool { return slices.Contains(m.voids, voidOf(r)) })
	s.ledger.accounts = slices.DeleteFunc(slices.Clone(s.ledger.accounts), func(a account) bool { return slices.Contains(m.voids, voidOf(a.row)) })
}

package policy

import (
	"time"

	"github.com/stint-jobs/stint/internal/job"
)

// Reason is why a job waits.
type Reason int

// Reasons.
const (
	// Unknown is for a job that does not wait here.
	Unknown Reason = iota
	// Ready is for a job that can start: it does when its turn comes, at once.
	Ready
	// Capped is for a job whose owner has as many active jobs as one may have.
	Capped
	// Short is for a job that needs more of a resource than is free.
	Short
	// Behind is for a job that fits and would delay one before it, which has a reservation.
	Behind
	// Never is for a job that needs more of a resource than there is.
	Never
)

// Why says why a job waits.
type Why struct {
	Reason Reason
	// Resource that is short, for Short and Never, with how much the job needs, how much of it is
	// free and how much there is.
	Resource          string
	Need, Free, Total int64
	// MaxActive is the cap, for Capped.
	MaxActive int
	// Reservation of the job itself, or for Behind that of the job before it.
	Reservation Reservation
	// Ahead counts the jobs before it, by the order in which turns are given now. Jobs that are no
	// candidates are not counted.
	Ahead int
}

// Why says why a job waits now.
func (p *Policy) Why(id job.ID, now time.Time) Why {
	if why := p.never[id]; why.Reason == Never {
		return why
	}
	e := p.jobs[id]
	if e == nil || e.running {
		return Why{}
	}
	if e.owner.capped {
		return Why{Reason: Capped, MaxActive: p.maxActive}
	}
	l := e.lane
	w := l.why(e, now)
	g := e.owner.group
	w.Ahead = l.groups.ahead(g) + g.owners.ahead(e.owner) + e.owner.waiting.ahead(e)
	return w
}

// Forecast says what a job that does not wait yet would wait for.
func (p *Policy) Forecast(executor string, j Job, now time.Time) Why {
	e := p.entry(executor, j)
	if e == nil {
		return Why{}
	}
	switch never := e.lane.never(j.Need); {
	case never != nil:
		return never[0]
	case p.atCap(j.Owner):
		return Why{Reason: Capped, MaxActive: p.maxActive}
	default:
		return e.lane.why(e, now)
	}
}

func (l *lane) why(e *entry, now time.Time) Why {
	head, need := l.head(), e.bound.need
	if !need.fits(l.free) {
		w := l.shortage(Short, need, l.free)
		if head == e {
			w.Reservation = l.reserve(head, now)
		}
		return w
	}
	var r Reservation
	if head != nil && !head.bound.need.fits(l.free) {
		r = l.reserve(head, now)
	}
	if !l.admits(&r, &e.bound, now) {
		return Why{Reason: Behind, Reservation: r}
	}
	return Why{Reason: Ready}
}

// never returns what there is not enough of for a job, however long it waits.
func (l *lane) never(need Resources) []Why {
	var all []Why
	for i, n := range l.need(need) {
		if n > 0 && n > l.total[i] {
			all = append(all, Why{Reason: Never, Resource: l.names[i], Need: n, Total: l.total[i]})
		}
	}
	for _, name := range need.unknown(l.names) {
		all = append(all, Why{Reason: Never, Resource: name, Need: need[name]})
	}
	return all
}

func (l *lane) shortage(reason Reason, need, free amounts) Why {
	i := need.short(free)
	return Why{Reason: reason, Resource: l.names[i], Need: need[i], Free: max(0, l.free[i]), Total: l.total[i]}
}

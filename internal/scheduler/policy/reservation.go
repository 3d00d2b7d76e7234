package policy

import (
	"time"

	"github.com/stint-jobs/stint/internal/job"
)

const (
	// maxLooked bounds the places in one owner's jobs that one search looks at, and maxLookedAll
	// those of all owners. They are reached only where many jobs need little of each resource but
	// no single one fits; then what lies behind waits for the next change. An owner has a bound of
	// their own, so that nobody's jobs hide those of others.
	maxLooked    = 1000
	maxLookedAll = 20 * maxLooked
	// maxOverdue is how long after its time limit a job is still taken to end at any moment.
	maxOverdue = 15 * time.Minute
)

// Reservation is what is kept for the first job that does not fit.
type Reservation struct {
	// Job that it is for. 0 is no reservation.
	Job job.ID
	// At is when the job starts at the latest if no more is asked for by those before it. Zero
	// where that is not known, because it depends on the end of jobs without time limits.
	At time.Time
	// Firm is set where At is not known and only what overtook the job keeps it from starting:
	// nothing overtakes it any more.
	Firm bool

	spare amounts // what is left beside the job when it starts
}

// head is the job whose turn it is, or nil.
func (l *lane) head() *entry {
	switch {
	case l.reserved != nil:
		return l.reserved
	case l.groups.empty():
		return nil
	default:
		return l.groups.first().owners.first().waiting.first()
	}
}

// reserve finds when a job that does not fit will.
func (l *lane) reserve(head *entry, now time.Time) Reservation {
	r := Reservation{Job: head.id}
	free := l.free.plus(nil)
	for _, e := range l.running {
		if e.end.IsZero() || !r.At.IsZero() && e.end.After(r.At) {
			break
		}
		if now.Sub(e.end) > maxOverdue {
			continue // as if it had no limit
		}
		free.add(e.bound.need)
		if r.At.IsZero() && head.bound.need.fits(free) {
			r.At = e.end
			if r.At.Before(now) {
				r.At = now
			}
		}
	}
	if r.At.IsZero() {
		r.Firm = head.bound.need.fits(l.free.plus(l.overtook))
		free = l.free.plus(nil)
	}
	free.sub(head.bound.need)
	r.spare = free
	return r
}

// admits reports whether a job that needs b may start past a reservation, which is none where its
// job is 0.
func (l *lane) admits(r *Reservation, b *bound, now time.Time) bool {
	if !b.need.fits(l.free) {
		return false
	}
	switch {
	case r.Job == 0, r.At.IsZero() && !r.Firm:
		return true
	case !r.At.IsZero() && b.time <= int64(r.At.Sub(now)):
		return true
	default:
		return b.need.fits(r.spare)
	}
}

// next returns the job that starts now, or nil, and the reservation that it passes or waits for.
func (l *lane) next(now time.Time) (*entry, Reservation) {
	head := l.head()
	if head == nil || !l.groups.least().need.fits(l.free) {
		return nil, Reservation{}
	}
	if head.bound.need.fits(l.free) {
		return head, Reservation{}
	}
	r := l.reserve(head, now)
	if f := &l.failed; f.valid && f.job == r.Job && f.firm == r.Firm && f.at.Equal(r.At) {
		return l.firstAdded(&r, now), r
	}
	found := l.search(&r, now)
	l.failed = failure{valid: found == nil, job: r.Job, firm: r.Firm, at: r.At}
	l.added = l.added[:0]
	return found, r
}

// search returns the first job in order that may start past a reservation, or nil.
func (l *lane) search(r *Reservation, now time.Time) (found *entry) {
	all := 0
	may := func(b *bound) bool {
		all++
		return all <= maxLookedAll && l.admits(r, b, now)
	}
	l.groups.root.search(may, func(g *group) bool {
		return g.owners.root.search(may, func(o *owner) bool {
			looked := 0
			mayJob := func(b *bound) bool {
				looked++
				return looked <= maxLooked && may(b)
			}
			return o.waiting.root.search(mayJob, func(e *entry) bool {
				found = e
				return true
			})
		})
	})
	return found
}

// failure is a search that found nothing, and the reservation that it was for. As long as that
// stands and nothing is given back, only jobs that were added since can start.
type failure struct {
	valid bool
	job   job.ID
	firm  bool
	at    time.Time
}

// firstAdded is search among the jobs that were added since it found nothing.
func (l *lane) firstAdded(r *Reservation, now time.Time) (found *entry) {
	for _, e := range l.added {
		if e.waiting && !e.owner.capped && l.admits(r, &e.bound, now) && (found == nil || e.turnBefore(found)) {
			found = e
		}
	}
	if found == nil {
		l.added = l.added[:0]
	}
	return found
}

// start notes that a waiting job starts, and whom it overtakes.
func (l *lane) start(e *entry, now time.Time) {
	switch head := l.head(); {
	case head == e:
		if l.reserved == e {
			l.endReservation()
		}
	case !head.bound.need.fits(l.free):
		l.reserved = head
		e.overtook = l.reservation
		l.overtook.add(e.bound.need)
	default: // whoever asks for this starts jobs in an order of their own
	}
	l.run(e, now)
}

// endReservation forgets the reservation and who overtook it.
func (l *lane) endReservation() {
	l.reserved = nil
	l.failed.valid = false
	l.reservation++
	clear(l.overtook)
}

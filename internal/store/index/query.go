package index

import (
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/weight"
)

// Scope is whose jobs a caller may see. A job outside of it does not exist. The zero value sees
// nothing.
type Scope struct {
	// Owner whose jobs are seen.
	Owner string
	// All sees everybody's jobs, whatever Owner says.
	All bool
	// Right adds jobs of others to what Owner sees: those of which they were given this right. It
	// counts where a job is addressed by its id, and in the queue. Pages, counts, changes of an
	// owner and writes are as without it. Unspecified adds none.
	Right jobsv1.ShareRight
}

// With returns the scope with the jobs of others in it that were shared with its owner with that
// right.
func (s Scope) With(right jobsv1.ShareRight) Scope {
	s.Right = right
	return s
}

// Includes reports whether a job of owner is in the scope without regard to what was shared.
func (s Scope) Includes(owner string) bool { return s.All || s.Owner != "" && s.Owner == owner }

// Query asks for jobs. What it says of them is taken together:
// a job must be in Scope and in one of States and of Service and fit Match.
type Query struct {
	// Scope is whose jobs.
	Scope Scope
	// States wanted; empty means any.
	States []jobsv1.State
	// Service wanted; empty means any.
	Service string
	// Match is any further condition; nil means none. It is called without the index's lock, on
	// copies. It must return the same for the same entry as long as it lives: the results of an
	// expensive one are kept.
	Match func(*Entry) bool
	// MatchCost is how many bytes of a job Match looks at, at most. It bounds how long it takes
	// until a query whose caller went away ends, and how many jobs a page looks at. Zero means
	// 1,024.
	MatchCost int
	// MatchKey names what Match asks for, for example the filter's text. Queries with the same key
	// share the results that are kept. Empty means that they are kept for this query alone.
	MatchKey string
	// Order of the page; nil means newest first. Ties are broken by id in the direction of the last
	// field.
	Order []Order
	// After continues behind another page of the same query. Nil means the first page.
	After *Cursor
	// Limit is how many jobs a page has at most. It must be positive.
	Limit int

	// For the reader of the page's jobs. The index does not look at it.

	// Bound ends a page early, once its stored jobs are so much. A page has at least one job, however
	// large that is.
	Bound weight.Bound
	// View is how much of each job: BASIC (also when unspecified) is without parameters, attempts and history.
	View jobsv1.JobView
}

// Admits reports whether a job of which a record says this is what the query asks for. It leaves
// the scope out of account.
func (q *Query) Admits(id job.ID, h *storev1.Header) bool {
	one := New(Config{RingSize: 1}) // the same code decides as for all others
	if err := one.Add(id, h); err != nil {
		return false
	}
	fits := false
	one.Scan(Query{Scope: Scope{All: true}, States: q.States, Service: q.Service, Match: q.Match}, func(*Entry) bool {
		fits = true
		return false
	})
	return fits
}

type plan struct {
	condition
	match func(*Entry) bool
	cost  int // bytes that match looks at, at most
}

// condition is what sets of ids decide.
type condition struct {
	owner, service int   // numbers, or anyNumber
	states         uint8 // bit 1<<state
}

const (
	anyNumber        = -1
	allStates        = 1<<stateCount - 1
	defaultMatchCost = 1 << 10 // of a query that does not say it
)

// plan translates a query; false when no job can fit because its owner or service is unknown. The
// caller holds mu.
func (ix *Index) plan(q *Query) (p plan, ok bool) {
	p = plan{condition: condition{anyNumber, anyNumber, allStates}, match: q.Match, cost: q.MatchCost}
	if p.cost <= 0 {
		p.cost = defaultMatchCost
	}
	if !q.Scope.All {
		n, ok := ix.owners.numbers[q.Scope.Owner]
		if !ok {
			return p, false
		}
		p.owner = int(n)
	}
	if q.Service != "" {
		n, ok := ix.services.numbers[q.Service]
		if !ok {
			return p, false
		}
		p.service = int(n)
	}
	if len(q.States) > 0 {
		p.states = 0
		for _, s := range q.States {
			p.states |= 1 << stateIndex(s)
		}
	}
	return p, true
}

func (c *condition) admits(s *slot) bool {
	return (c.owner == anyNumber || int(s.ownerNo) == c.owner) &&
		(c.service == anyNumber || int(s.serviceNo) == c.service) && c.states&(1<<s.state) != 0
}

// candidates returns the jobs that a condition admits. The set may be one of the index's own: the
// caller holds mu, and clones it to keep it.
func (ix *Index) candidates(c *condition) *idSet {
	set := &ix.all
	if c.owner != anyNumber {
		set = &ix.owners.values[c.owner].jobs
	}
	if c.service != anyNumber {
		set = ix.narrow(set, ix.services.values[c.service])
	}
	if c.states == allStates {
		return set
	}
	var found *idSet
	for state := range stateCount {
		if c.states&(1<<state) == 0 {
			continue
		}
		if part := ix.narrow(set, &ix.states[state]); found == nil {
			found = part
		} else {
			found = found.or(part)
		}
	}
	return found
}

func (ix *Index) narrow(set, to *idSet) *idSet {
	if set == &ix.all {
		return to
	}
	return set.and(to)
}

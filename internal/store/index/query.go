package index

import (
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Scope is whose jobs a caller may see. A job outside of it does not exist. The zero value sees nothing.
type Scope struct {
	// Owner whose jobs are seen.
	Owner string
	// All sees everybody's jobs, whatever Owner says.
	All bool
	// Right adds jobs of others to what Owner sees: those of which they were given this right. It counts where
	// a job is addressed by its id, and in the queue. Pages, counts, changes of an owner and writes are as without it.
	// Unspecified adds none.
	Right jobsv1.ShareRight
}

// With returns the scope with the jobs of others in it that were shared with its owner with that right.
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
	// Match is any further condition; nil means none. It is called without the index's lock, on copies. It
	// must return the same for the same entry as long as it lives: the results of an expensive one are kept.
	Match func(*Entry) bool
	// MatchCost is how many bytes of a job Match looks at, at most. It bounds how long it takes until a query whose caller
	// went away ends, and how many jobs a page looks at. Zero means 1,024.
	MatchCost int
	// MatchKey names what Match asks for, for example the filter's text. Queries
	// with the same key share the results that are kept. Empty means that they are kept for this query alone.
	MatchKey string
	// Order of the page; nil means newest first. Ties are broken by id in the direction of the last field.
	Order []Order
	// After continues behind another page of the same query. Nil means the first page.
	After *Cursor
	// Limit is how many jobs a page has at most. It must be positive.
	Limit int

	// For whoever reads the jobs of the page. The index does not look at it.

	// MaxBytes ends a page early, once its stored jobs have so many bytes. A page has at least one job, however
	// large that is. 0 means no such bound.
	MaxBytes int
	// View is how much of each job: BASIC (also when unspecified) is without parameters, attempts and history.
	View jobsv1.JobView
}

// Admits reports whether a job of which a record says this is what the query asks for. It leaves the scope out of account.
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

// plan is a query's condition in the index's own terms.
type plan struct {
	owner   int   // number, or anyOwner
	service int   // number, or anyService
	states  uint8 // bit 1<<state
	match   func(*Entry) bool
	cost    int   // bytes that match looks at, at most
	view    *view // the results of the whole condition, when they are kept
}

// plan translates a query; false when no job can fit because its owner or service is unknown.
func (ix *Index) plan(q *Query) (plan, bool) {
	p := plan{owner: anyOwner, service: anyService, states: allStates, match: q.Match, cost: q.MatchCost}
	if p.cost <= 0 {
		p.cost = defaultMatchCost
	}
	if !q.Scope.All {
		n, o := ix.owners.find(q.Scope.Owner)
		if o == nil {
			return p, false
		}
		p.owner = n
	}
	if q.Service != "" {
		n, ok := ix.services.lookup(q.Service)
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

// candidates counts the jobs that fit but for match.
func (ix *Index) candidates(p *plan) int64 {
	c := &ix.counts
	if p.owner != anyOwner {
		c = &ix.owners.list[p.owner].counters
	}
	return c.of(p.service).sum(p.states)
}

// What looking at a job costs: through an owner's list it has to be found
// first; through the table the bitmaps of everybody's jobs are read on the way.
const (
	costFind = 6
	costWord = 1
)

// byOwner reports whether the owner's list is the cheaper way to the candidates, and what the cheaper way costs.
func (ix *Index) byOwner(p *plan) (bool, int64) {
	table := int64(len(ix.table.chunks)*chunkWords)*costWord + ix.counts.of(p.service).sum(p.states)
	if p.owner == anyOwner || p.view != nil {
		return false, table
	}
	list := int64(len(ix.owners.list[p.owner].jobs)) * costFind
	return list < table, min(list, table)
}

// anyIn reports whether chunk k can have a candidate.
func (p *plan) anyIn(c *chunk, k int) bool {
	if p.view != nil {
		return k < len(p.view.counts) && p.view.counts[k] > 0 // what came since does not fit the plan
	}
	if p.states == allStates {
		return true
	}
	n := uint16(0)
	for s, count := range c.counts {
		if p.states&(1<<s) != 0 {
			n += count
		}
	}
	return n > 0
}

// word is the candidates among 64 slots, as far as bitmaps tell.
func (p *plan) word(c *chunk, k, w int) uint64 {
	if p.view != nil {
		return p.view.bits[k][w]
	}
	if p.service != anyService && c.services[w]&serviceBit(uint32(p.service)) == 0 {
		return 0
	}
	if p.states == allStates {
		return c.live[w]
	}
	var m uint64
	for s := range stateCount {
		if p.states&(1<<s) != 0 {
			m |= c.states[s][w]
		}
	}
	return m
}

// fits decides on a slot whose bit is in word, but for match.
func (p *plan) fits(e *Entry) bool {
	return p.view != nil || (p.owner == anyOwner || int(e.c.owner[e.i]) == p.owner) &&
		(p.service == anyService || int(e.c.service[e.i]) == p.service)
}

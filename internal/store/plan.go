package store

// plan is a query's condition in the index's own terms.
type plan struct {
	owner   int   // number, or anyOwner
	service int   // number, or anyService
	states  uint8 // bit 1<<state
	match   func(*Entry) bool
	view    *view // the answers of the whole condition, when they are kept
}

// plan translates a query; false when no job can fit because its owner or service is unknown.
func (ix *index) plan(q *Query) (plan, bool) {
	p := plan{owner: anyOwner, service: anyService, states: allStates, match: q.Match}
	if !q.Scope.All {
		n, w := ix.owners.find(q.Scope.Owner)
		if w == nil {
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
func (ix *index) candidates(p *plan) int64 {
	c := &ix.counts
	if p.owner != anyOwner {
		c = &ix.owners.list[p.owner].counters
	}
	return c.of(p.service).sum(p.states)
}

// What looking at a job costs: through an owner's list it has to be found
// first; through the slab the bitmaps of everybody's jobs are read on the way.
const (
	costFind = 6
	costWord = 1
)

// byOwner reports whether the owner's list is the cheaper way to the candidates, and what the cheaper way costs.
func (ix *index) byOwner(p *plan) (bool, int64) {
	slab := int64(len(ix.slab.chunks)*chunkWords)*costWord + ix.counts.of(p.service).sum(p.states)
	if p.owner == anyOwner || p.view != nil {
		return false, slab
	}
	list := int64(len(ix.owners.list[p.owner].jobs)) * costFind
	return list < slab, min(list, slab)
}

// anyIn reports whether chunk k can have a candidate.
func (p *plan) anyIn(c *chunk, k int) bool {
	if p.view != nil {
		return p.view.counts[k] > 0
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

// admits decides on a slot whose bit is in word.
func (p *plan) admits(e *Entry) bool {
	if p.view != nil {
		return true
	}
	return (p.owner == anyOwner || int(e.c.owner[e.i]) == p.owner) &&
		(p.service == anyService || int(e.c.service[e.i]) == p.service) &&
		(p.match == nil || p.match(e))
}

package policy

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/stint-jobs/stint/internal/job"
)

// Placed is a job as a policy has it.
type Placed struct {
	ID job.ID
	// Owner of the job.
	Owner string
	// Running is whether it is active, and Since from when on.
	Running bool
	Since   time.Time
	// Limit bounds how long it runs. 0 is no bound.
	Limit time.Duration
}

// Copy returns a policy that has of one executor what is active there and the first waiting jobs, at
// most limit, with the same turns and reservations. Of many owners each has some. Complete is whether
// it has all that wait. The two policies share nothing that changes. What owners have on other
// executors counts for their caps, as if it never ended. Jobs that can never start are left out.
//
// It takes time in the order of limit and of the active jobs.
func (p *Policy) Copy(executor string, limit int) (c *Policy, complete bool) {
	c = New(Config{MaxActivePerOwner: p.maxActive, Shares: p.shares, Groups: p.groups})
	c.active = maps.Clone(p.active)
	l := p.lanes[executor]
	if l == nil {
		return c, true
	}
	n := &lane{
		p: c, names: l.names, total: l.total, free: slices.Clone(l.free), byName: make(map[string]*owner),
		byGroup: make(map[string]*group), turns: l.turns, overtook: slices.Clone(l.overtook), reservation: l.reservation,
	}
	c.lanes[executor] = n
	for _, e := range l.running {
		n.running = append(n.running, n.copied(e))
	}
	owners, complete := l.first(limit)
	perOwner := share(owners, limit)
	for _, o := range owners {
		left := perOwner
		o.waiting.walk(func(e *entry) bool {
			if left--; left < 0 {
				complete = false
				return false
			}
			twin := n.copied(e)
			n.change(twin.owner, func() { twin.owner.waiting.insert(twin) })
			if e == l.reserved {
				n.reserved = twin
			}
			return true
		})
	}
	n.serial = l.serial
	return c, complete
}

// copied returns a copy of a job in a lane that is being made, whose owner has the same turn.
func (l *lane) copied(e *entry) *entry {
	twin := *e
	twin.lane, twin.owner = l, l.byName[e.owner.name]
	if twin.owner == nil {
		twin.owner = l.ownerOf(e.owner.name)
		twin.owner.turn = e.owner.turn
		if !twin.owner.group.listed { // nothing is ordered by it yet
			twin.owner.group.turn = e.owner.group.turn
		}
	}
	l.p.jobs[e.id] = &twin
	return &twin
}

// first returns owners with waiting jobs, at most limit, in the order of their turns. Those at a cap
// come last. Complete is whether these are all.
func (l *lane) first(limit int) (owners []*owner, complete bool) {
	complete = true
	add := func(o *owner) bool {
		if complete = len(owners) < limit; complete {
			owners = append(owners, o)
		}
		return complete
	}
	if l.reserved != nil {
		owners = append(owners, l.reserved.owner)
	}
	l.groups.walk(func(g *group) bool {
		return g.owners.walk(func(o *owner) bool {
			return l.reserved != nil && o == l.reserved.owner || add(o)
		})
	})
	var capped []*owner
	for name := range l.p.active {
		if o := l.byName[name]; o != nil && o.capped && !o.waiting.empty() && (l.reserved == nil || o != l.reserved.owner) {
			capped = append(capped, o)
		}
	}
	slices.SortFunc(capped, func(a, b *owner) int { return cmp.Compare(a.name, b.name) })
	for _, o := range capped {
		add(o)
	}
	return owners, complete
}

// share is how many jobs each owner may have so that all have at most limit, and at least 1.
func share(owners []*owner, limit int) int {
	return max(1, sort.Search(limit, func(each int) bool {
		sum := 0
		for _, o := range owners {
			sum += min(o.waiting.size(), each+1)
		}
		return sum > limit
	}))
}

// Jobs returns the jobs of an executor that can start or have started, by their ids.
func (p *Policy) Jobs(executor string) []Placed {
	l := p.lanes[executor]
	if l == nil {
		return nil
	}
	var list []Placed
	for _, e := range p.jobs {
		if e.lane != l {
			continue
		}
		j := Placed{ID: e.id, Owner: e.owner.name, Running: e.running, Since: e.since}
		if e.bound.time != forever {
			j.Limit = time.Duration(e.bound.time)
		}
		list = append(list, j)
	}
	slices.SortFunc(list, func(a, b Placed) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

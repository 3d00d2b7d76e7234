package policy

import (
	"cmp"
	"slices"
	"time"
)

// lane is one executor.
type lane struct {
	p       *Policy
	names   []string // of what is bounded
	total   amounts
	free    amounts // may be overdrawn, by jobs that were found running
	groups  tree[*group]
	byName  map[string]*owner
	byGroup map[string]*group
	running []*entry // by their ends, those without one last
	turns   uint64
	serial  uint64

	reserved    *entry  // waits, was overtaken, and is not overtaken by what delays it
	reservation uint64  // counts reservations
	overtook    amounts // what those that overtook reserved hold

	failed failure  // the last search, if it found nothing and would find nothing again
	added  []*entry // since then
}

func newLane(p *Policy, capacity Resources) *lane {
	names := capacity.names()
	l := &lane{
		p: p, names: names, total: capacity.in(names), free: capacity.in(names),
		byName: make(map[string]*owner), byGroup: make(map[string]*group),
		overtook: make(amounts, len(names)), reservation: 1,
	}
	return l
}

// need returns what a job holds. Each job has one slot, whether it says so or not.
func (l *lane) need(r Resources) amounts {
	a := r.in(l.names)
	for i, name := range l.names {
		if name == Slots {
			a[i] = max(1, a[i])
		}
	}
	return a
}

// ownerOf finds an owner's place or makes one.
func (l *lane) ownerOf(name string) *owner {
	if o := l.byName[name]; o != nil {
		return o
	}
	share := l.p.shares[name]
	if share.Group == "" {
		share.Group = "\x00" + name // a group of their own, which no operator can name
	}
	g := l.byGroup[share.Group]
	if g == nil {
		weight := l.p.groups[share.Group]
		if share.Group[0] == 0 {
			weight = share.Weight
		}
		g = &group{turn: l.newTurn(weight), name: share.Group}
		l.byGroup[share.Group] = g
	}
	g.members++
	o := &owner{turn: l.newTurn(share.Weight), name: name, group: g, capped: l.p.atCap(name)}
	l.byName[name] = o
	return o
}

func (l *lane) newTurn(weight float64) turn {
	l.serial++
	if weight <= 0 {
		weight = 1
	}
	return turn{weight: weight, serial: l.serial}
}

// change takes an owner out of the order, calls fn, and puts them back where they belong then.
func (l *lane) change(o *owner, fn func()) {
	g := o.group
	if g.listed {
		l.groups.remove(g)
	}
	if o.listed {
		g.owners.remove(o)
	}
	fn()
	if o.listed = !o.capped && !o.waiting.empty(); o.listed {
		g.owners.insert(o)
	}
	if g.listed = !g.owners.empty(); g.listed {
		l.groups.insert(g)
	}
	if o.waiting.empty() && o.used == 0 {
		delete(l.byName, o.name)
		if g.members--; g.members == 0 {
			delete(l.byGroup, g.name)
		}
	}
}

// joins sets the place of who begins to wait: before the one who was served last, after all who
// waited then.
func (l *lane) joins(t *turn) {
	if l.turns > 0 {
		t.since = max(t.since, 2*l.turns-1)
	}
}

func (l *lane) add(e *entry) {
	o := e.owner
	l.change(o, func() {
		if !o.group.listed {
			l.joins(&o.group.turn)
		}
		if o.waiting.empty() {
			l.joins(&o.turn)
		}
		o.waiting.insert(e)
		e.waiting = true
	})
	if l.failed.valid {
		l.added = append(l.added, e)
	}
	if r := l.reserved; r != nil && r.owner == o && e.before(r) {
		l.reserved = e // the owner's turn is what was reserved
	}
}

func (l *lane) remove(e *entry) {
	l.change(e.owner, func() { e.owner.waiting.remove(e) })
	e.waiting = false
	if l.reserved == e {
		l.endReservation()
	}
}

// run notes that a job holds what it needs, from a time on.
func (l *lane) run(e *entry, since time.Time) {
	e.since = since
	if e.bound.time != forever {
		e.end = since.Add(time.Duration(e.bound.time))
	}
	l.change(e.owner, func() {
		if e.waiting {
			e.owner.waiting.remove(e)
		}
		e.waiting, e.running = false, true
		l.turns++
		for _, t := range [...]*turn{&e.owner.turn, &e.owner.group.turn} {
			t.used += e.cost
			t.since = 2 * l.turns
		}
	})
	l.free.sub(e.bound.need)
	i, _ := slices.BinarySearchFunc(l.running, e, laterEnd)
	l.running = slices.Insert(l.running, i, e)
}

// end gives back what a job held.
func (l *lane) end(e *entry) {
	i, _ := slices.BinarySearchFunc(l.running, e, laterEnd)
	l.running = slices.Delete(l.running, i, i+1)
	l.free.add(e.bound.need)
	l.failed.valid = false
	if e.overtook == l.reservation {
		l.overtook.sub(e.bound.need)
	}
	l.change(e.owner, func() {
		e.owner.used -= e.cost
		e.owner.group.used -= e.cost
	})
}

// laterEnd orders running jobs by their ends, those without one last, and then by id.
func laterEnd(a, b *entry) int {
	switch {
	case a.end.Equal(b.end):
	case a.end.IsZero():
		return 1
	case b.end.IsZero():
		return -1
	default:
		return a.end.Compare(b.end)
	}
	return cmp.Compare(a.id, b.id)
}

// setCapped makes an owner a candidate or none.
func (l *lane) setCapped(name string, capped bool) {
	o := l.byName[name]
	if o == nil || o.capped == capped {
		return
	}
	l.change(o, func() { o.capped = capped })
	l.failed.valid = false
	if r := l.reserved; capped && r != nil && r.owner == o {
		l.endReservation()
	}
}

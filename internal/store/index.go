package store

import (
	"sync"

	"github.com/stint-jobs/stint/internal/job"
)

// index is everything in memory. The writer alone changes it, holding mu; all
// others read it, holding mu for reading. The writer itself reads without.
type index struct {
	mu        sync.RWMutex
	slab      slab
	owners    owners
	services  names
	executors names
	counts    counters // of all owners
	requests  requests
	ring      ring
	line      line
	shares    shares
	views     []*view
	revision  uint64
	purged    uint64 // revision of the latest deletion
}

// change is one committed change of one job.
type change struct {
	id      job.ID
	removed bool
	created bool
	origin  origin // of a created job; of a removed one only the request id
	seen    seen   // for a removed job only the revision of its removal
}

// apply is the one function that changes the index: it puts the new record of a
// job, or its absence, in the place of the old one in every structure. It is
// called by the writer, once for each change, in the order of revisions.
func (ix *index) apply(ch *change) {
	var who uint32
	switch {
	case ch.created:
		who = ix.add(&header{id: ch.id, origin: ch.origin, seen: ch.seen})
	case ch.removed:
		who = ix.remove(ch)
	default:
		who = ix.move(ch)
	}
	w := &ix.owners.list[who]
	ix.ring.push(ringSlot{id: ch.id, owner: who, before: w.changed, removed: ch.removed})
	w.changed = ch.seen.revision
	ix.revision = ch.seen.revision
}

// add takes a job whose id is above all others. Open calls it too, for each record.
func (ix *index) add(h *header) uint32 {
	who, w := ix.owners.get(h.owner)
	service := ix.services.number(h.service)
	c := ix.slab.tail(h.id)
	i := c.append(h, who, service, ix.executors.number(h.executor))
	ix.slab.jobs++
	w.jobs = append(w.jobs, h.id)
	ix.line.moved(ix, h.id, false, isActive(c.state[i]))
	w.add(service, int(c.state[i]), 1)
	ix.counts.add(service, int(c.state[i]), 1)
	if h.request != "" {
		ix.requests.add(h.owner, h.request, h.id)
	}
	ix.refreshViews(len(ix.slab.chunks)-1, i)
	return who
}

func (ix *index) move(ch *change) uint32 {
	k, i, _ := ix.slab.find(ch.id)
	c := ix.slab.chunks[k]
	who, service := c.owner[i], c.service[i]
	w := &ix.owners.list[who]
	w.add(service, int(c.state[i]), -1)
	ix.counts.add(service, int(c.state[i]), -1)
	was := isActive(c.state[i])
	c.see(i, &ch.seen)
	ix.line.moved(ix, ch.id, was, isActive(c.state[i]))
	w.add(service, int(c.state[i]), 1)
	ix.counts.add(service, int(c.state[i]), 1)
	ix.refreshViews(k, i)
	return who
}

func (ix *index) remove(ch *change) uint32 {
	k, i, _ := ix.slab.find(ch.id)
	c := ix.slab.chunks[k]
	who, service := c.owner[i], c.service[i]
	w := &ix.owners.list[who]
	w.add(service, int(c.state[i]), -1)
	ix.counts.add(service, int(c.state[i]), -1)
	if ch.origin.request != "" {
		ix.requests.remove(ix.owners.names.list[who], ch.origin.request, ch.id)
	}
	was := isActive(c.state[i])
	c.drop(i)
	ix.line.moved(ix, ch.id, was, false)
	ix.slab.jobs--
	ix.refreshViews(k, i)
	ix.slab.tidy(k)
	w.forget(func(id job.ID) bool { _, _, ok := ix.slab.find(id); return ok })
	ix.purged = ch.seen.revision
	return who
}

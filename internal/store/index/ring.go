package index

import "github.com/stint-jobs/stint/internal/job"

// ring holds the latest changes, one for each revision. The changes of one owner are chained, so
// that a watcher of an owner pays for that owner's changes only.
type ring struct {
	slots   []ringSlot        // its length is a power of two; revision r is at r modulo it
	removed map[job.ID]uint64 // revisions of the removals that are in slots
	floor   uint64            // changes up to this revision are not in the ring
	head    uint64            // the latest revision
}

type ringSlot struct {
	id      job.ID
	before  uint64 // revision of the owner's previous change; at or below floor when that is not here
	owner   uint32
	removed bool
}

func (r *ring) start(size int, revision uint64) {
	if len(r.slots) != size {
		r.slots = make([]ringSlot, size)
	}
	clear(r.slots)
	r.removed = make(map[job.ID]uint64)
	r.floor, r.head = revision, revision
}

func (r *ring) at(revision uint64) *ringSlot {
	return &r.slots[revision&uint64(len(r.slots)-1)]
}

// push takes the next change. One that is not of the next revision makes the ring begin anew with
// it.
func (r *ring) push(revision uint64, s ringSlot) {
	if revision != r.head+1 {
		r.start(len(r.slots), revision-1)
	}
	r.head = revision
	slot := r.at(r.head)
	if slot.removed {
		delete(r.removed, slot.id)
	}
	*slot = s
	if s.removed {
		r.removed[s.id] = r.head
	}
	if size := uint64(len(r.slots)); r.head-r.floor > size {
		r.floor = r.head - size
	}
}

func (r *ring) reaches(after uint64) bool { return after >= r.floor && after <= r.head }

package store

import (
	"slices"

	"github.com/stint-jobs/stint/internal/job"
)

// touched says which jobs changed after one revision and up to another.
type touched struct {
	after, upTo uint64
	ids         []job.ID // jobs that are there, each once
	removed     []removal
	more        bool // there are changes after upTo
	reset       bool // it cannot be told
}

type removal struct {
	id       job.ID
	revision uint64
}

// changed finds what a watcher has to read.
func (ix *index) changed(w Watch, after uint64, limit int) *touched {
	if w.IDs != nil {
		return ix.idsTouched(w, after)
	}
	if t := ix.ringTouched(w.Scope, after, limit); t != nil {
		return t
	}
	return ix.scanTouched(w.Scope, after)
}

// ringTouched reads the ring; nil when it does not go back as far.
func (ix *index) ringTouched(scope Scope, after uint64, limit int) *touched {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	if !ix.ring.reaches(after) {
		return nil
	}
	t := &touched{after: after, upTo: ix.ring.head}
	var revisions []uint64
	if scope.All {
		n := min(ix.ring.head-after, uint64(limit)+1)
		for i := range n {
			revisions = append(revisions, after+1+i)
		}
	} else if _, o := ix.owners.find(scope.Owner); o != nil {
		for r := o.changed; r > after; r = ix.ring.at(r).before {
			revisions = append(revisions, r)
		}
		slices.Reverse(revisions)
	}
	if len(revisions) > limit {
		t.more, t.upTo = true, revisions[limit-1]
		revisions = revisions[:limit]
	}
	seen := make(map[job.ID]bool, len(revisions))
	for _, r := range slices.Backward(revisions) {
		slot := ix.ring.at(r)
		if seen[slot.id] {
			continue // what was before the removal went with the job
		}
		seen[slot.id] = true
		if slot.removed {
			t.removed = append(t.removed, removal{slot.id, r})
		} else {
			t.ids = append(t.ids, slot.id)
		}
	}
	return t
}

// scanTouched goes over the whole index, for a watcher who was away for long or from before a restart.
func (ix *index) scanTouched(scope Scope, after uint64) *touched {
	ix.mu.RLock()
	t := &touched{after: after, upTo: ix.revision}
	q := Query{Scope: scope}
	p, ok := ix.plan(&q)
	t.reset = after > ix.revision || after < ix.purged
	ix.mu.RUnlock()
	if t.reset || !ok {
		return t
	}
	w := walk{ix: ix, plan: &p, desc: true, look: scanPause}
	for !w.done {
		ix.mu.RLock()
		w.run(func(e *Entry) bool {
			if e.Revision() > after {
				t.ids = append(t.ids, e.ID())
			}
			return len(t.ids) <= maxCatchUp
		})
		ix.mu.RUnlock()
	}
	if t.reset = len(t.ids) > maxCatchUp; t.reset {
		t.ids = nil
	}
	return t
}

// idsTouched looks at the watched jobs one by one.
func (ix *index) idsTouched(w Watch, after uint64) *touched {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	t := &touched{after: after, upTo: ix.revision, reset: after > ix.revision}
	seen := make(map[job.ID]bool, len(w.IDs))
	for _, id := range w.IDs {
		if seen[id] || t.reset {
			continue
		}
		seen[id] = true
		k, i, ok := ix.slab.find(id)
		if !ok {
			if r := ix.removedAt(w.Scope, id); r > after {
				t.removed = append(t.removed, removal{id, r})
			}
			continue
		}
		c := ix.slab.chunks[k]
		if c.revision[i] > after && ix.sees(w.Scope, id, ix.owners.names.list[c.owner[i]]) {
			t.ids = append(t.ids, id)
		}
	}
	return t
}

// removedAt is the revision at which a job that is not there was deleted:
// exactly when the ring knows, else the last that it can have been. To a
// watcher who knows already that says it once more, which does no harm; one who does not must hear it.
func (ix *index) removedAt(scope Scope, id job.ID) uint64 {
	if r, ok := ix.ring.removed[id]; ok {
		if !scope.sees(ix.owners.names.list[ix.ring.at(r).owner]) {
			return 0
		}
		return r
	}
	return min(ix.purged, ix.ring.floor)
}

package index

import (
	"slices"

	"github.com/stint-jobs/stint/internal/job"
)

// MaxCatchUp is up to how many changed jobs Changes finds by a scan. Above, a snapshot is cheaper
// for both sides.
const MaxCatchUp = 10_000

// Changes says which jobs changed after one revision and up to another.
type Changes struct {
	// After and UpTo are the two revisions.
	After, UpTo uint64
	// IDs of the jobs that are there, each once.
	IDs []job.ID
	// Removed jobs.
	Removed []Removal
	// More is whether there are changes behind UpTo.
	More bool
	// Reset is whether the changes cannot be told any more. Then IDs and Removed are empty.
	Reset bool
}

// Removal is a job that was deleted.
type Removal struct {
	// ID of the job.
	ID job.ID
	// Revision of the deletion.
	Revision uint64
}

// Changes returns which jobs of the scope changed after a revision. limit bounds how many changes
// it looks at, as long as they are in the ring. Those from further back are found by a scan, which
// reports no removal.
func (ix *Index) Changes(scope Scope, after uint64, limit int) Changes {
	if c, ok := ix.RecentChanges(scope, after, limit); ok {
		return c
	}
	return ix.scanChanges(scope, after)
}

// RecentChanges is Changes as far as the ring goes back. ok is false when it does not go back to
// the revision.
func (ix *Index) RecentChanges(scope Scope, after uint64, limit int) (c Changes, ok bool) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	if !ix.ring.reaches(after) {
		return Changes{}, false
	}
	c = Changes{After: after, UpTo: ix.ring.head}
	var revisions []uint64
	if scope.All {
		n := min(ix.ring.head-after, uint64(limit)+1)
		for i := range n {
			revisions = append(revisions, after+1+i)
		}
	} else if o := ix.owners.find(scope.Owner); o != nil {
		for r := o.changed; r > after; r = ix.ring.at(r).before {
			revisions = append(revisions, r)
		}
		slices.Reverse(revisions)
	}
	if len(revisions) > limit {
		c.More, c.UpTo = true, revisions[limit-1]
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
			c.Removed = append(c.Removed, Removal{slot.id, r})
		} else {
			c.IDs = append(c.IDs, slot.id)
		}
	}
	return c, true
}

// scanChanges goes over the whole index, for a watcher who was away for long or from before a
// restart.
func (ix *Index) scanChanges(scope Scope, after uint64) Changes {
	ix.mu.RLock()
	c := Changes{After: after, UpTo: ix.revision, Reset: after > ix.revision || after < ix.purged}
	ix.mu.RUnlock()
	if c.Reset {
		return c
	}
	ix.Scan(Query{Scope: scope, Order: []Order{{ByID, true}}}, func(e *Entry) bool {
		if e.Revision() > after {
			c.IDs = append(c.IDs, e.ID())
		}
		return len(c.IDs) <= MaxCatchUp
	})
	if c.Reset = len(c.IDs) > MaxCatchUp; c.Reset {
		c.IDs = nil
	}
	return c
}

// ChangesOf returns which of some jobs changed after a revision. Those outside of the scope are
// left out.
func (ix *Index) ChangesOf(scope Scope, ids []job.ID, after uint64) Changes {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	c := Changes{After: after, UpTo: ix.revision, Reset: after > ix.revision}
	seen := make(map[job.ID]bool, len(ids))
	for _, id := range ids {
		if seen[id] || c.Reset {
			continue
		}
		seen[id] = true
		_, s := ix.table.find(id)
		if s == nil {
			if r := ix.removedAt(scope, id); r > after {
				c.Removed = append(c.Removed, Removal{id, r})
			}
			continue
		}
		if s.revision > after && ix.sees(scope, s) {
			c.IDs = append(c.IDs, id)
		}
	}
	return c
}

// removedAt returns the revision at which a job that is not there was deleted: exactly when the
// ring knows, else the last that it can have been. To a watcher who knows already that says it once
// more, which does no harm; one who does not must hear it.
func (ix *Index) removedAt(scope Scope, id job.ID) uint64 {
	if r, ok := ix.ring.removed[id]; ok {
		if !scope.Includes(ix.owners.names[ix.ring.at(r).owner]) {
			return 0
		}
		return r
	}
	return min(ix.purged, ix.ring.floor)
}

// Unchanged reports whether nothing in the scope changed after a revision, and returns the present
// one.
func (ix *Index) Unchanged(scope Scope, after uint64) (now uint64, unchanged bool) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	last := ix.revision
	if !scope.All {
		last = 0
		if o := ix.owners.find(scope.Owner); o != nil {
			last = o.changed
		}
	}
	return ix.revision, ix.ring.reaches(after) && last <= after
}

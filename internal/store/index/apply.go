package index

import (
	"fmt"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Commit is what one commit of the store wrote, as far as the index is concerned, in the order in
// which it was written. The zero value is empty.
type Commit struct {
	writes           []write
	revision, purged uint64
	counted          bool // revision and purged are set
}

// write is a put or a delete of a job or, where there is a user, of a share.
type write struct {
	id     job.ID
	header *storev1.Header // of a job that was put
	user   string
	share  *Share // of a share that was put
}

// PutJob adds that the record of a job was written. The header must not change before Apply
// returns.
func (c *Commit) PutJob(id job.ID, h *storev1.Header) {
	c.writes = append(c.writes, write{id: id, header: h})
}

// DeleteJob adds that the record of a job was deleted.
func (c *Commit) DeleteJob(id job.ID) { c.writes = append(c.writes, write{id: id}) }

// PutShare adds what a user was given of a job, in the place of what they had.
func (c *Commit) PutShare(id job.ID, user string, sh *Share) {
	c.writes = append(c.writes, write{id: id, user: user, share: sh})
}

// DeleteShare adds that a user has nothing of a job any more.
func (c *Commit) DeleteShare(id job.ID, user string) {
	c.writes = append(c.writes, write{id: id, user: user})
}

// SetCounters adds the counters of the store: the revision of the latest change and that of the
// latest deletion.
func (c *Commit) SetCounters(revision, purged uint64) {
	c.revision, c.purged, c.counted = revision, purged, true
}

// Applied is what a commit changed, for those who wait for changes. Jobs and shares may be in it
// more than once.
type Applied struct {
	// Jobs that came, changed or went.
	Jobs []ChangedJob
	// Shares are the jobs that were shared or taken back.
	Shares []job.ID
}

// ChangedJob is a job that came, changed or went.
type ChangedJob struct {
	// ID of the job.
	ID job.ID
	// Owner of the job.
	Owner string
}

// Apply brings the index up to date with a commit and returns what it changed.
//
// A job that was put has the revision of its header, and one that was deleted the revision behind
// that of the change before it. An error means that the commit cannot follow what the index holds.
// The index is not to be used then.
func (ix *Index) Apply(c *Commit) (Applied, error) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	var out Applied
	for i := range c.writes {
		w := &c.writes[i]
		if w.user != "" {
			ix.shares.put(w.id, ix.ownerOf(w.id), w.user, w.share)
			out.Shares = append(out.Shares, w.id)
			continue
		}
		owner, err := ix.applyJob(w)
		if err != nil {
			return out, fmt.Errorf("apply a commit to the index: %w", err)
		}
		out.Jobs = append(out.Jobs, ChangedJob{w.id, ix.owners.names[owner]})
	}
	if err := ix.applyCounters(c); err != nil {
		return out, fmt.Errorf("apply a commit to the index: %w", err)
	}
	ix.dropIdleViews(ix.cfg.Now())
	return out, nil
}

// applyJob applies a write of a job and returns the number of its owner.
func (ix *Index) applyJob(w *write) (owner uint32, err error) {
	revision := ix.revision + 1
	_, s := ix.table.find(w.id)
	if s != nil {
		owner = s.ownerNo
	}
	switch {
	case w.header == nil && s == nil:
		return 0, fmt.Errorf("job %s is deleted and is not there", w.id)
	case w.header == nil:
		ix.remove(*s)
		ix.purged = revision
	default:
		if revision = w.header.GetRevision(); revision <= ix.revision {
			return 0, fmt.Errorf("job %s changes at revision %d, and the one before it is %d", w.id, revision, ix.revision)
		}
		if s != nil {
			err = ix.change(s, w.header)
		} else {
			owner, err = ix.insert(w.id, w.header)
		}
		if err != nil {
			return 0, err
		}
	}
	o := ix.owners.values[owner]
	ix.ring.push(revision, ringSlot{id: w.id, owner: owner, before: o.changed, removed: w.header == nil})
	o.changed, ix.revision = revision, revision
	return owner, nil
}

func (ix *Index) applyCounters(c *Commit) error {
	switch {
	case !c.counted:
		return nil
	case c.revision < ix.revision || c.purged < ix.purged || c.purged > c.revision:
		return fmt.Errorf("the counters are at revision %d with deletions up to %d, and the changes at %d and %d",
			c.revision, c.purged, ix.revision, ix.purged)
	case c.revision > ix.revision: // revisions were skipped: what came before is not known to be complete
		ix.ring.start(len(ix.ring.slots), c.revision)
	}
	ix.revision, ix.purged = c.revision, c.purged
	return nil
}

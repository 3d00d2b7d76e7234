package index

import (
	"fmt"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Commit is what one commit of the store wrote, as far as the index is concerned.
type Commit struct {
	// Writes in the order in which they were written.
	Writes []Write
	// Revision and Purged are those of the latest change and of the latest deletion, if the commit
	// stored them.
	Revision, Purged uint64
	// Counted is whether it did.
	Counted bool
}

// Write is a put or a delete of a job or, where there is a user, of what they have of a job.
type Write struct {
	// Job that was written.
	Job job.ID
	// Header of a job that was put. It must not change before Apply returns. Nil deletes the job.
	Header *storev1.Header
	// User of a share.
	User string
	// Share that was put, in the place of what the user had. Nil deletes it.
	Share *Share
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
	for i := range c.Writes {
		w := &c.Writes[i]
		if w.User != "" {
			ix.shares.put(w.Job, ix.ownerOf(w.Job), w.User, w.Share)
			out.Shares = append(out.Shares, w.Job)
			continue
		}
		owner, err := ix.applyJob(w)
		if err != nil {
			return out, fmt.Errorf("apply a commit to the index: %w", err)
		}
		out.Jobs = append(out.Jobs, ChangedJob{w.Job, ix.owners.names[owner]})
	}
	if err := ix.applyCounters(c); err != nil {
		return out, fmt.Errorf("apply a commit to the index: %w", err)
	}
	ix.dropIdleViews(ix.cfg.Now())
	return out, nil
}

// applyJob applies a write of a job and returns the number of its owner.
func (ix *Index) applyJob(w *Write) (owner uint32, err error) {
	revision := ix.revision + 1
	_, s := ix.table.find(w.Job)
	if s != nil {
		owner = s.ownerNo
	}
	switch {
	case w.Header == nil && s == nil:
		return 0, fmt.Errorf("job %s is deleted and is not there", w.Job)
	case w.Header == nil:
		ix.remove(*s)
		ix.purged = revision
	default:
		if revision = w.Header.GetRevision(); revision <= ix.revision {
			return 0, fmt.Errorf("job %s changes at revision %d, and the one before it is %d", w.Job, revision, ix.revision)
		}
		if s != nil {
			err = ix.change(s, w.Header)
		} else {
			owner, err = ix.insert(w.Job, w.Header)
		}
		if err != nil {
			return 0, err
		}
	}
	o := ix.owners.values[owner]
	ix.ring.push(revision, ringSlot{id: w.Job, owner: owner, before: o.changed, removed: w.Header == nil})
	o.changed, ix.revision = revision, revision
	return owner, nil
}

func (ix *Index) applyCounters(c *Commit) error {
	switch {
	case !c.Counted:
		return nil
	case c.Revision < ix.revision || c.Purged < ix.purged || c.Purged > c.Revision:
		return fmt.Errorf("the counters are at revision %d with deletions up to %d, and the changes at %d and %d",
			c.Revision, c.Purged, ix.revision, ix.purged)
	case c.Revision > ix.revision: // revisions were skipped: what came before is not known to be complete
		ix.ring.start(len(ix.ring.slots), c.Revision)
	}
	ix.revision, ix.purged = c.Revision, c.Purged
	return nil
}

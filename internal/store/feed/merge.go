package feed

import (
	"cmp"
	"slices"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
	"github.com/stint-jobs/stint/internal/store/record"
)

// readStep is how many jobs are read in one transaction.
const readStep = 512

// merge reads the jobs that changed and puts their changes into the order of
// revisions. gap means that a history may lack some of them.
func (f *Feed) merge(c *index.Changes) (list []*Change, gap bool, _ error) {
	for _, r := range c.Removed {
		list = append(list, &Change{Revision: r.Revision, ID: r.ID})
	}
	for ids := c.IDs; len(ids) > 0; {
		n := min(readStep, len(ids))
		err := f.view(func(tx *kv.ReadTx) error {
			for _, id := range ids[:n] {
				rec, err := record.Get(tx, id)
				if err != nil {
					return err
				}
				if rec == nil {
					continue // deleted a moment ago; its removal comes next
				}
				gap = gap || mayLack(c, rec)
				list = appendChanges(list, c, rec)
			}
			return nil
		})
		if err != nil || gap {
			return nil, gap, err
		}
		ids = ids[n:]
	}
	slices.SortFunc(list, func(a, b *Change) int {
		return cmp.Or(cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.ID, b.ID))
	})
	return list, false, nil
}

// within reports whether a change of that revision is asked for.
func within(c *index.Changes, revision uint64) bool { return revision > c.After && revision <= c.UpTo }

// appendChanges appends a job's changes. The record may be newer than the
// index was: what came after UpTo is for the next time.
func appendChanges(list []*Change, c *index.Changes, rec *storev1.Record) []*Change {
	j := rec.GetJob()
	id, _ := job.ParseID(j.GetId()) // which Decode has set
	for i, h := range j.GetHistory() {
		if !within(c, h.GetRevision()) || h.GetRevision() == j.GetRevision() {
			continue
		}
		list = append(list, &Change{Revision: h.GetRevision(), ID: id, Status: statusAt(j, i)})
	}
	if within(c, j.GetRevision()) {
		list = append(list, &Change{Revision: j.GetRevision(), ID: id, Status: StatusOf(j)})
	}
	return list
}

// mayLack reports whether changes that are asked for may have been dropped from
// a full history. Those dropped stood between its first entry and its second.
func mayLack(c *index.Changes, rec *storev1.Record) bool {
	h := rec.GetJob().GetHistory()
	if len(h) < record.MaxHistory {
		return false
	}
	first := max(h[0].GetRevision(), c.After) + 1
	last := min(h[1].GetRevision()-1, c.UpTo)
	return first <= last
}

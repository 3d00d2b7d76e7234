package store

import (
	"cmp"
	"slices"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
)

// merge reads the jobs that changed and puts their changes into the order of
// revisions. gap means that a history may lack some of them.
func (s *Store) merge(t *touched) (list []*Change, gap bool, _ error) {
	for _, r := range t.removed {
		list = append(list, &Change{Revision: r.revision, ID: r.id})
	}
	const some = 512
	for ids := t.ids; len(ids) > 0; {
		n := min(some, len(ids))
		err := s.read(func(r *reader) error {
			for _, id := range ids[:n] {
				rec, err := r.record(id)
				if err != nil {
					return err
				}
				if rec == nil {
					continue // deleted a moment ago; its removal comes next
				}
				gap = gap || t.mayLack(rec)
				list = t.appendChanges(list, rec)
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
func (t *touched) within(revision uint64) bool { return revision > t.after && revision <= t.upTo }

// appendChanges appends a job's changes. The record may be newer than the
// index was: what came after upTo is for the next time.
func (t *touched) appendChanges(list []*Change, rec *storev1.Record) []*Change {
	j := rec.GetJob()
	id := jobID(j)
	for i, h := range j.GetHistory() {
		if !t.within(h.GetRevision()) || h.GetRevision() == j.GetRevision() {
			continue
		}
		list = append(list, &Change{Revision: h.GetRevision(), ID: id, Status: statusAt(j, i)})
	}
	if t.within(j.GetRevision()) {
		list = append(list, &Change{Revision: j.GetRevision(), ID: id, Status: StatusOf(j)})
	}
	return list
}

// mayLack reports whether changes that are asked for may have been dropped from
// a full history. Those dropped stood between its first entry and its second.
func (t *touched) mayLack(rec *storev1.Record) bool {
	h := rec.GetJob().GetHistory()
	if len(h) < maxHistory {
		return false
	}
	first := max(h[0].GetRevision(), t.after) + 1
	last := min(h[1].GetRevision()-1, t.upTo)
	return first <= last
}

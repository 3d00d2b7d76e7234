package store

import (
	"context"
	"fmt"
	"sync"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Watch is what a watcher follows.
type Watch struct {
	// Scope is whose jobs; those outside of it do not exist.
	Scope Scope
	// IDs are the jobs to follow; nil means all jobs of the scope.
	IDs []job.ID
}

// Change is one change of a job's status.
type Change struct {
	// Revision of the change.
	Revision uint64
	// ID of the job.
	ID job.ID
	// Status of the job as of the change. It is shared between watchers: read-only. Nil when the job was deleted.
	Status *jobsv1.JobStatus

	once sync.Once
	made []byte
}

// Share answers what encode makes of the change. It is called once for all watchers
// that share the change, so that thousands of them need not each make the same. The answer is read-only.
func (c *Change) Share(encode func() []byte) []byte {
	c.once.Do(func() { c.made = encode() })
	return c.made
}

// Changes is what Store.Changes answers.
type Changes struct {
	// List is in the order of revisions. It is shared between watchers: read-only.
	List []*Change
	// UpTo is the revision to go on after.
	UpTo uint64
	// More is whether there was more than the limit: call again at once.
	More bool
	// Reset is whether the changes since then are not known any more. Then List
	// is empty, and a snapshot must replace what the watcher knows, after which it goes on from UpTo.
	Reset bool
}

const (
	defaultChanges = 1000
	// maxCatchUp is how many changed jobs are merged for a watcher who was away; above, a snapshot is cheaper for both sides.
	maxCatchUp = 10_000
)

// Changes answers every change of status strictly after a revision, in the
// order of revisions: each change of state, reason or attempt once, and at the
// end each job's present status. What only changed progress or words is there
// as long as nothing newer replaced it. limit bounds the answer, zero means
// 1,000; only of jobs of which no more is known than that they are gone can there be more.
//
// It answers Reset when the revision is from another life of the store, when
// jobs were deleted too long ago to tell which, when more than 10,000 jobs
// changed, or when one changed so often that its history has a gap.
func (s *Store) Changes(ctx context.Context, w Watch, after uint64, limit int) (Changes, error) {
	if limit <= 0 {
		limit = defaultChanges
	}
	if err := s.open(); err != nil {
		return Changes{}, err
	}
	if w.IDs != nil {
		return s.changesNow(w, after, limit)
	}
	now, quiet := s.ix.quiet(w.Scope, after)
	if quiet {
		return Changes{UpTo: now}, nil
	}
	return s.passes.share(ctx, passKey{w.Scope, after, limit}, now, func() (Changes, error) {
		return s.changesNow(w, after, limit)
	})
}

// quiet reports whether nothing in the scope changed after a revision, and the present one.
func (ix *index) quiet(scope Scope, after uint64) (now uint64, quiet bool) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	last := ix.revision
	if !scope.All {
		last = 0
		if _, o := ix.owners.find(scope.Owner); o != nil {
			last = o.changed
		}
	}
	return ix.revision, ix.ring.reaches(after) && last <= after
}

func (s *Store) changesNow(w Watch, after uint64, limit int) (Changes, error) {
	t := s.ix.changed(w, after, limit)
	if t.reset || len(t.ids) == 0 && len(t.removed) == 0 {
		return Changes{UpTo: t.upTo, Reset: t.reset}, nil
	}
	list, gap, err := s.merge(t)
	if err != nil {
		return Changes{}, fmt.Errorf("read changes after %d: %w", after, err)
	}
	if gap {
		return Changes{UpTo: s.Revision(), Reset: true}, nil
	}
	out := Changes{List: list, UpTo: t.upTo, More: t.more}
	if cut := cutAt(list, limit); cut < len(list) {
		out.List, out.More, out.UpTo = list[:cut:cut], true, list[cut-1].Revision
	}
	return out, nil
}

// cutAt is where to cut a list: behind limit changes, and not between changes of one revision.
func cutAt(list []*Change, limit int) int {
	n := min(limit, len(list))
	for n < len(list) && list[n].Revision == list[n-1].Revision {
		n++
	}
	return n
}

// ChangedSince answers the ids of jobs that changed, came or went strictly
// after a revision, each once, by looking at no more than limit changes, and the revision to go
// on after; that is less than Revision when there is more. It is false when
// changes as old as that are not in memory any more: read everything then.
func (s *Store) ChangedSince(after uint64, limit int) (ids []job.ID, upTo uint64, ok bool) {
	t := s.ix.ringTouched(Everyone, after, limit)
	if t == nil {
		return nil, after, false
	}
	ids = t.ids
	for _, r := range t.removed {
		ids = append(ids, r.id)
	}
	return ids, t.upTo, true
}

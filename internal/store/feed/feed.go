// Package feed tells watchers what changed: every change of a status after a revision once, in the
// order of revisions, or that a snapshot is needed.
package feed

import (
	"context"
	"fmt"
	"sync"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// Watch is what a watcher follows.
type Watch struct {
	// Scope is whose jobs; those outside of it do not exist.
	Scope index.Scope
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

// Share returns what encode makes of the change. It is called once for all watchers
// that share the change, so that thousands of them need not each make the same. The result is read-only.
func (c *Change) Share(encode func() []byte) []byte {
	c.once.Do(func() { c.made = encode() })
	return c.made
}

// Changes is what Feed.Changes returns.
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

// Feed reads changes: which, from the index, and what, from the records. Its methods may be called at
// the same time.
type Feed struct {
	ix      *index.Index
	view    func(func(*kv.ReadTx) error) error
	flights flights
}

// New returns the feed of an index and of the records that view shows.
func New(ix *index.Index, view func(func(*kv.ReadTx) error) error) *Feed {
	return &Feed{ix: ix, view: view}
}

const defaultChanges = 1000

// Changes returns every change of status strictly after a revision, in the
// order of revisions: each change of state, reason or attempt once, and at the
// end each job's present status. What only changed progress or words is there
// as long as nothing newer replaced it. limit bounds the result, zero means
// 1,000; only of jobs of which no more is known than that they are gone can there be more.
//
// It returns Reset when jobs were deleted too long ago to tell which, when more than 10,000 jobs
// changed, or when one changed so often that its history has a gap.
func (f *Feed) Changes(ctx context.Context, w Watch, after uint64, limit int) (Changes, error) {
	if limit <= 0 {
		limit = defaultChanges
	}
	if w.IDs != nil {
		return f.read(w, after, limit)
	}
	now, unchanged := f.ix.Unchanged(w.Scope, after)
	if unchanged {
		return Changes{UpTo: now}, nil
	}
	return f.flights.share(ctx, flightKey{w.Scope, after, limit}, now, func() (Changes, error) {
		return f.read(w, after, limit)
	})
}

func (f *Feed) read(w Watch, after uint64, limit int) (Changes, error) {
	var found index.Changes
	if w.IDs != nil {
		found = f.ix.ChangesOf(w.Scope, w.IDs, after)
	} else {
		found = f.ix.Changes(w.Scope, after, limit)
	}
	if found.Reset || len(found.IDs) == 0 && len(found.Removed) == 0 {
		return Changes{UpTo: found.UpTo, Reset: found.Reset}, nil
	}
	list, gap, err := f.merge(&found)
	if err != nil {
		return Changes{}, fmt.Errorf("read changes after %d: %w", after, err)
	}
	if gap {
		return Changes{UpTo: f.ix.Revision(), Reset: true}, nil
	}
	out := Changes{List: list, UpTo: found.UpTo, More: found.More}
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

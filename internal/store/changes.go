package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/index"
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

// Share returns what encode makes of the change. It is called once for all watchers
// that share the change, so that thousands of them need not each make the same. The result is read-only.
func (c *Change) Share(encode func() []byte) []byte {
	c.once.Do(func() { c.made = encode() })
	return c.made
}

// Changes is what Store.Changes returns.
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

const defaultChanges = 1000

// Changes returns every change of status strictly after a revision, in the
// order of revisions: each change of state, reason or attempt once, and at the
// end each job's present status. What only changed progress or words is there
// as long as nothing newer replaced it. limit bounds the result, zero means
// 1,000; only of jobs of which no more is known than that they are gone can there be more.
//
// It returns Reset when the revision is of another incarnation of the store, when
// jobs were deleted too long ago to tell which, when more than 10,000 jobs
// changed, or when one changed so often that its history has a gap.
func (s *Store) Changes(ctx context.Context, w Watch, after uint64, limit int) (Changes, error) {
	if limit <= 0 {
		limit = defaultChanges
	}
	if err := s.open(); err != nil {
		return Changes{}, err
	}
	if s.inGap(after) {
		return Changes{UpTo: s.Revision(), Reset: true}, nil
	}
	if w.IDs != nil {
		return s.changesNow(w, after, limit)
	}
	now, unchanged := s.ix.Unchanged(w.Scope, after)
	if unchanged {
		return Changes{UpTo: now}, nil
	}
	return s.flights.share(ctx, flightKey{w.Scope, after, limit}, now, func() (Changes, error) {
		return s.changesNow(w, after, limit)
	})
}

func (s *Store) changesNow(w Watch, after uint64, limit int) (Changes, error) {
	var found index.Changes
	if w.IDs != nil {
		found = s.ix.ChangesOf(w.Scope, w.IDs, after)
	} else {
		found = s.ix.Changes(w.Scope, after, limit)
	}
	if found.Reset || len(found.IDs) == 0 && len(found.Removed) == 0 {
		return Changes{UpTo: found.UpTo, Reset: found.Reset}, nil
	}
	list, gap, err := s.merge(&found)
	if err != nil {
		return Changes{}, fmt.Errorf("read changes after %d: %w", after, err)
	}
	if gap {
		return Changes{UpTo: s.Revision(), Reset: true}, nil
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

// ChangedSince returns the ids of jobs that changed, came or went strictly
// after a revision, each once, by looking at no more than limit changes, and the revision to go
// on after; that is less than Revision when there is more. It is false when
// changes as old as that are not in memory any more: read everything then.
func (s *Store) ChangedSince(after uint64, limit int) (ids []job.ID, upTo uint64, ok bool) {
	found, ok := s.ix.RecentChanges(Everyone, after, limit)
	if !ok {
		return nil, after, false
	}
	ids = found.IDs
	for _, r := range found.Removed {
		ids = append(ids, r.ID)
	}
	return ids, found.UpTo, true
}

// flights lets watchers of the same jobs who are as far share one reading of the
// changes: a change of a busy owner wakes all of that owner's watchers at once.
type flights struct {
	mu       sync.Mutex
	revision uint64 // all flights started at this revision or later
	byKey    map[flightKey]*flight
}

type flightKey struct {
	scope Scope
	after uint64
	limit int
}

type flight struct {
	done   chan struct{}
	result Changes
	err    error
}

// errFlight is what those who wait get of a flight that panicked.
var errFlight = errors.New("the reading of the changes broke off")

// maxFlights bounds what is kept for others to share.
const maxFlights = 4096

// share returns what run returns, from another caller's run if that started no
// earlier than at the revision now.
func (f *flights) share(ctx context.Context, key flightKey, now uint64, run func() (Changes, error)) (Changes, error) {
	found, mine := f.join(key, now)
	if found == nil {
		return run()
	}
	if mine {
		defer close(found.done)
		found.result, found.err = run()
		return found.result, found.err
	}
	select {
	case <-found.done:
		return found.result, found.err
	case <-ctx.Done():
		return Changes{}, ctx.Err()
	}
}

// join returns the flight of a key or makes one for the caller to run; nil when there are too many.
func (f *flights) join(key flightKey, now uint64) (_ *flight, mine bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byKey == nil || now > f.revision {
		f.byKey, f.revision = make(map[flightKey]*flight), now
	}
	if found := f.byKey[key]; found != nil {
		return found, false
	}
	if len(f.byKey) >= maxFlights {
		return nil, false
	}
	found := &flight{done: make(chan struct{}), err: errFlight}
	f.byKey[key] = found
	return found, true
}

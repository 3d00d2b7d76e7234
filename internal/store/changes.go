package store

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
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
	// Job is the job in the view BASIC, as of the change. It is shared between watchers: read-only. Nil when the job was deleted.
	Job *jobsv1.Job
	// Before is the same as of the change of state, reason or attempt before. Nil where none is known.
	Before *jobsv1.Job

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

const (
	// defaultChanges is the limit of Changes where none is given.
	defaultChanges = 1000
	// readStep is how many jobs are read in one transaction.
	readStep = 512
	// maxReadings bounds what is kept for others to share.
	maxReadings = 4096
)

// Changes returns every change of status strictly after a revision, in the
// order of revisions: each change of state, reason or attempt once, and at the
// end each job's present status. What only changed progress or words is there
// as long as nothing newer replaced it. limit bounds the result, zero means
// 1,000; only of jobs of which no more is known than that they are gone can there be more.
//
// It returns Reset when jobs were deleted too long ago to tell which, when more than 10,000 jobs
// changed, when one changed so often that its history has a gap, or when the revision is of another incarnation of the
// store.
func (s *Store) Changes(w Watch, after uint64, limit int) (Changes, error) {
	if err := s.open(); err != nil {
		return Changes{}, err
	}
	if limit <= 0 {
		limit = defaultChanges
	}
	if s.inGap(after) {
		return Changes{UpTo: s.Revision(), Reset: true}, nil
	}
	if w.IDs != nil {
		return s.readChanges(w.Scope, s.mem.index.ChangesOf(w.Scope, w.IDs, after), limit)
	}
	now, unchanged := s.mem.index.Unchanged(w.Scope, after)
	if unchanged {
		return Changes{UpTo: now}, nil
	}
	return s.reading(readingKey{w.Scope, after, limit}, now)()
}

// inGap reports whether no change of this incarnation can have a revision. Who resumes after it has seen another one.
func (s *Store) inGap(revision uint64) bool {
	for _, g := range s.Settings().GetGaps() {
		if revision > g.GetAfter() && revision < g.GetUntil() {
			return true
		}
	}
	return false
}

// readings lets watchers of the same jobs who are as far share one reading of the
// changes: a change of a busy owner wakes all of that owner's watchers at once.
type readings struct {
	mu       sync.Mutex
	revision uint64 // all of them were begun at this revision or later
	byKey    map[readingKey]func() (Changes, error)
}

type readingKey struct {
	scope Scope
	after uint64
	limit int
}

// reading returns a function that reads changes, or returns what another caller's reading found, if that began no earlier
// than at the revision now.
func (s *Store) reading(key readingKey, now uint64) func() (Changes, error) {
	r := &s.readings
	r.mu.Lock()
	defer r.mu.Unlock()
	if now > r.revision || len(r.byKey) >= maxReadings || r.byKey == nil {
		r.byKey, r.revision = make(map[readingKey]func() (Changes, error)), now
	}
	if r.byKey[key] == nil {
		r.byKey[key] = sync.OnceValues(func() (Changes, error) {
			return s.readChanges(key.scope, s.mem.index.Changes(key.scope, key.after, key.limit), key.limit)
		})
	}
	return r.byKey[key]
}

func (s *Store) readChanges(scope Scope, found index.Changes, limit int) (Changes, error) {
	if found.Reset || len(found.IDs) == 0 && len(found.Removed) == 0 {
		return Changes{UpTo: found.UpTo, Reset: found.Reset}, nil
	}
	list, gap, err := s.merge(scope, &found)
	if err != nil {
		return Changes{}, fmt.Errorf("read changes after %d: %w", found.After, err)
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

// merge reads the jobs that changed and puts their changes into the order of
// revisions. gap means that a history may lack some of them.
func (s *Store) merge(scope Scope, c *index.Changes) (list []*Change, gap bool, _ error) {
	for _, r := range c.Removed {
		list = append(list, &Change{Revision: r.Revision, ID: r.ID})
	}
	for ids := range slices.Chunk(c.IDs, readStep) {
		err := s.view(func(tx *kv.ReadTx) error {
			for _, id := range ids {
				rec, err := file.Get(tx, id)
				if err != nil {
					return err
				}
				if rec == nil {
					continue // deleted a moment ago; its removal comes next
				}
				gap = gap || mayLack(c, rec)
				if !scope.Includes(rec.GetJob().GetOwner()) {
					hideFromOthers(rec.GetJob())
				}
				list = appendChanges(list, c, id, rec)
			}
			return nil
		})
		if err != nil || gap {
			return nil, gap, err
		}
	}
	slices.SortFunc(list, func(a, b *Change) int {
		return cmp.Or(cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.ID, b.ID))
	})
	return list, false, nil
}

func within(c *index.Changes, revision uint64) bool { return revision > c.After && revision <= c.UpTo }

// appendChanges appends a job's changes. The record may be newer than the
// index was: what came after UpTo is for the next time.
func appendChanges(list []*Change, c *index.Changes, id job.ID, rec *storev1.Record) []*Change {
	j := rec.GetJob()
	var before *jobsv1.Job
	for i, h := range j.GetHistory() {
		switch {
		case h.GetRevision() == j.GetRevision():
			continue
		case within(c, h.GetRevision()):
			if before == nil && i > 0 {
				before = basicAt(j, i-1)
			}
			now := basicAt(j, i)
			list = append(list, &Change{Revision: h.GetRevision(), ID: id, Job: now, Before: before})
			before = now
		}
	}
	if within(c, j.GetRevision()) {
		if before == nil {
			before = basicBefore(j)
		}
		j.Attempts, j.History = nil, nil
		list = append(list, &Change{Revision: j.GetRevision(), ID: id, Job: j, Before: before})
	}
	return list
}

// mayLack reports whether changes that are asked for may have been dropped from
// a full history. Those dropped stood between its first entry and its second.
func mayLack(c *index.Changes, rec *storev1.Record) bool {
	h := rec.GetJob().GetHistory()
	if len(h) < file.MaxHistory {
		return false
	}
	first := max(h[0].GetRevision(), c.After) + 1
	last := min(h[1].GetRevision()-1, c.UpTo)
	return first <= last
}

// ChangedSince returns the ids of jobs that changed, came or went strictly
// after a revision, each once, by looking at no more than limit changes, and the revision to go
// on after; that is less than Revision when there is more. It is false when
// changes as old as that are not in memory any more: read everything then.
func (s *Store) ChangedSince(after uint64, limit int) (ids []job.ID, upTo uint64, ok bool) {
	found, ok := s.mem.index.RecentChanges(Everyone, after, limit)
	if !ok {
		return nil, after, false
	}
	ids = found.IDs
	for _, r := range found.Removed {
		ids = append(ids, r.ID)
	}
	return ids, found.UpTo, true
}

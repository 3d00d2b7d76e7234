package store

import (
	"context"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/feed"
)

// What a watcher follows, and what it reads; see package feed.
type (
	// Watch is what a watcher follows.
	Watch = feed.Watch
	// Change is one change of a job's status.
	Change = feed.Change
	// Changes is what Store.Changes returns.
	Changes = feed.Changes
)

// StatusOf returns the part of a job that a watch shows. The result shares the job's messages.
func StatusOf(j *jobsv1.Job) *jobsv1.JobStatus { return feed.StatusOf(j) }

// Changes returns every change of status strictly after a revision; see feed.Feed. It returns Reset also when the
// revision is of another incarnation of the store.
func (s *Store) Changes(ctx context.Context, w Watch, after uint64, limit int) (Changes, error) {
	if err := s.open(); err != nil {
		return Changes{}, err
	}
	if s.inGap(after) {
		return Changes{UpTo: s.Revision(), Reset: true}, nil
	}
	return s.feed.Changes(ctx, w, after, limit)
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

// ChangedSince returns the ids of jobs that changed, came or went strictly
// after a revision, each once, by looking at no more than limit changes, and the revision to go
// on after; that is less than Revision when there is more. It is false when
// changes as old as that are not in memory any more: read everything then.
func (s *Store) ChangedSince(after uint64, limit int) (ids []job.ID, upTo uint64, ok bool) {
	found, ok := s.state.Index.RecentChanges(Everyone, after, limit)
	if !ok {
		return nil, after, false
	}
	ids = found.IDs
	for _, r := range found.Removed {
		ids = append(ids, r.ID)
	}
	return ids, found.UpTo, true
}

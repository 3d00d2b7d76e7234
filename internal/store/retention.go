package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Keep bounds the finished jobs of one state.
type Keep struct {
	// For is how long a job is kept after it completed. Zero means for ever.
	For time.Duration
	// AtMost is how many jobs are kept; those that completed first go first. Zero means any number.
	AtMost int
}

// Retention says by final state which jobs are kept. A state that it does not name is kept for ever.
type Retention map[jobsv1.State]Keep

// deleteBatch is how many jobs retention deletes in one commit.
const deleteBatch = 500

// ApplyRetention deletes the jobs that Config.Retention does not keep and
// answers their ids, so that their folders can be deleted too. On an error it answers those deleted before.
func (s *Store) ApplyRetention(ctx context.Context, now time.Time) ([]job.ID, error) {
	var deleted []job.ID
	for _, state := range job.States {
		keep, ok := s.cfg.Retention[state]
		if !ok || !job.Terminal(state) {
			continue
		}
		for ids := range slices.Chunk(s.expired(state, keep, now), deleteBatch) {
			gone, err := s.Delete(ctx, ids...)
			deleted = append(deleted, gone...)
			if err != nil {
				return deleted, err
			}
		}
	}
	return deleted, nil
}

// expired are the jobs of a state that are not kept, oldest first.
func (s *Store) expired(state jobsv1.State, keep Keep, now time.Time) []job.ID {
	type done struct {
		at int64
		id job.ID
	}
	var all []done
	p := plan{owner: anyOwner, service: anyService, states: 1 << stateIndex(state)}
	w := walk{ix: s.ix, plan: &p, look: scanPause}
	for !w.done {
		s.ix.mu.RLock()
		w.run(func(e *Entry) bool {
			all = append(all, done{e.CompleteTime(), e.ID()})
			return true
		})
		s.ix.mu.RUnlock()
	}
	slices.SortFunc(all, func(a, b done) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id))
	})
	n := 0
	if keep.AtMost > 0 {
		n = max(0, len(all)-keep.AtMost)
	}
	if limit := now.Add(-keep.For).UnixNano(); keep.For > 0 {
		old, _ := slices.BinarySearchFunc(all, limit, func(d done, limit int64) int { return cmp.Compare(d.at, limit) })
		n = max(n, old)
	}
	ids := make([]job.ID, n)
	for i := range ids {
		ids[i] = all[i].id
	}
	return ids
}

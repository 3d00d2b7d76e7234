package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/index"
)

// Delete deletes finished jobs in one commit and returns those that were there. The same commit dooms their folders: see
// Doomed. A request id is known as long as any of its jobs is there, and at least for RequestLife.
// A job that is not final is job.ErrConflict, and then none is deleted.
func (s *Store) Delete(ctx context.Context, ids ...job.ID) ([]job.ID, error) {
	deleted, err := write(ctx, s, len(ids), func(b *batch) ([]job.ID, error) { return b.delete(ids) })
	if err != nil {
		return nil, fmt.Errorf("delete %d jobs: %w", len(ids), err)
	}
	return deleted, nil
}

func (b *batch) delete(ids []job.ID) ([]job.ID, error) {
	found := make(map[job.ID]string, len(ids)) // owners
	requests := make(map[string]int64)         // when their jobs were submitted, by request.Key
	var order []job.ID
	for _, id := range ids {
		h, err := file.GetHeader(&b.tx.ReadTx, id)
		if err != nil {
			return nil, err
		}
		if _, twice := found[id]; h == nil || twice {
			continue
		}
		if !job.Terminal(h.GetState()) {
			return nil, fmt.Errorf("job %s is not finished: %w", id, job.ErrConflict)
		}
		found[id] = h.GetOwner()
		order = append(order, id)
		if h.GetRequestId() != "" {
			requests[string(file.RequestKey(h.GetOwner(), h.GetRequestId()))] = h.GetSubmitTimeNs()
		}
	}
	for _, id := range order {
		if err := b.deleteJob(id); err != nil {
			return nil, err
		}
		b.counters.Purged = b.nextRevision()
		b.changes = append(b.changes, index.ChangedJob{ID: id, Owner: found[id]})
	}
	if err := b.keepRequests(requests); err != nil {
		return nil, err
	}
	return order, nil
}

// deleteJob stages that everything of a job is deleted, and that its folder is to be removed.
func (b *batch) deleteJob(id job.ID) error {
	if err := b.tx.Delete(file.Jobs, id.Key()); err != nil {
		return err
	}
	if err := b.tx.Delete(file.Specs, id.Key()); err != nil {
		return err
	}
	if err := b.unshareAll(id); err != nil {
		return err
	}
	return b.tx.PutMessage(file.Doomed, id.Key(), &storev1.Doomed{DeleteTimeNs: b.stamp.AsTime().UnixNano()})
}

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

// ApplyRetention deletes the jobs that Config.Retention does not keep, as Delete does, and returns their ids.
// On an error it returns those deleted before. On a full disk it waits for room, which it makes.
func (s *Store) ApplyRetention(ctx context.Context, now time.Time) (deleted []job.ID, _ error) {
	for _, state := range job.States {
		keep, ok := s.cfg.Retention[state]
		if !ok || !job.Terminal(state) {
			continue
		}
		for ids := range slices.Chunk(s.expired(state, keep, now), deleteBatch) {
			gone, err := s.Delete(Internal(ctx), ids...)
			deleted = append(deleted, gone...)
			if err != nil {
				return deleted, err
			}
		}
	}
	return deleted, nil
}

// expired returns the jobs of a state that are not kept, oldest first.
func (s *Store) expired(state jobsv1.State, keep Keep, now time.Time) []job.ID {
	type done struct {
		at int64
		id job.ID
	}
	var all []done
	s.mem.index.Scan(index.Query{Scope: Everyone, States: []jobsv1.State{state}}, func(e *Entry) bool {
		all = append(all, done{e.CompleteTime(), e.ID()})
		return true
	})
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

package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
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
			gone, err := write(Internal(ctx), s, len(ids), func(b *batch) ([]job.ID, error) {
				unkept, err := b.notKept(ids) // somebody may have asked to keep one a moment ago
				if err != nil {
					return nil, err
				}
				return b.delete(unkept)
			})
			deleted = append(deleted, gone...)
			if err != nil {
				return deleted, fmt.Errorf("delete %d jobs: %w", len(ids), err)
			}
		}
	}
	return deleted, nil
}

// notKept returns those of some jobs that their owners do not keep.
func (b *batch) notKept(ids []job.ID) (unkept []job.ID, _ error) {
	for _, id := range ids {
		h, err := file.GetHeader(&b.tx.ReadTx, id)
		if err != nil {
			return nil, err
		}
		if h.GetKeepTimeNs() == 0 {
			unkept = append(unkept, id)
		}
	}
	return unkept, nil
}

// expired returns the jobs of a state that retention does not keep, oldest first. Those that their owners keep are not
// among them, and do not count.
func (s *Store) expired(state jobsv1.State, keep Keep, now time.Time) []job.ID {
	kept := s.mem.index.KeptJobs()
	type done struct {
		at int64
		id job.ID
	}
	var all []done
	s.mem.index.Scan(index.Query{Scope: Everyone, States: []jobsv1.State{state}}, func(e *Entry) bool {
		if !kept[e.ID()] {
			all = append(all, done{e.CompleteTime(), e.ID()})
		}
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

// The folder of a job outlives its record by a moment: the commit that deletes a job puts its id into the bucket doomed,
// and whoever has removed the folder takes it out again. So a crash in between, or a folder that cannot be removed at
// once, leaves an id there, and no folder without one.

// Doomed returns up to limit jobs with ids above after that were deleted and whose folders may still be there, in the
// order of ids.
func (s *Store) Doomed(after job.ID, limit int) (ids []job.ID, _ error) {
	err := s.view(func(tx *kv.ReadTx) error {
		for k := range tx.Ascend(file.Doomed, (after + 1).Key()) {
			id, err := file.JobID(k)
			if err != nil || len(ids) == limit {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the folders to be removed: %w", err)
	}
	return ids, nil
}

// FoldersRemoved takes jobs out of those that Doomed returns. Their folders are gone. On a full disk it waits for room.
func (s *Store) FoldersRemoved(ctx context.Context, ids ...job.ID) error {
	err := s.do(Internal(ctx), len(ids), func(b *batch) error {
		for _, id := range ids {
			if b.tx.Get(file.Doomed, id.Key()) == nil {
				continue // memory counts what is taken out
			}
			if err := b.tx.Delete(file.Doomed, id.Key()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note that %d folders are removed: %w", len(ids), err)
	}
	return nil
}

// Unclaimed returns which of the ids were given to jobs of this database that are neither there nor doomed: nothing needs
// their folders. Ids that were not given out yet are never among them, and neither are those that jobs of another
// incarnation may have, whose folders are all that is left of them.
func (s *Store) Unclaimed(ids []job.ID) (unclaimed []job.ID, _ error) {
	err := s.view(func(tx *kv.ReadTx) error {
		counters, err := file.ReadCounters(tx)
		if err != nil {
			return err
		}
		set, err := file.ReadSettings(tx)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if id == 0 || id >= counters.NextID || file.IsForeign(set, id) {
				continue
			}
			if tx.Get(file.Jobs, id.Key()) == nil && tx.Get(file.Doomed, id.Key()) == nil {
				unclaimed = append(unclaimed, id)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up %d folders: %w", len(ids), err)
	}
	return unclaimed, nil
}

// skipTo has new jobs begin at an id, because there are folders of jobs below it that the database does not know.
func (s *Store) skipTo(ctx context.Context, first job.ID) error {
	from := s.mem.counters.NextID
	s.cfg.Logger.Warn("ids are skipped: there are folders of jobs that the database does not know. They are left alone", "from", from, "to", first)
	err := s.do(ctx, 1, func(b *batch) error {
		set := proto.CloneOf(s.Settings())
		file.SkipIDs(set, b.counters.NextID, first)
		b.counters.NextID = first
		return file.PutSettings(b.tx, set)
	})
	if err != nil {
		return fmt.Errorf("skip the ids %s to %s: %w", from, first, err)
	}
	return nil
}

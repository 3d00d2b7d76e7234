package store

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// The folder of a job outlives its record by a moment: the commit that deletes a job puts its id into the bucket doomed,
// and whoever has removed the folder takes it out again. So a crash in between, or a folder that cannot be removed at
// once, leaves an id there and no folder that nobody knows.

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

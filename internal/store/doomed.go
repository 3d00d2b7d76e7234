package store

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// The folder of a job outlives its record by a moment: the commit that deletes a job puts its id into the bucket doomed,
// and whoever has removed the folder takes it out again. So a crash in between, or a folder that cannot be removed at
// once, leaves an id there and no folder that nobody knows.

// doom stages that the folder of a job is to be removed.
func (b *batch) doom(id job.ID) error {
	raw, err := proto.Marshal(&storev1.Doomed{DeleteTimeNs: b.now.UnixNano()})
	if err != nil {
		return err
	}
	return b.tx.Put(bucketDoomed, id.Key(), raw)
}

// Doomed returns up to limit jobs with ids above after that were deleted and whose folders may still be there, in the
// order of ids.
func (s *Store) Doomed(after job.ID, limit int) ([]job.ID, error) {
	var ids []job.ID
	err := s.read(func(r *reader) error {
		c := r.tx.Cursor(bucketDoomed)
		for k, _ := c.Seek((after + 1).Key()); k != nil && len(ids) < limit; k, _ = c.Next() {
			id, err := jobIDOfKey(k)
			if err != nil {
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

// FoldersRemoved takes jobs out of those that Doomed returns. Their folders are gone.
func (s *Store) FoldersRemoved(ctx context.Context, ids ...job.ID) error {
	err := s.do(ctx, len(ids), func(b *batch) error {
		for _, id := range ids {
			if b.tx.Get(bucketDoomed, id.Key()) == nil { // memory counts what is taken out
				continue
			}
			if err := b.tx.Delete(bucketDoomed, id.Key()); err != nil {
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
func (s *Store) Unclaimed(ids []job.ID) ([]job.ID, error) {
	var unclaimed []job.ID
	err := s.read(func(r *reader) error {
		info, err := readInfo(r.tx)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if id == 0 || id >= info.NextID || isForeign(info.Settings, id) {
				continue
			}
			if r.tx.Get(bucketJobs, id.Key()) == nil && r.tx.Get(bucketDoomed, id.Key()) == nil {
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

// isForeign reports whether a job of another incarnation may have the id.
func isForeign(set *storev1.Settings, id job.ID) bool {
	for _, r := range set.GetForeignIds() {
		if uint64(id) >= r.GetFrom() && uint64(id) < r.GetUntil() {
			return true
		}
	}
	return false
}

// skipIDs notes in the settings that ids are skipped since jobs of another incarnation may have them.
func skipIDs(set *storev1.Settings, from, until job.ID) {
	if until > from {
		set.ForeignIds = append(set.ForeignIds, &storev1.IdRange{From: uint64(from), Until: uint64(until)})
	}
}

// skipTo has new jobs begin at an id, because there are folders of jobs below it that the database does not know.
func (s *Store) skipTo(ctx context.Context, first job.ID) error {
	from := s.meta.nextID
	s.log.Warn("ids are skipped: there are folders of jobs that the database does not know. They are left alone", "from", from, "to", first)
	err := s.do(ctx, 1, func(b *batch) error {
		set := proto.CloneOf(s.Settings())
		skipIDs(set, b.meta.nextID, first)
		raw, err := proto.Marshal(set)
		if err != nil {
			return err
		}
		b.meta.nextID = first
		return b.tx.Put(bucketMeta, keySettings, raw)
	})
	if err != nil {
		return fmt.Errorf("skip the ids %s to %s: %w", from, first, err)
	}
	return nil
}

// countDoomed returns how many folders are to be removed.
func countDoomed(tx *kv.ReadTx) (n int64) {
	_ = each(tx, bucketDoomed, func(_, _ []byte) error {
		n++
		return nil
	})
	return n
}

// takeDoomed counts a write to the bucket doomed. A job is put into it once, and only what is there is deleted.
func (a *applied) takeDoomed(w kv.Write) {
	if w.Kind == kv.KindDelete {
		a.doomed--
		return
	}
	a.doomed++
}

// doomed checks the bucket of that name.
func (c *recordChecker) doomed() error {
	return each(c.tx, bucketDoomed, func(k, raw []byte) error {
		id, err := jobIDOfKey(k)
		where := fmt.Sprintf("doomed folder %x", k)
		switch {
		case err != nil || proto.Unmarshal(raw, &storev1.Doomed{}) != nil:
			c.add(where, "it cannot be read")
		case id == 0 || id >= c.meta.nextID:
			c.add(where, "the id was not given out: the next one is %d", c.meta.nextID)
		case c.tx.Get(bucketJobs, k) != nil:
			c.add(where, "the job is there")
		}
		return nil
	})
}

// compareDoomed compares how many folders are to be removed with what memory says.
func (c *checker) compareDoomed(s *Store, tx *kv.ReadTx) {
	if have, want := s.doomed.Load(), countDoomed(tx); have != want {
		c.add("index", "it counts %d doomed folders, and the file has %d", have, want)
	}
}

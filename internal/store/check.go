package store

import (
	"context"
	"fmt"
	"iter"
	"maps"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// Check re-derives everything from the records and compares, between two
// commits: the file's own structure, every record, and what is in memory. Writes wait meanwhile, and reads may.
func (s *Store) Check(ctx context.Context) ([]file.Problem, error) {
	var c file.Checker
	err := s.do(ctx, 1, func(*batch) error { // while nothing else is written
		return s.view(func(tx *kv.ReadTx) error {
			if err := c.Database(ctx, tx); err != nil {
				return err
			}
			fresh, err := load(tx, s.cfg.index)
			if err != nil {
				return err
			}
			for id, err := range fresh.damaged {
				c.Add("job "+id.String(), "it is put aside: %v", err)
			}
			s.mem.compare(fresh, func(where, what string) { c.Add(where, "%s", what) })
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("check store: %w", err)
	}
	return c.Problems(), nil
}

// Damaged returns the jobs that were put aside when the store was opened, because their records cannot be read, and why.
// They are in no list and no count; a read by id says what is wrong. All other jobs are as they were.
func (s *Store) Damaged() iter.Seq2[job.ID, error] { return maps.All(s.mem.damaged) }

// Backup writes a copy of the database to a file at path, in the place of one that is there, and returns its size. Open takes it,
// and so does everything that reads the database of a server that does not run. A crash leaves the old file or the new one.
// Stream the file, not the store, to a client that may be slow.
func (s *Store) Backup(path string) (int64, error) {
	n, err := s.db.Snapshot(path)
	return n, file.InWords(err)
}

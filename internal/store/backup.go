package store

import (
	"context"
	"fmt"
	"io"

	"github.com/stint-jobs/stint/internal/store/kv"
)

// Backup writes a copy of the database to a file at path, in the place of one that is there, and returns its size. Open takes it,
// and so does everything that reads the database of a server that does not run. A crash leaves the old file or the new one.
// Stream the file, not the store, to a client that may be slow.
func (s *Store) Backup(path string) (int64, error) {
	n, err := s.db.Snapshot(path)
	return n, inWords(err)
}

// BackupFile writes a copy of the database of a server that does not run to w and returns its size.
func BackupFile(path string, w io.Writer) (n int64, err error) {
	err = viewFile(path, func(tx *kv.ReadTx) error {
		n, err = tx.WriteTo(w)
		return err
	})
	return n, err
}

// Compact replaces the database of a server that does not run by a copy without free space, and returns both sizes. No
// server can open the file meanwhile. progress, which may be nil, is called with the bytes copied so far.
func Compact(path string, progress func(copied int64)) (before, after int64, err error) {
	if err := kv.ViewFile(path, checkFormat); err != nil {
		return 0, 0, fmt.Errorf("compact store %s: %w", path, inWords(err))
	}
	before, after, err = kv.Compact(kv.Config{Path: path, Buckets: buckets}, progress)
	return before, after, inWords(err)
}

// viewFile calls fn with the database of a server that does not run, if it is of this program's format.
func viewFile(path string, fn func(*kv.ReadTx) error) error {
	return inWords(kv.ViewFile(path, func(tx *kv.ReadTx) error {
		if err := checkFormat(tx); err != nil {
			return err
		}
		return fn(tx)
	}))
}

// updateFile has stage write to the database of a server that does not run, if it is of this program's format.
func updateFile(path string, stage func(*kv.Tx) error) error {
	if err := kv.ViewFile(path, checkFormat); err != nil {
		return inWords(err)
	}
	db, err := kv.Open(kv.Config{Path: path, Buckets: buckets})
	if err != nil {
		return inWords(err)
	}
	err = inWords(db.Do(context.Background(), kv.Op{Stage: stage}))
	if closed := db.Close(); err == nil {
		err = inWords(closed)
	}
	return err
}

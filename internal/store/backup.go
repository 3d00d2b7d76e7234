package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/stint-jobs/stint/internal/store/wal"
)

// Snapshot is the database as of one moment, to be copied while the store goes
// on. As long as it is open the file cannot reuse what is freed: close it soon.
type Snapshot struct{ tx *bolt.Tx }

// Snapshot begins a snapshot.
func (s *Store) Snapshot() (*Snapshot, error) {
	tx, err := s.db.Begin(false)
	if err != nil {
		return nil, errClosed
	}
	return &Snapshot{tx}, nil
}

// Size of the copy in bytes.
func (s *Snapshot) Size() int64 { return s.tx.Size() }

// WriteTo writes the copy: a database file that Open takes.
func (s *Snapshot) WriteTo(w io.Writer) (int64, error) {
	n, err := s.tx.WriteTo(w)
	if err != nil {
		return n, fmt.Errorf("copy the database: %w", err)
	}
	return n, nil
}

// Close ends the snapshot. It may be called more than once.
func (s *Snapshot) Close() error {
	if err := s.tx.Rollback(); err != nil && !errors.Is(err, bolterrors.ErrTxClosed) {
		return fmt.Errorf("end the copy: %w", err)
	}
	return nil
}

// Backup writes a snapshot to w and answers its size.
func (s *Store) Backup(w io.Writer) (int64, error) {
	snap, err := s.Snapshot()
	if err != nil {
		return 0, err
	}
	n, err := snap.WriteTo(w)
	return n, errors.Join(err, snap.Close())
}

// BackupFile copies the database of a server that does not run.
func BackupFile(path string, w io.Writer) (int64, error) {
	db, err := openReadOnly(path)
	if err != nil {
		return 0, fmt.Errorf("open store %s: %w", path, err)
	}
	var n int64
	err = db.View(func(tx *bolt.Tx) error {
		n, err = tx.WriteTo(w)
		return err
	})
	return n, errors.Join(err, db.Close())
}

// Compact writes a copy without free space of the database of a server that
// does not run to dst, which must not exist, and answers both sizes.
func Compact(src, dst string) (before, after int64, err error) {
	from, err := openReadOnly(src)
	if err != nil {
		return 0, 0, fmt.Errorf("open store %s: %w", src, err)
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if before, err = compactTo(from, dst); err != nil {
		return 0, 0, fmt.Errorf("compact store %s to %s: %w", src, dst, err)
	}
	info, err := os.Stat(dst)
	if err != nil {
		return 0, 0, fmt.Errorf("compact store %s to %s: %w", src, dst, err)
	}
	return before, info.Size(), nil
}

// compactTo makes dst and answers the size of what it copied.
func compactTo(from *bolt.DB, dst string) (size int64, err error) {
	made, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return 0, err
	}
	if err := made.Close(); err != nil {
		return 0, err
	}
	to, err := boltOpen(dst, &bolt.Options{NoGrowSync: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return 0, err
	}
	if err := from.View(func(tx *bolt.Tx) error { size = tx.Size(); return nil }); err != nil {
		return 0, errors.Join(err, to.Close())
	}
	if err := guard(func() error { return bolt.Compact(to, from, 16<<20) }); err != nil {
		return 0, errors.Join(err, to.Close())
	}
	if err := errors.Join(to.Sync(), to.Close()); err != nil {
		return 0, err
	}
	return size, wal.SyncFolder(filepath.Dir(dst))
}

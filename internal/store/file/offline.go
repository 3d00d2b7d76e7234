package file

import (
	"context"
	"fmt"
	"io"

	"github.com/stint-jobs/stint/internal/store/kv"
)

// Backup writes a copy of the database of a server that does not run to w and returns its size.
func Backup(path string, w io.Writer) (n int64, err error) {
	err = View(path, func(tx *kv.ReadTx) error {
		n, err = tx.WriteTo(w)
		return err
	})
	return n, err
}

// Compact replaces the database of a server that does not run by a copy without free space, and returns both sizes. No
// server can open the file meanwhile. progress, which may be nil, is called with the bytes copied so far.
func Compact(path string, progress func(copied int64)) (before, after int64, err error) {
	if err := kv.ViewFile(path, checkFormat); err != nil {
		return 0, 0, fmt.Errorf("compact store %s: %w", path, InWords(err))
	}
	before, after, err = kv.Compact(kv.Config{Path: path, Buckets: Buckets}, progress)
	return before, after, InWords(err)
}

// View calls fn with the database of a server that does not run, if it is of this program's format.
func View(path string, fn func(*kv.ReadTx) error) error {
	return InWords(kv.ViewFile(path, func(tx *kv.ReadTx) error {
		if err := checkFormat(tx); err != nil {
			return err
		}
		return fn(tx)
	}))
}

// update has stage write to the database of a server that does not run, if it is of this program's format.
func update(path string, stage func(*kv.Tx) error) error {
	if err := kv.ViewFile(path, checkFormat); err != nil {
		return InWords(err)
	}
	db, err := kv.Open(kv.Config{Path: path, Buckets: Buckets})
	if err != nil {
		return InWords(err)
	}
	err = InWords(db.Do(context.Background(), kv.Op{Stage: stage}))
	if closed := db.Close(); err == nil {
		err = InWords(closed)
	}
	return err
}

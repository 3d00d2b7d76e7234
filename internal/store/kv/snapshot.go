package kv

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Snapshot writes the state of the last commit to a file at path, in the place
// of one that is there, and returns its size. After a crash path is the old file or
// the new one. A file that has path and ".partial" as its name is incomplete; beside the
// database, and where its name begins with the database's, the next Open removes it.
//
// The database's pages are not used again while it writes. Stream the file, not the
// database, to a client that may be slow.
func (db *DB) Snapshot(path string) (size int64, err error) {
	if db.stuck.Load() {
		return 0, db.failureOf()
	}
	db.copying.Lock()
	defer db.copying.Unlock()
	err = replaceFile(db.cfg.FS, path, func(f *os.File) error {
		err := guard(func() error {
			return db.bolt.View(func(tx *bolt.Tx) error {
				size, err = tx.WriteTo(plainWriter{f})
				return err
			})
		})
		if err != nil {
			return err
		}
		return f.Sync()
	})
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return 0, ErrClosed
	}
	if noSpace(err) {
		err = fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	if err != nil {
		return 0, fmt.Errorf("write snapshot %s: %w", path, err)
	}
	return size, nil
}

// plainWriter hides a file's other methods, so that io.Copy writes to it step by step.
type plainWriter struct{ io.Writer }

// replaceFile has fn write a new file, which it must sync, and puts it in the place of path. After an
// error path is as it was, or, where only the folder could not be synced, the new file.
func replaceFile(fs FS, path string, fn func(*os.File) error) error {
	partial := path + partialSuffix
	f, err := fs.OpenFile(partial, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(fn(f), f.Close()); err != nil {
		return errors.Join(err, fs.Remove(partial))
	}
	if err := fs.Rename(partial, path); err != nil {
		return errors.Join(err, fs.Remove(partial))
	}
	return fs.SyncFolder(filepath.Dir(path))
}

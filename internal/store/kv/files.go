package kv

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// FS changes the names of files. A test puts faults there; nil is the system's own.
// What is in the files goes through *os.File, and bbolt maps it into memory.
type FS interface {
	// OpenFile is os.OpenFile.
	OpenFile(name string, flag int, mode os.FileMode) (*os.File, error)
	// Rename puts a file in the place of another.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(name string) error
	// SyncFolder makes the names in a folder durable.
	SyncFolder(name string) error
}

type osFS struct{}

func (osFS) OpenFile(name string, flag int, mode os.FileMode) (*os.File, error) {
	return os.OpenFile(name, flag, mode)
}
func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Remove(name string) error     { return os.Remove(name) }

func (osFS) SyncFolder(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

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

// Snapshot writes the state of the last commit to a file at path, in the place
// of one that is there, and returns its size. After a crash path is the old file or
// the new one. A file that has path and ".partial" as its name is incomplete; beside the
// database, and where its name begins with the database's, the next Open removes it.
//
// The database's pages are not used again while it writes. Stream the file, not the
// database, to a client that may be slow.
func (db *DB) Snapshot(path string) (size int64, err error) {
	db.copying.Lock()
	defer db.copying.Unlock()
	err = replaceFile(db.cfg.FS, path, func(f *os.File) error {
		err := db.view(func(tx *bolt.Tx) error {
			size, err = tx.WriteTo(plainWriter{f})
			return err
		})
		if err != nil {
			return err
		}
		return f.Sync()
	})
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

// readStep is how much of the file is asked for at a time. The system reads
// at most some megabytes for one call, and a stop should not have to wait.
const readStep = 2 << 20

// readAhead has the system read up to limit bytes of a file in order, into its
// cache, beside what Open does. bbolt tells the system that it reads at random, which
// makes every page of a cold start a read of its own. stop ends the asking and waits for that.
func readAhead(path string, limit int64) (stop func()) {
	f, err := os.Open(path)
	if err != nil {
		return func() {} // Open says what is wrong with it
	}
	if info, err := f.Stat(); err == nil {
		limit = min(limit, info.Size())
	}
	var over atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer f.Close()
		for at := int64(0); at < limit && !over.Load(); at += readStep {
			if unix.Fadvise(int(f.Fd()), at, readStep, unix.FADV_WILLNEED) != nil {
				return // then it is slow
			}
		}
	}()
	return func() {
		over.Store(true)
		<-done
	}
}

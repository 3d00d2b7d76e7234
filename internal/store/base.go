package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/wal"
)

// A base is how the file was when it was last brought to disk: bbolt's meta
// page, which names the page that everything hangs from, and the hash of that
// page, by which another file is known. The layout is that of bbolt's format 2, in the machine's byte order.
//
//	page 0 and 1   16 bytes header, the first 8 the page's number; then the meta:
//	meta           magic 4, version 4, page size 4, flags 4, root page 8, sequence 8, free list 8, pages 8, transaction 8, sum 8
const (
	metaAt   = 16
	metaEnd  = metaAt + 64
	pageSize = metaAt + 8  // of the file
	rootPage = metaAt + 16 // of the tree of buckets
	metaTx   = metaAt + 48 // that wrote it
	baseSize = metaEnd + sha256.Size
)

var ne = binary.NativeEndian

// readBase reads the base that a transaction reads from, which must be the last that was written.
func readBase(f *os.File, tx *bolt.Tx) ([]byte, error) {
	size := int64(tx.DB().Info().PageSize)
	for n := range int64(2) { // a copy that bbolt made has the better one first, whatever its number
		base := make([]byte, metaEnd, baseSize)
		if _, err := f.ReadAt(base, n*size); err != nil {
			return nil, fmt.Errorf("read the meta page: %w", err)
		}
		if ne.Uint64(base[metaTx:]) == uint64(tx.ID()) {
			root, err := hashRoot(f, base)
			return append(base, root...), err
		}
	}
	return nil, fmt.Errorf("%w: neither meta page is of transaction %d", job.ErrStorage, tx.ID())
}

// hashRoot is the hash of the page that a meta page names. It changes with every commit, as it names the pages of all buckets.
func hashRoot(f *os.File, meta []byte) ([]byte, error) {
	size := int64(ne.Uint32(meta[pageSize:]))
	root := make([]byte, size)
	if _, err := f.ReadAt(root, int64(ne.Uint64(meta[rootPage:]))*size); err != nil {
		return nil, fmt.Errorf("read the root page: %w", err)
	}
	sum := sha256.Sum256(root)
	return sum[:], nil
}

// errOtherFile: the log does not go with the file.
var errOtherFile = fmt.Errorf("the write-ahead log beside it is of another file. "+
	"If the database was put in the place of one that was not closed, and that one is not wanted, move the two -wal files away: %w", job.ErrConflict)

// restoreBase makes a file what it was at a base. Pages that the base does not name are free then, whatever a crash made of them.
func restoreBase(f *os.File, base []byte) error {
	if len(base) != baseSize {
		return fmt.Errorf("%w: the log's base has %d bytes", job.ErrStorage, len(base))
	}
	meta := base[:metaEnd]
	root, err := hashRoot(f, meta)
	switch {
	case errors.Is(err, io.EOF):
		return errOtherFile
	case err != nil:
		return err
	case !bytes.Equal(root, base[metaEnd:]):
		return errOtherFile
	}
	for n := range uint64(2) { // bbolt takes the better one of its two: both are this
		page := bytes.Clone(meta)
		ne.PutUint64(page, n)
		if _, err := f.WriteAt(page, int64(n)*int64(ne.Uint32(meta[pageSize:]))); err != nil {
			return fmt.Errorf("restore the meta page: %w", err)
		}
	}
	return nil
}

// lockFile waits until no other process has the file. bbolt locks it in the same way, once more.
func lockFile(f *os.File, timeout time.Duration) error {
	const again = 50 * time.Millisecond
	for end := time.Now().Add(timeout); ; {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if time.Now().After(end) {
			return errOpenElsewhere
		}
		<-time.After(again) // as bbolt does: nothing tells when a lock is free
	}
}

// opener is how bbolt is to open the file: as the log says that it was when a
// process ended without closing it. file and past are set.
func opener(timeout time.Duration, file **os.File, past **wal.Past) func(string, int, os.FileMode) (*os.File, error) {
	return func(path string, flag int, mode os.FileMode) (*os.File, error) {
		f, err := os.OpenFile(path, flag, mode)
		if err != nil {
			return nil, err
		}
		if err = lockFile(f, timeout); err == nil {
			*past, err = wal.Read(path) // not before: whoever has the file may be about to finish with it
		}
		if err == nil && *past != nil {
			err = restoreBase(f, (*past).Base)
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		*file = f
		return f, nil
	}
}

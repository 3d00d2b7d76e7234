package kv

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

const (
	// partialSuffix is of files that get their name once they are complete.
	partialSuffix = ".partial"
	// lockRetry is how long to wait between two attempts at a lock.
	lockRetry = 20 * time.Millisecond
	// minMapSize is the least address space that the file is worth opening with.
	minMapSize = 64 << 20
)

// defaultMapSize is how much address space is taken for the file, so that bbolt need not
// map it anew, for which it waits for all readers. It costs no memory. On a 32-bit machine bbolt decides.
func defaultMapSize() int {
	var size int64 = 32 << 30
	if size > math.MaxInt {
		return 0
	}
	return int(size)
}

// open opens the file and brings it into the state that Config describes.
func (db *DB) open() error {
	defer readAhead(db.cfg.Path, db.cfg.ReadAhead)()
	for {
		_, err := os.Stat(db.cfg.Path)
		switch {
		case err == nil:
			db.bolt, db.file, err = openBolt(&db.cfg, opening{path: db.cfg.Path, check: checkLength})
		case errors.Is(err, os.ErrNotExist):
			db.bolt, db.file, err = openBolt(&db.cfg, opening{path: db.cfg.Path + partialSuffix, check: db.startAnew})
		}
		if errors.Is(err, errMadeMeanwhile) {
			continue
		}
		if err != nil {
			return err
		}
		if err := db.prepare(); err != nil {
			return errors.Join(err, db.bolt.Close())
		}
		return nil
	}
}

// errMadeMeanwhile says that another process has made the database.
var errMadeMeanwhile = errors.New("the database is there now")

// startAnew empties a locked file that is to become the database.
func (db *DB) startAnew(f *os.File) error {
	if _, err := os.Stat(db.cfg.Path); !errors.Is(err, os.ErrNotExist) {
		return errors.Join(errMadeMeanwhile, err)
	}
	return f.Truncate(0)
}

// prepare makes what is not there and removes what a crash has left. A new database gets its name once it is
// complete, and while it is locked. The folder is synced in any case: a crash may have come before that.
func (db *DB) prepare() error {
	if err := guard(db.makeBuckets); err != nil {
		return fmt.Errorf("make buckets: %w", err)
	}
	if db.file.Name() != db.cfg.Path {
		if err := db.cfg.FS.Rename(db.file.Name(), db.cfg.Path); err != nil {
			return err
		}
	}
	if err := db.removeLeftovers(); err != nil {
		return err
	}
	if err := db.cfg.FS.SyncFolder(filepath.Dir(db.cfg.Path)); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	switch err := db.makeReserve(); {
	case noSpace(err):
		db.giveReserve()
		db.full.Store(true)
		db.log.Warn("no space left for the reserve of the database; it refuses new work until there is", "path", db.cfg.Path, "error", err)
	case err != nil:
		return fmt.Errorf("make reserve: %w", err)
	}
	return nil
}

func (db *DB) makeBuckets() error {
	missing := false
	if err := db.bolt.View(func(tx *bolt.Tx) error {
		for _, b := range db.cfg.Buckets {
			missing = missing || tx.Bucket([]byte(b.Name)) == nil
		}
		db.fileSize.Store(tx.Size())
		return nil
	}); err != nil || !missing {
		return err
	}
	return db.bolt.Update(func(tx *bolt.Tx) error {
		for _, b := range db.cfg.Buckets {
			if _, err := tx.CreateBucketIfNotExists([]byte(b.Name)); err != nil {
				return err
			}
		}
		if db.file.Name() == db.cfg.Path {
			return nil
		}
		return db.cfg.Create(&Tx{db: db, ReadTx: ReadTx{bolt: tx}, sealed: true})
	})
}

// removeLeftovers removes files beside the database that a crash has left incomplete.
func (db *DB) removeLeftovers() error {
	folder, base := filepath.Split(db.cfg.Path)
	entries, err := os.ReadDir(filepath.Clean(folder + "."))
	if err != nil {
		return fmt.Errorf("look for leftovers: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, base) || !strings.HasSuffix(name, partialSuffix) && name != base+probeSuffix {
			continue
		}
		if err := db.remove(folder + name); err != nil {
			return fmt.Errorf("remove leftover: %w", err)
		}
	}
	return nil
}

type opening struct {
	path     string
	readOnly bool
	check    func(*os.File) error // called when the file is locked; its error ends the opening
}

// openBolt opens and locks a file. Where there is not enough address space it takes less.
func openBolt(cfg *Config, o opening) (b *bolt.DB, file *os.File, err error) {
	size := cfg.mapSize
	for {
		options := &bolt.Options{
			Timeout:         cfg.LockTimeout,
			FreelistType:    bolt.FreelistMapType,
			NoFreelistSync:  true, // else bbolt would write at Open; see chooseFreeList
			InitialMmapSize: size,
			ReadOnly:        o.readOnly,
			NoSync:          cfg.NoSync,
			NoGrowSync:      cfg.NoSync,
			OpenFile: func(_ string, flag int, _ os.FileMode) (*os.File, error) {
				var err error
				file, err = lockFile(cfg, o, flag)
				return file, err
			},
		}
		err = guard(func() error {
			b, err = bolt.Open(o.path, 0o600, options)
			return err
		})
		if !errors.Is(err, unix.ENOMEM) || size < minMapSize {
			break
		}
		size /= 2
	}
	if isPanic(err) && file != nil {
		_ = abandon(file)
	}
	return b, file, inWords(err, size)
}

// abandon lets go of a file of which bbolt has panicked. bbolt may hold its own locks for ever, and
// still read what is mapped, so the mapping stays until the process ends. It keeps the lock of a file that is only closed.
func abandon(file *os.File) error {
	return errors.Join(unix.Flock(int(file.Fd()), unix.LOCK_UN), file.Close())
}

func inWords(err error, size int) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return ErrLocked
	case errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("map the file into memory: even %d bytes of address space are not to be had; is there a limit (ulimit -v)? %w", size, err)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch):
		return fmt.Errorf("%w: %w", ErrNotDatabase, err)
	case errors.Is(err, bolterrors.ErrChecksum), isPanic(err):
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// lockFile opens the file, locks it, checks it, and makes sure that it is the file
// that has the name: another may have been put in its place while the lock was waited for.
func lockFile(cfg *Config, o opening, flag int) (*os.File, error) {
	how := unix.LOCK_EX | unix.LOCK_NB
	if flag&os.O_RDWR == 0 {
		how = unix.LOCK_SH | unix.LOCK_NB
	}
	deadline := time.Now().Add(cfg.LockTimeout)
	for {
		f, err := cfg.FS.OpenFile(o.path, flag, 0o600)
		if err != nil {
			return nil, err
		}
		if err = unix.Flock(int(f.Fd()), how); err == nil {
			if err = o.check(f); err == nil {
				err = unix.Flock(int(f.Fd()), how) // checkLength has made it a shared one
			}
		}
		if err == nil && sameFile(f, o.path) {
			return f, nil
		}
		_ = f.Close()
		if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, err
		}
		if time.Now().After(deadline) {
			return nil, ErrLocked
		}
		<-time.After(lockRetry)
	}
}

func sameFile(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(opened, named)
}

// checkLength returns ErrDamaged for a locked database that is shorter than its pages, and
// ErrNotDatabase for an empty file, which bbolt would take for a new one. bbolt would end the
// process when it touches those that are missing. A file that bbolt does not take is left to the real opening.
func checkLength(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return fmt.Errorf("%w: it is empty", ErrNotDatabase)
	}
	var need int64
	_ = guard(func() error {
		b, err := bolt.Open(f.Name(), 0, &bolt.Options{
			ReadOnly: true,
			Timeout:  time.Second,
			OpenFile: func(string, int, os.FileMode) (*os.File, error) {
				fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0) // the same lock
				if err != nil {
					return nil, err
				}
				return os.NewFile(uintptr(fd), f.Name()), nil
			},
		})
		if err != nil {
			return err
		}
		need, err = sizeOf(b)
		return errors.Join(err, b.Close())
	})
	if info.Size() < need {
		return fmt.Errorf("%w: it has %d bytes, and its pages need %d; its end is missing", ErrDamaged, info.Size(), need)
	}
	return nil
}

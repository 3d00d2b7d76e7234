package kv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
)

// offline calls fn with the database of a server that does not run, and returns its error. A page that cannot be read
// is ErrDamaged.
func offline(cfg *Config, readOnly bool, fn func(*bolt.DB) error) error {
	if _, err := os.Stat(cfg.Path); err != nil {
		return err // bbolt would make it
	}
	b, _, err := openBolt(cfg, opening{path: cfg.Path, readOnly: readOnly, check: checkLength})
	if err != nil {
		return err
	}
	return errors.Join(Guard(func() error { return fn(b) }), b.Close())
}

// ViewFile calls fn with the state of the database of a server that does not run, or of a snapshot, and returns its
// error. It changes nothing. A page that cannot be read is ErrDamaged.
func ViewFile(path string, fn func(*ReadTx) error) error {
	cfg := Config{Path: path}
	cfg.setDefaults()
	err := offline(&cfg, true, func(b *bolt.DB) error {
		return b.View(func(tx *bolt.Tx) error { return fn(&ReadTx{bolt: tx}) })
	})
	if err != nil {
		return fmt.Errorf("read database %s: %w", path, err)
	}
	return nil
}

const compactStep = 16 << 20

// Compact replaces the database of a server that does not run by a copy without free space, and returns both sizes. It
// holds the lock of the file until the copy's name is durable, so that no server opens the file in between. Of cfg it
// takes Path, LockTimeout and FS.
func Compact(cfg Config) (before, after int64, err error) {
	cfg.setDefaults()
	err = offline(&cfg, false, func(from *bolt.DB) error {
		return replaceFile(cfg.FS, cfg.Path, func(f *os.File) error {
			if err := Guard(func() error { return copyAll(f.Name(), from) }); err != nil {
				return err
			}
			var err error
			if before, err = sizeOf(from); err != nil {
				return err
			}
			info, err := f.Stat()
			if err != nil {
				return err
			}
			after = info.Size()
			return f.Sync()
		})
	})
	if err != nil {
		return 0, 0, fmt.Errorf("compact database %s: %w", cfg.Path, err)
	}
	return before, after, nil
}

// copyAll writes the buckets of a database to an empty file, which it does not sync.
func copyAll(path string, from *bolt.DB) error {
	to, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout: time.Second, NoSync: true, NoGrowSync: true, FreelistType: bolt.FreelistMapType, InitialMmapSize: 1 << 30,
	})
	if err != nil {
		return err
	}
	return errors.Join(bolt.Compact(to, from, compactStep), to.Close())
}

func sizeOf(b *bolt.DB) (size int64, err error) {
	err = b.View(func(tx *bolt.Tx) error {
		size = tx.Size()
		return nil
	})
	return size, err
}

const maxProblems = 1000

// Check reads every record of the database of a server that does not run, and then checks its pages. It calls problem
// with each problem, in a sentence, and returns an error where it could not look. A database without a problem may
// still lack the latest writes: it says that the file is consistent, not that it is complete.
//
// Where a bucket cannot be read, its pages are not checked any further. bbolt checks pages in a goroutine of its own,
// in which some kinds of damage end the process. So run Check in a process of its own, and take its end for a problem.
func Check(path string, problem func(text string)) error {
	cfg := Config{Path: path}
	cfg.setDefaults()
	err := offline(&cfg, true, func(b *bolt.DB) error {
		if checkBuckets(b, problem) {
			checkPages(b, problem)
		}
		return nil
	})
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrNotDatabase) {
		problem(err.Error())
		return nil
	}
	if err != nil {
		return fmt.Errorf("check database %s: %w", path, err)
	}
	return nil
}

// checkBuckets reads each bucket and reports whether all could be read.
func checkBuckets(b *bolt.DB, problem func(string)) bool {
	readable := true
	err := guard(func() error {
		return b.View(func(tx *bolt.Tx) error {
			return tx.ForEach(func(name []byte, bucket *bolt.Bucket) error {
				if bucket == nil {
					readable = false
					problem(fmt.Sprintf("%q is not a bucket", name))
				} else if n, last, err := readBucket(bucket); err != nil {
					readable = false
					problem(fmt.Sprintf("bucket %s cannot be read after %d keys (the last is %x): %v", name, n, last, err))
				}
				return nil
			})
		})
	})
	if err != nil {
		problem(fmt.Sprintf("the list of buckets cannot be read: %v", err))
	}
	return readable && err == nil
}

// readBucket reads each key of a bucket, forward. It returns how many there are, and the last one.
func readBucket(b *bolt.Bucket) (n int, last []byte, _ error) {
	sum := byte(0)
	err := guard(func() error {
		return b.ForEach(func(k, v []byte) error {
			if n > 0 && bytes.Compare(k, last) <= 0 {
				return fmt.Errorf("%w: key %x comes after key %x", ErrDamaged, k, last) // a circle of pages also ends here
			}
			for at := 0; at < len(v); at += 512 {
				sum ^= v[at] // has the page read
			}
			n, last = n+1, append(last[:0], k...)
			return nil
		})
	})
	_ = sum
	return n, last, err
}

func checkPages(b *bolt.DB, problem func(string)) {
	n := 0
	err := guard(func() error {
		return b.View(func(tx *bolt.Tx) error {
			for err := range tx.Check() {
				if n++; n <= maxProblems {
					problem(err.Error())
				}
			}
			return nil
		})
	})
	if n > maxProblems {
		problem(fmt.Sprintf("and %d more", n-maxProblems))
	}
	if err != nil {
		problem(fmt.Sprintf("the pages cannot be checked: %v", err))
	}
}

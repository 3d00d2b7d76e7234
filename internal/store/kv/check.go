package kv

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
)

// maxProblems bounds how many problems Check reports of bbolt's own check.
const maxProblems = 1000

// Checker says what Check has found.
type Checker struct {
	// Problem is called with each problem, in a sentence.
	Problem func(text string)
	// Progress is called now and then with the bucket that is read and the number of its keys so far. It may be nil.
	Progress func(bucket string, keys int)
}

// Check reads every record of the database of a server that does not run, and then
// checks its pages. It returns an error where it could not look. A database without a problem may still
// lack the latest writes: it says that the file is consistent, not that it is complete.
//
// Where a bucket cannot be read, its pages are not checked any further. bbolt checks
// pages in a goroutine of its own, in which some kinds of damage end the process. So
// run Check in a process of its own, and take its end for a problem.
func Check(path string, c Checker) error {
	cfg := Config{Path: path}
	cfg.setDefaults()
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("check database: %w", err)
	}
	b, _, err := openBolt(&cfg, opening{path: path, readOnly: true, check: checkLength})
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrNotDatabase) {
		c.Problem(err.Error())
		return nil
	}
	if err != nil {
		return fmt.Errorf("check database %s: %w", path, err)
	}
	readable, err := c.readAll(b)
	if err != nil {
		c.Problem(fmt.Sprintf("the list of buckets cannot be read: %v", err))
	} else if readable {
		c.checkPages(b)
	}
	if err := b.Close(); err != nil {
		return fmt.Errorf("check database %s: %w", path, err)
	}
	return nil
}

// readAll reads each bucket and reports whether all could be read.
func (c *Checker) readAll(b *bolt.DB) (readable bool, err error) {
	readable = true
	err = guard(func() error {
		return b.View(func(tx *bolt.Tx) error {
			return tx.ForEach(func(name []byte, bucket *bolt.Bucket) error {
				if bucket == nil {
					readable = false
					c.Problem(fmt.Sprintf("%q is not a bucket", name))
					return nil
				}
				readable = c.readBucket(name, bucket) && readable
				return nil
			})
		})
	})
	return readable, err
}

// readBucket reads each key of a bucket, forward, and reports whether that was possible.
func (c *Checker) readBucket(name []byte, b *bolt.Bucket) bool {
	var last []byte
	n, sum := 0, byte(0)
	err := guard(func() error {
		cursor := b.Cursor()
		for k, v := cursor.First(); k != nil; k, v = cursor.Next() {
			if n > 0 && bytes.Compare(k, last) <= 0 {
				return fmt.Errorf("%w: key %x comes after key %x", ErrDamaged, k, last) // a circle of pages also ends here
			}
			for at := 0; at < len(v); at += 512 {
				sum ^= v[at] // has the page read
			}
			last = append(last[:0], k...)
			if n++; c.Progress != nil && n%100_000 == 0 {
				c.Progress(string(name), n)
			}
		}
		return nil
	})
	if c.Progress != nil {
		c.Progress(string(name), n)
	}
	if err != nil {
		c.Problem(fmt.Sprintf("bucket %s cannot be read after %d keys (the last is %x): %v", name, n, last, err))
	}
	_ = sum
	return err == nil
}

// checkPages runs bbolt's own check.
func (c *Checker) checkPages(b *bolt.DB) {
	n := 0
	err := guard(func() error {
		return b.View(func(tx *bolt.Tx) error {
			for err := range tx.Check() {
				if n++; n <= maxProblems {
					c.Problem(err.Error())
				}
			}
			return nil
		})
	})
	if n > maxProblems {
		c.Problem(fmt.Sprintf("and %d more", n-maxProblems))
	}
	if err != nil {
		c.Problem(fmt.Sprintf("the pages cannot be checked: %v", err))
	}
}

package kv

import (
	"errors"
	"fmt"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
)

// compactStep is about how many bytes Compact writes in one commit.
const compactStep = 16 << 20

// Compact replaces the database of a server that does not run by a copy without
// free space, and returns both sizes. It holds the lock of the file until the copy's name is
// durable, so that no server opens the file in between. Of cfg it takes
// Path, Buckets, LockTimeout and FS. It calls progress, which may be nil, with the number of bytes that
// it has copied so far.
func Compact(cfg Config, progress func(copied int64)) (before, after int64, err error) {
	cfg.setDefaults()
	if before, after, err = compact(&cfg, progress); isPanic(err) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("compact database %s: %w", cfg.Path, err)
	}
	return before, after, nil
}

func compact(cfg *Config, progress func(int64)) (before, after int64, err error) {
	if _, err := os.Stat(cfg.Path); err != nil {
		return 0, 0, err // bbolt would make it
	}
	from, _, err := openBolt(cfg, opening{path: cfg.Path, check: checkLength})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	err = replaceFile(cfg.FS, cfg.Path, func(f *os.File) error {
		c := copier{from: from, progress: progress, fill: make(map[string]float64)}
		for _, b := range cfg.Buckets {
			c.fill[b.Name] = b.FillPercent
		}
		if err := guard(func() error { return c.copyTo(f) }); err != nil {
			return err
		}
		info, err := f.Stat()
		if err != nil {
			return err
		}
		before, after = c.size, info.Size()
		return f.Sync()
	})
	return before, after, err
}

// copier copies the buckets of one database to another.
type copier struct {
	from     *bolt.DB
	to       *bolt.DB
	tx       *bolt.Tx
	fill     map[string]float64
	progress func(int64)
	size     int64 // of the source
	copied   int64
	step     int64
}

// copyTo writes the copy to a file that is open and empty. It does not sync it.
func (c *copier) copyTo(f *os.File) error {
	to, err := bolt.Open(f.Name(), 0o600, &bolt.Options{
		Timeout: time.Second, NoSync: true, NoGrowSync: true, FreelistType: bolt.FreelistMapType, InitialMmapSize: 1 << 30,
	})
	if err != nil {
		return err
	}
	c.to = to
	err = c.from.View(func(tx *bolt.Tx) error {
		c.size = tx.Size()
		return c.copyAll(tx)
	})
	if c.tx != nil {
		err = errors.Join(err, c.tx.Rollback())
	}
	return errors.Join(err, to.Close())
}

func (c *copier) copyAll(from *bolt.Tx) error {
	err := from.ForEach(func(name []byte, b *bolt.Bucket) error {
		to, err := c.bucket(name)
		if err != nil {
			return err
		}
		if err := to.SetSequence(b.Sequence()); err != nil {
			return err
		}
		return b.ForEach(func(k, v []byte) error {
			if v == nil {
				return fmt.Errorf("%w: bucket %s holds a bucket", ErrDamaged, name)
			}
			if err := to.Put(k, v); err != nil {
				return err
			}
			c.copied += int64(len(k) + len(v))
			if c.copied < c.step+compactStep {
				return nil
			}
			if err := c.commit(); err != nil {
				return err
			}
			to, err = c.bucket(name)
			return err
		})
	})
	if err != nil {
		return err
	}
	return c.commit()
}

// bucket returns a bucket of the copy, in the present transaction.
func (c *copier) bucket(name []byte) (b *bolt.Bucket, err error) {
	if c.tx == nil {
		if c.tx, err = c.to.Begin(true); err != nil {
			return nil, err
		}
	}
	if b, err = c.tx.CreateBucketIfNotExists(name); err != nil {
		return nil, err
	}
	if fill := c.fill[string(name)]; fill > 0 {
		b.FillPercent = fill
	}
	return b, nil
}

// commit commits the present transaction, if there is one.
func (c *copier) commit() error {
	c.step = c.copied
	if c.progress != nil {
		c.progress(c.copied)
	}
	if c.tx == nil {
		return nil
	}
	tx := c.tx
	c.tx = nil
	return tx.Commit()
}

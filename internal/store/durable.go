package store

import (
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/wal"
)

// durable is the file and what makes its commits last. bbolt syncs twice for
// each, pages all over the file and then the one that names them. Here what a
// commit writes goes to a log, in one piece with one sync, and then to bbolt without any.
//
// A file that the system writes back in any order may be anything after a
// crash, but for this: the pages of one state of it, the base, are on disk and are not
// written again, because a transaction that reads them is kept open, and bbolt
// takes no page that a transaction reads. The page that names them is in the
// log. So a start after a crash goes back to the base and does once more what the log says.
type durable struct {
	db   *bolt.DB
	file *os.File  // that db has open
	log  *wal.Log  // nil: bbolt syncs by itself
	base *bolt.Tx  // keeps the pages of the log's base
	past *wal.Past // what was there at the start, until the log takes its place
	path string
	sync bool

	moveAt int64 // how large the log gets before its base moves on
	most   int64 // how large the file gets before the log ends
	from   int64 // how large the file was at the base
	size   int64 // of the file
	moving bool
	moved  chan error // why the base did not move on
}

const (
	// defaultMoveAt is how large the log gets: a start after a crash does so many bytes once more, some tenth of a second of work.
	defaultMoveAt = 16 << 20
	// growth is by how much the file grows before the base moves on. bbolt does
	// not use pages again that it took from the file's end while a transaction read, even if that does not read them.
	growth = 4 << 20
)

// openDurable opens the file for writing, and does again what a log says that it lost. Until begin, bbolt syncs by itself.
func openDurable(cfg *Config) (*durable, error) {
	d := &durable{path: cfg.Path, sync: !cfg.noSync, moveAt: cfg.moveAt, most: cfg.most, moved: make(chan error, 1)}
	var err error
	d.db, err = boltOpen(cfg.Path, &bolt.Options{
		Timeout:         cfg.LockTimeout,
		NoFreelistSync:  true,
		FreelistType:    bolt.FreelistMapType,
		InitialMmapSize: mapSize(),
		NoStatistics:    true,
		NoSync:          cfg.noSync,
		NoGrowSync:      true, // a base syncs the file's length too, which is what growing does it for
		OpenFile:        opener(cfg.LockTimeout, &d.file, &d.past),
	})
	if err != nil {
		return nil, err
	}
	if err := guard(d.repeat); err != nil {
		return nil, errors.Join(err, d.abandon())
	}
	return d, nil
}

// repeat does what the past log says.
func (d *durable) repeat() (err error) {
	if d.past == nil {
		return nil
	}
	if d.base, err = d.db.Begin(false); err != nil {
		return err
	}
	d.db.NoSync = true
	defer func() { d.db.NoSync = !d.sync }()
	var entries []byte
	if err = d.past.Each(func(entry []byte) error {
		if entries = append(entries, entry...); int64(len(entries)) < d.moveAt/4 {
			return nil
		}
		err := d.repeatAll(entries)
		entries = nil
		return err
	}); err != nil {
		return fmt.Errorf("%w: %w", job.ErrStorage, err)
	}
	return d.repeatAll(entries)
}

func (d *durable) repeatAll(entries []byte) error {
	if len(entries) == 0 {
		return nil
	}
	return d.db.Update(func(tx *bolt.Tx) error {
		fillPages(tx)
		return repeat(tx, entries)
	})
}

// begin has commits go to a log from now on, if the file is small enough for that.
func (d *durable) begin() error {
	if err := d.syncFile(); err != nil {
		return err
	}
	tx, base, err := d.state()
	if err != nil {
		return err
	}
	if tx.Size() >= d.most {
		return errors.Join(tx.Rollback(), d.end())
	}
	if d.log, err = wal.Create(d.path, d.past, base, d.sync); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	d.unpin()
	d.past, d.base, d.from, d.db.NoSync = nil, tx, tx.Size(), true
	return nil
}

// state answers what was committed last and a transaction that keeps it.
func (d *durable) state() (*bolt.Tx, []byte, error) {
	tx, err := d.db.Begin(false)
	if err != nil {
		return nil, nil, err
	}
	base, err := readBase(d.file, tx)
	if err != nil {
		return nil, nil, errors.Join(err, tx.Rollback())
	}
	return tx, base, nil
}

func (d *durable) syncFile() error {
	if !d.sync {
		return nil
	}
	return d.file.Sync()
}

// commit commits a transaction whose writes are the entry. When it returns nil they are on disk.
func (d *durable) commit(tx *bolt.Tx, entry []byte) error {
	if d.log != nil {
		if err := d.log.Append(entry); err != nil {
			return err
		}
	}
	d.size = tx.Size()
	return tx.Commit()
}

// tend moves the log's base on when it is time, beside the commits that follow.
func (d *durable) tend() error {
	if d.log == nil {
		return nil
	}
	if d.moving {
		select {
		case err := <-d.moved:
			if err != nil {
				return err
			}
			d.moving = false
		default:
			return nil
		}
	}
	if d.log.Size() < d.moveAt && d.size < d.from+growth {
		return nil
	}
	tx, base, err := d.state()
	if err != nil {
		return err
	}
	if tx.Size() >= d.most {
		return errors.Join(tx.Rollback(), d.end())
	}
	d.log.Switch()
	old := d.base
	d.base, d.from, d.moving = tx, tx.Size(), true
	go func() {
		err := d.syncFile()
		if err == nil {
			err = d.log.Settle(base)
		}
		d.moved <- errors.Join(err, old.Rollback())
	}()
	return nil
}

// end brings everything to disk and removes the log; bbolt syncs by itself from then on.
func (d *durable) end() error {
	if err := d.rest(); err != nil {
		return err
	}
	d.db.NoSync, d.db.NoGrowSync = !d.sync, !d.sync
	if err := d.db.Update(func(*bolt.Tx) error { return nil }); err != nil {
		return err
	}
	if err := d.syncFile(); err != nil {
		return err
	}
	if d.log != nil {
		if err := d.log.Close(); err != nil {
			return err
		}
	}
	d.log, d.past = nil, nil
	if err := wal.Remove(d.path); err != nil {
		return err
	}
	d.unpin()
	return nil
}

// close ends the log and closes the file. It stores the list of free pages, which commits leave
// out, so that the next start need not look for them in the whole file.
func (d *durable) close() error {
	d.db.NoFreelistSync = false
	if err := d.end(); err != nil {
		return errors.Join(err, d.abandon())
	}
	return d.db.Close()
}

// rest waits until the base moves no more.
func (d *durable) rest() error {
	if !d.moving {
		return nil
	}
	d.moving = false
	return <-d.moved
}

func (d *durable) unpin() {
	if d.base != nil {
		_ = d.base.Rollback()
		d.base = nil
	}
}

// abandon closes the file and leaves the log to the next start.
func (d *durable) abandon() error {
	err := d.rest()
	if d.log != nil {
		err = errors.Join(err, d.log.Close())
	}
	d.unpin()
	return errors.Join(err, d.db.Close())
}

// recoverFile does what a log beside the file of a server that does not run says, so that the file has everything by itself.
func recoverFile(path string) error {
	if !wal.Exists(path) {
		return nil
	}
	if _, err := os.Stat(path); err != nil {
		return err
	}
	cfg := Config{Path: path}
	cfg.setDefaults()
	d, err := openDurable(&cfg)
	if err != nil {
		return err
	}
	return d.close()
}

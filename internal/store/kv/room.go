package kv

import (
	"errors"
	"math/rand/v2"
	"os"
)

const (
	reserveSuffix = ".reserve"
	probeSuffix   = ".probe"
	probeBytes    = 256 << 10
)

// runOut notes that a commit of these operations found no space. It refuses those of clients and
// returns the others, which wait.
func (db *DB) runOut(ops []*pending, cause error) []*pending {
	if !db.full.Swap(true) {
		db.log.Warn("no space left for the database; it refuses new work until there is", "path", db.cfg.Path, "error", cause)
	}
	return db.internal(ops)
}

// internal refuses the operations of clients for want of space and returns the others.
func (db *DB) internal(ops []*pending) (internal []*pending) {
	for _, p := range ops {
		p.err = nil
		if p.Internal {
			internal = append(internal, p)
		} else {
			db.refuse([]*pending{p}, ErrNoSpace)
		}
	}
	return internal
}

// takeInternal has new operations of the server wait behind those that do. Where none does, the
// last one found space, and they are tried at once.
func (db *DB) takeInternal(ops []*pending) {
	ops = db.internal(ops)
	if len(db.held) > 0 {
		db.held = append(db.held, ops...)
		return
	}
	db.process(ops)
}

// findRoom looks whether there is space again. If so, it commits what waits for it, makes the
// reserve again, and takes operations of clients again.
func (db *DB) findRoom() {
	if err := db.failureOf(); err != nil {
		db.refuse(db.held, err)
		db.held = nil
		return
	}
	db.dropGone()
	if !db.probe() {
		return
	}
	ops := db.held
	db.held = nil
	if db.process(ops); len(db.held) > 0 || db.failureOf() != nil {
		return
	}
	if err := db.makeReserve(); err != nil || !db.probe() {
		db.giveReserve()
		return
	}
	db.full.Store(false)
	db.log.Info("there is space for the database again", "path", db.cfg.Path)
}

func (db *DB) dropGone() {
	kept := db.held[:0]
	for _, p := range db.held {
		if err := p.ctx.Err(); err != nil {
			db.refuse([]*pending{p}, err)
		} else {
			kept = append(kept, p)
		}
	}
	db.held = kept
}

// probe reports whether the file system has room for what waits, by writing as much.
func (db *DB) probe() bool {
	size := int64(probeBytes)
	for _, p := range db.held {
		size += 2 * int64(p.Bytes)
	}
	path := db.cfg.Path + probeSuffix
	err := db.occupy(path, size)
	return errors.Join(err, db.remove(path)) == nil
}

func (db *DB) makeReserve() error {
	if db.cfg.Reserve <= 0 {
		return nil
	}
	return db.occupy(db.cfg.Path+reserveSuffix, db.cfg.Reserve)
}

// giveReserve gives up the reserve and reports whether that has made room.
func (db *DB) giveReserve() bool {
	return db.cfg.Reserve > 0 && db.cfg.FS.Remove(db.cfg.Path+reserveSuffix) == nil
}

func (db *DB) remove(path string) error {
	if err := db.cfg.FS.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// occupy makes a file of size bytes that really have their place on the disk. A
// file system may store a run of zeros, or a hole, without any.
func (db *DB) occupy(path string, size int64) (err error) {
	f, err := db.cfg.FS.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() == size {
		return nil
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	var seed [32]byte
	random := rand.NewChaCha8(seed)
	block := make([]byte, 64<<10)
	for at := int64(0); at < size; at += int64(len(block)) {
		_, _ = random.Read(block) // it never fails
		if _, err := f.WriteAt(block[:min(int64(len(block)), size-at)], at); err != nil {
			return err
		}
	}
	return f.Sync()
}

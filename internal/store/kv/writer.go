package kv

import (
	"errors"
	"fmt"
	"time"
)

// write is the writer. It ends when the queue is closed and empty.
func (db *DB) write() {
	defer close(db.ended)
	tick := time.NewTicker(db.cfg.probeEvery)
	defer tick.Stop()
	for !db.queue.over() {
		select {
		case <-db.queue.wake:
			db.mu.Lock()
			db.round()
			db.mu.Unlock()
		case <-tick.C:
			if db.full.Load() {
				db.mu.Lock()
				db.findRoom()
				db.mu.Unlock()
			}
		}
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	db.refuse(db.held, ErrClosed)
	db.held = nil
}

func (db *DB) round() {
	b := &db.batch
	defer b.reset()
	db.queue.take(b)
	if len(b.ops) == 0 {
		return
	}
	if db.full.Load() && db.failureOf() == nil {
		db.takeInternal(b.ops)
		return
	}
	db.gather.await(&db.queue, b)
	begin := time.Now()
	db.process(b.ops)
	waiting, _ := db.queue.size()
	db.gather.committed(time.Since(begin), len(b.ops)+waiting)
}

// process brings each operation to its outcome, or, where there is no space, into held.
func (db *DB) process(ops []*pending) {
	for len(ops) > 0 {
		n, err := db.commit(ops)
		if err == nil {
			ops = ops[n:]
			continue
		}
		if ops = db.runOut(ops, err); !db.giveReserve() {
			db.held = ops
			return
		}
	}
}

// commit stages operations up to one that has to be cut out, commits them, and
// releases them. It returns how many it has released. An error says that there was no space: nothing
// was written, and none was released.
func (db *DB) commit(ops []*pending) (int, error) {
	if err := db.failureOf(); err != nil {
		return db.refuse(ops, err), nil
	}
	staged, done, err := db.stageAll(ops)
	if err == nil && staged > 0 && len(db.tx.entry) > db.tx.begun && !ops[0].raw {
		err = guard(func() error { return db.finish() })
	}
	if err != nil {
		db.rollback()
		return db.refuse(ops[:done], err), nil
	}
	if len(db.tx.entry) == db.tx.begun {
		db.rollback()
		release(ops[:done])
		return done, nil
	}
	id := db.tx.bolt.ID()
	switch err := db.commitTx(); {
	case err == nil:
		db.publish(ops[:done])
	case noSpace(err) && !isPanic(err) && !db.metaWritten(id):
		return 0, err
	default:
		db.fail(err)
		setErrors(ops[:done], ErrUnknown)
		release(ops[:done])
	}
	return done, nil
}

func (db *DB) finish() error {
	db.tx.sealed = true
	return db.cfg.Finish(&db.tx)
}

// stageAll stages operations, from the first on. It returns how many are in the
// transaction, and how many have an outcome once that is committed. An error
// concerns all of these, and comes with a transaction that has to be rolled back.
func (db *DB) stageAll(ops []*pending) (staged, done int, err error) {
	staged, done = len(ops), len(ops)
	for {
		if err := guard(func() error { return db.begin(ops[0]) }); err != nil {
			if db.tx.bolt == nil {
				db.isStuck(err)
				db.fail(err)
				err = db.failureOf()
			}
			return staged, done, err
		}
		cut := db.stage(ops[:staged])
		if cut == staged {
			return staged, done, nil
		}
		staged, done = cut, cut+1
		if errors.Is(ops[cut].err, errCut) {
			ops[cut].err = nil
			done = cut
		}
		db.rollback()
		if err := db.failureOf(); err != nil {
			return staged, done, err
		}
	}
}

func (db *DB) begin(first *pending) error {
	if err := db.tx.begin(db); err != nil {
		return err
	}
	if !first.raw {
		db.cfg.Begin(&db.tx)
	}
	db.tx.begun = len(db.tx.entry)
	return nil
}

// stage stages operations into the transaction. It returns the number of the one that has to be cut
// out of it, or how many there are.
func (db *DB) stage(ops []*pending) int {
	tx := &db.tx
	for i, p := range ops {
		if p.err = p.ctx.Err(); p.err != nil {
			continue
		}
		tx.start, tx.broken, tx.sealed = len(tx.entry), nil, p.raw
		p.err = guard(func() error { return p.Stage(tx) })
		if tx.broken != nil {
			p.err = tx.broken
			return i
		}
		if p.err != nil && (len(tx.entry) > tx.start || isPanic(p.err)) {
			return i
		}
	}
	return len(ops)
}

// commitTx commits the transaction. A panic of bbolt is an error.
func (db *DB) commitTx() error {
	db.chooseFreeList()
	size := db.tx.bolt.Size()
	err := guard(func() error {
		if db.cfg.commitHook != nil {
			if err := db.cfg.commitHook(); err != nil {
				return errors.Join(err, db.tx.bolt.Rollback())
			}
		}
		return db.tx.bolt.Commit()
	})
	db.isStuck(err)
	if err == nil {
		db.commits.Add(1)
		db.fileSize.Store(size)
	}
	return err
}

// publish brings the memory of the program up to date and releases the callers.
func (db *DB) publish(ops []*pending) {
	err := guard(func() error {
		db.cfg.Apply(db.tx.entry)
		return nil
	})
	if err != nil {
		db.fail(err)
		setErrors(ops, ErrUnknown)
	}
	release(ops)
	db.cfg.Notify()
}

func setErrors(ops []*pending, err error) {
	for _, p := range ops {
		if p.err == nil {
			p.err = err
		}
	}
}

// refuse releases operations that were not written with that error, and returns how many they are.
func (db *DB) refuse(ops []*pending, err error) int {
	setErrors(ops, err)
	release(ops)
	return len(ops)
}

func (db *DB) fail(cause error) {
	err := fmt.Errorf("%w: %w", ErrFailed, cause)
	if db.failure.CompareAndSwap(nil, &err) {
		close(db.failed)
		db.log.Error("the database takes no more writes", "path", db.cfg.Path, "error", cause)
	}
}

// isStuck ends all writing and reading if the error is a panic of bbolt, which may hold its locks since, and reports
// whether it is.
func (db *DB) isStuck(err error) bool {
	if !isPanic(err) {
		return false
	}
	db.fail(err)
	db.stuck.Store(true)
	return true
}

func (db *DB) rollback() {
	if db.tx.bolt != nil {
		db.isStuck(guard(db.tx.bolt.Rollback))
		db.tx.bolt = nil
	}
}

// metaWritten reports whether the meta page of a write transaction that failed may
// have been written. A read transaction begins with the newest meta page that is
// whole, as the system's page cache has it.
func (db *DB) metaWritten(id int) bool {
	written := true
	err := guard(func() error {
		tx, err := db.bolt.Begin(false)
		if err != nil {
			return err
		}
		written = tx.ID() >= id
		return tx.Rollback()
	})
	return db.isStuck(err) || err != nil || written
}

// shortFreeList is how many free pages a commit stores the list of: eight bytes each.
const shortFreeList = 4096

// chooseFreeList decides whether the next commit stores the list of free pages: while it is short.
func (db *DB) chooseFreeList() {
	stats := db.bolt.Stats()
	db.bolt.NoFreelistSync = stats.FreePageN+stats.PendingPageN > db.cfg.freeList
}

// storeFreeList stores the list of free pages where the last commit did not, so that
// the next start need not look for them. Without it that start is slow, and no more.
func (db *DB) storeFreeList() {
	if !db.bolt.NoFreelistSync {
		return
	}
	db.bolt.NoFreelistSync = false
	err := guard(func() error {
		tx, err := db.bolt.Begin(true)
		if err != nil {
			return err
		}
		return tx.Commit()
	})
	if err != nil {
		db.isStuck(err)
		db.log.Warn("the list of free pages is not stored; the next start looks for them", "path", db.cfg.Path, "error", err)
	}
}

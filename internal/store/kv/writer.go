package kv

import (
	"errors"
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

// round writes what waits in the queue.
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
	case noSpace(err) && !db.metaWritten(id):
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
				db.stuck.Store(isPanic(err))
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
	if isPanic(err) {
		db.stuck.Store(true)
	}
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

package kv

import (
	"fmt"
)

// setErrors sets the outcome of those that have none of their own.
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

// fail ends all writing.
func (db *DB) fail(cause error) {
	err := fmt.Errorf("%w: %w", ErrFailed, cause)
	if db.failure.CompareAndSwap(nil, &err) {
		close(db.failed)
		db.log.Error("the database takes no more writes", "path", db.cfg.Path, "error", cause)
	}
}

// rollback ends the transaction without its writes. Where bbolt panics nothing can be written any more.
func (db *DB) rollback() {
	if db.tx.bolt == nil {
		return
	}
	if err := guard(db.tx.bolt.Rollback); isPanic(err) {
		db.stuck.Store(true)
		db.fail(err)
	}
	db.tx.bolt = nil
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
	if isPanic(err) {
		db.stuck.Store(true)
	}
	return err != nil || written
}

package kv

// freeListPolicy says when a commit stores the list of free pages. Tests and
// benchmarks compare them.
type freeListPolicy int

const (
	freeListShort  freeListPolicy = iota // while it is short
	freeListAlways                       // in each commit
	freeListNever                        // at Close only
)

// shortFreeList is how many free pages a commit stores the list of: eight bytes each.
const shortFreeList = 4096

// chooseFreeList decides whether the next commit stores the list of free pages.
func (db *DB) chooseFreeList() {
	switch db.cfg.freeList {
	case freeListAlways:
		db.bolt.NoFreelistSync = false
	case freeListNever:
		db.bolt.NoFreelistSync = true
	default:
		stats := db.bolt.Stats()
		db.bolt.NoFreelistSync = stats.FreePageN+stats.PendingPageN > shortFreeList
	}
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
	if isPanic(err) {
		db.stuck.Store(true)
	}
	if err != nil {
		db.log.Warn("the list of free pages is not stored; the next start looks for them", "path", db.cfg.Path, "error", err)
	}
}

package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// View calls fn with the database of a server that does not run, or with a backup, if it is of this program's format.
func View(path string, fn func(*kv.ReadTx) error) error {
	return InWords(kv.ViewFile(path, func(tx *kv.ReadTx) error {
		if err := checkFormat(tx); err != nil {
			return err
		}
		return fn(tx)
	}))
}

// editing is the database of a server that does not run, in the transaction of a change.
type editing struct {
	*kv.Tx

	counters Counters // stored where they changed
}

// Follower gets the bytes of each commit, which another database is kept equal by.
type Follower func(entry []byte)

// edit has stage change the database of a server that does not run, if it is of this program's format.
func edit(path string, stage func(*editing) error, followers []Follower) error {
	if err := View(path, func(*kv.ReadTx) error { return nil }); err != nil {
		return err
	}
	db, err := kv.Open(kv.Config{Path: path, Buckets: Buckets, Apply: func(entry []byte) {
		for _, follow := range followers {
			follow(entry)
		}
	}})
	if err != nil {
		return InWords(err)
	}
	err = db.Do(context.Background(), kv.Op{Stage: func(tx *kv.Tx) error {
		c, err := ReadCounters(&tx.ReadTx)
		if err != nil {
			return err
		}
		e := &editing{tx, c}
		if err := stage(e); err != nil || e.counters == c {
			return err
		}
		return e.counters.Put(tx)
	}})
	return InWords(errors.Join(err, db.Close()))
}

// audit appends an entry to the audit, if there is one, and returns the number of the last entry.
func (e *editing) audit(by *storev1.AuditEntry) (uint64, error) {
	head, err := audit.AppendOne(e.Tx, by, e.counters.Advance(time.Now()))
	return head.Sequence, err
}

// Backup writes a copy of the database of a server that does not run to w and returns its size.
func Backup(path string, w io.Writer) (n int64, err error) {
	err = View(path, func(tx *kv.ReadTx) error {
		n, err = tx.WriteTo(w)
		return err
	})
	return n, err
}

// Compact replaces the database of a server that does not run by a copy without free space, and returns both sizes. No
// server can open the file meanwhile.
func Compact(path string) (before, after int64, err error) {
	if err := View(path, func(*kv.ReadTx) error { return nil }); err != nil {
		return 0, 0, fmt.Errorf("compact store %s: %w", path, err)
	}
	before, after, err = kv.Compact(kv.Config{Path: path})
	return before, after, InWords(err)
}

// VerifyAudit verifies the audit in the database of a server that does not run, or in a backup. expect is an entry that
// must be in it, or nil.
func VerifyAudit(path string, expect *audit.Head) (report audit.Report, err error) {
	err = View(path, func(tx *kv.ReadTx) error {
		report, err = audit.Verify(context.Background(), tx, expect)
		return err
	})
	if err != nil {
		return report, fmt.Errorf("verify the audit in %s: %w", path, err)
	}
	return report, nil
}

// ReadAudit is audit.Export of the database of a server that does not run, or of a backup.
func ReadAudit(path string, after uint64, fn func(before audit.Head, row audit.Row) error) error {
	if err := View(path, func(tx *kv.ReadTx) error { return audit.Export(tx, after, fn) }); err != nil {
		return fmt.Errorf("read the audit in %s: %w", path, err)
	}
	return nil
}

// pruneStep is how many entries PruneAudit deletes in one transaction.
const pruneStep = 50_000

// PruneAudit deletes the entries from before a time from the database of a server that does not run. The last of them
// stays as the entry that the chain begins behind, so that it can still be verified. by says who does it and becomes
// an entry itself. A chain that does not verify is left as it is. It returns the entry that
// the chain now begins behind and how many were deleted.
func PruneAudit(path string, before time.Time, by *storev1.AuditEntry, followers ...Follower) (begin audit.Head, pruned uint64, err error) {
	report, err := VerifyAudit(path, nil)
	if err != nil {
		return begin, 0, err
	}
	if len(report.Problems) > 0 {
		return begin, 0, fmt.Errorf("prune the audit in %s: it does not verify, so it is kept as it is: %s: %w", path, report.Problems[0], job.ErrConflict)
	}
	for more := true; more && err == nil; {
		var n uint64
		err = edit(path, func(e *editing) error {
			if begin, n, more, err = audit.Prune(e.Tx, before, pruneStep); err != nil || n == 0 {
				return err
			}
			_, err := e.audit(by)
			return err
		}, followers)
		pruned += n
	}
	if err != nil {
		return begin, 0, fmt.Errorf("prune the audit in %s: %w", path, err)
	}
	return begin, pruned, nil
}

package file

import (
	"context"
	"errors"
	"fmt"
	"time"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/kv"
)

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

// PruneAudit deletes the entries from before a time from the database of a server that does not run. The last of them
// stays as the entry that the chain begins behind, so that it can still be verified. by says who does it and becomes
// an entry itself. A chain that does not verify is left as it is. It returns the entry that
// the chain now begins behind and how many were deleted.
func PruneAudit(path string, before time.Time, by *storev1.AuditEntry) (begin audit.Head, pruned uint64, err error) {
	report, err := VerifyAudit(path, nil)
	if err != nil {
		return begin, 0, err
	}
	if len(report.Problems) > 0 {
		return begin, 0, fmt.Errorf("prune the audit in %s: it does not verify, so it is kept as it is: %s: %w", path, report.Problems[0], job.ErrConflict)
	}
	for more := true; more && err == nil; {
		err = update(path, func(tx *kv.Tx) error {
			var n uint64
			if begin, n, more, err = audit.Prune(tx, before); err != nil || n == 0 {
				return err
			}
			pruned += n
			c, err := ReadCounters(&tx.ReadTx)
			if err != nil {
				return err
			}
			_, err = appendOffline(tx, &c, by)
			return errors.Join(err, c.Put(tx))
		})
	}
	if err != nil {
		return begin, 0, fmt.Errorf("prune the audit in %s: %w", path, err)
	}
	return begin, pruned, nil
}

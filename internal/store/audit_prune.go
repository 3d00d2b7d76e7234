package store

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// PruneAudit takes the entries from before a time out of the database of a server that does not run. The last of them
// stays as the entry that the chain begins behind, so that it can still be verified. by says who does it and becomes
// an entry itself. A chain that does not verify is left as it is. Answered are the entry that
// the chain now begins behind and how many were taken out.
func PruneAudit(path string, before time.Time, by *storev1.AuditEntry) (begin AuditHead, taken uint64, err error) {
	report, err := VerifyAudit(path, nil)
	if err != nil {
		return begin, 0, err
	}
	if len(report.Problems) > 0 {
		return begin, 0, fmt.Errorf("prune the audit in %s: it does not verify, so it is kept as it is: %s: %w", path, report.Problems[0], job.ErrConflict)
	}
	for more := true; more && err == nil; {
		err = updateFile(path, func(tx *kv.Tx) error {
			var n uint64
			begin, n, err = pruneAudit(tx, before, by)
			taken, more = taken+n, n == pruneStep
			return err
		})
	}
	if err != nil {
		return begin, 0, fmt.Errorf("prune the audit in %s: %w", path, err)
	}
	return begin, taken, nil
}

// pruneStep is how many entries are taken out in one commit. After each of them the chain verifies.
const pruneStep = 50_000

func pruneAudit(tx *kv.Tx, before time.Time, by *storev1.AuditEntry) (begin AuditHead, taken uint64, err error) {
	begin, _, err = readHeads(&tx.ReadTx)
	if err != nil {
		return begin, 0, err
	}
	c := tx.Cursor(bucketAudit)
	for k, v := c.First(); k != nil && taken < pruneStep; k, v = c.First() {
		row, err := decodeRow(k, v)
		if err != nil {
			return begin, 0, err
		}
		if !row.Entry.GetTime().AsTime().Before(before) {
			break
		}
		begin = AuditHead{row.Sequence, row.Hash}
		if err := tx.Delete(bucketAudit, bytes.Clone(k)); err != nil {
			return begin, 0, err
		}
		taken++
	}
	if taken == 0 {
		return begin, 0, nil
	}
	_, err = appendOffline(tx, by)
	return begin, taken, errors.Join(err, tx.Put(bucketMeta, keyAuditBegin, begin.encode()))
}

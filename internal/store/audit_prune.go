package store

import (
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
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
	db, err := boltOpen(path, &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return begin, 0, fmt.Errorf("prune the audit in %s: %w", path, err)
	}
	err = guard(func() error {
		return db.Update(func(tx *bolt.Tx) (err error) {
			begin, taken, err = pruneAudit(tx, before, by)
			return err
		})
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return begin, 0, fmt.Errorf("prune the audit in %s: %w", path, err)
	}
	return begin, taken, nil
}

func pruneAudit(tx *bolt.Tx, before time.Time, by *storev1.AuditEntry) (begin AuditHead, taken uint64, err error) {
	begin, _, err = readHeads(tx)
	if err != nil {
		return begin, 0, err
	}
	c := tx.Bucket(bucketAudit).Cursor()
	for k, v := c.First(); k != nil; k, v = c.First() {
		row, err := decodeRow(k, v)
		if err != nil {
			return begin, 0, err
		}
		if !row.Entry.GetTime().AsTime().Before(before) {
			break
		}
		begin = AuditHead{row.Sequence, row.Hash}
		if err := c.Delete(); err != nil {
			return begin, 0, err
		}
		taken++
	}
	if taken == 0 {
		return begin, 0, nil
	}
	_, err = appendOffline(tx, by)
	return begin, taken, errors.Join(err, tx.Bucket(bucketMeta).Put(keyAuditBegin, begin.encode()))
}

package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// AuditQuery says which entries of the audit are asked for.
type AuditQuery struct {
	// User who did it, who acted for somebody, or whom it concerned. Empty means anybody.
	User string
	// Job that was acted on. Zero means any.
	Job job.ID
	// Before is the number that entries are below. Zero begins with the newest.
	Before uint64
	// Limit is how many entries are answered at most. Required.
	Limit int
	// MaxBytes ends the entries early, once those found have so many bytes. 0 means no such bound.
	MaxBytes int
}

// auditScan is how many entries one query looks at. It goes on where it stopped when it is asked again.
const auditScan = 100_000

// AuditEntries answers entries, newest first. next is what Before is to be to go
// on, 0 at the end; there can be more also where fewer than Limit were found.
func (s *Store) AuditEntries(ctx context.Context, q AuditQuery) (rows []AuditRow, next uint64, _ error) {
	err := s.inTx(func(tx *kv.ReadTx) error {
		c := tx.Cursor(bucketAudit)
		looked, size := 0, 0
		for k, v := lastBefore(c, q.Before); k != nil; k, v = c.Prev() {
			if len(rows) == q.Limit || looked == auditScan || q.MaxBytes > 0 && size >= q.MaxBytes {
				next = binary.BigEndian.Uint64(k) + 1
				return nil
			}
			if looked++; looked%1024 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if !q.mayFit(v) {
				continue
			}
			row, err := decodeRow(k, v)
			if err != nil {
				return err
			}
			if row.raw = nil; q.fits(row) {
				rows = append(rows, row)
				size += len(v)
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read the audit: %w", err)
	}
	return rows, next, nil
}

// lastBefore puts the cursor on the last entry with a number below before; zero is no bound.
func lastBefore(c *kv.Cursor, before uint64) (k, v []byte) {
	if before == 0 {
		return c.Last()
	}
	if k, _ := c.Seek(binary.BigEndian.AppendUint64(nil, before)); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// mayFit looks at the bytes of an entry, which is many times quicker than reading it.
func (q *AuditQuery) mayFit(v []byte) bool {
	if q.User != "" && !bytes.Contains(v, []byte(q.User)) {
		return false
	}
	return q.Job == 0 || bytes.Contains(v, protowire.AppendVarint(nil, uint64(q.Job)))
}

func (q *AuditQuery) fits(row AuditRow) bool {
	e := row.Entry
	if q.User != "" && q.User != e.GetUser() && q.User != e.GetActor() && q.User != e.GetSubject() {
		return false
	}
	return q.Job == 0 || slices.Contains(e.GetJobIds(), uint64(q.Job))
}

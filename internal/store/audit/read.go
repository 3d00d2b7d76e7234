package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// Row is a stored entry.
type Row struct {
	// Sequence is its number.
	Sequence uint64
	// Hash over the hash of the entry before and this one.
	Hash Hash
	// Entry says who did what.
	Entry *storev1.AuditEntry

	raw []byte // as stored, and valid as long as the transaction; nil of a row that was not read from a database
}

func decodeRow(k, v []byte) (Row, error) {
	row := Row{Entry: &storev1.AuditEntry{}}
	if len(k) != 8 {
		return row, fmt.Errorf("an audit entry's key has %d bytes: %w", len(k), job.ErrStorage)
	}
	row.Sequence = binary.BigEndian.Uint64(k)
	n := copy(row.Hash[:], v)
	if row.raw = v[n:]; n < len(row.Hash) || proto.Unmarshal(row.raw, row.Entry) != nil {
		return row, fmt.Errorf("audit entry %d cannot be read: %w", row.Sequence, job.ErrStorage)
	}
	return row, nil
}

// Export calls fn with the entries behind the one with number after, oldest first, and the head
// before each. It returns the first error.
func Export(tx *kv.ReadTx, after uint64, fn func(before Head, row Row) error) error {
	before, _, err := Heads(tx)
	if err != nil {
		return err
	}
	c := tx.Cursor(Bucket)
	for k, v := c.First(); k != nil; k, v = c.Next() {
		row, err := decodeRow(k, v)
		if err != nil {
			return err
		}
		if row.Sequence > after {
			if err := fn(before, row); err != nil {
				return err
			}
		}
		before = Head{row.Sequence, row.Hash}
	}
	return nil
}

// Query says which entries are asked for.
type Query struct {
	// User who did it, who acted for somebody, or whom it concerned. Empty means anybody.
	User string
	// Job that was acted on. Zero means any.
	Job job.ID
	// Before is the number that entries are below. Zero begins with the newest.
	Before uint64
	// Limit is how many entries are returned at most. Required.
	Limit int
	// MaxBytes ends the entries early, once those found have so many bytes. 0 means no such bound.
	MaxBytes int
}

// maxScan is how many entries one query looks at. The next page goes on where it stopped.
const maxScan = 100_000

// Entries returns entries, newest first. next is the Before of the next page, and 0 at the end. There
// may be another page also where fewer than Limit were found.
func Entries(ctx context.Context, tx *kv.ReadTx, q Query) (rows []Row, next uint64, _ error) {
	c := tx.Cursor(Bucket)
	scanned, size := 0, 0
	for k, v := lastBefore(c, q.Before); k != nil; k, v = c.Prev() {
		if len(rows) == q.Limit || scanned == maxScan || q.MaxBytes > 0 && size >= q.MaxBytes {
			return rows, binary.BigEndian.Uint64(k) + 1, nil
		}
		if scanned++; scanned%1024 == 0 && ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		if !q.mayFit(v) {
			continue
		}
		row, err := decodeRow(k, v)
		if err != nil {
			return nil, 0, err
		}
		if row.raw = nil; q.fits(row) {
			rows = append(rows, row)
			size += len(v)
		}
	}
	return rows, 0, nil
}

// lastBefore puts the cursor on the last entry with a number below before. Zero is no bound.
func lastBefore(c *kv.Cursor, before uint64) (k, v []byte) {
	if before == 0 {
		return c.Last()
	}
	if k, _ := c.Seek(key(before)); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// mayFit looks at the bytes of an entry, which is many times quicker than to decode it.
func (q *Query) mayFit(v []byte) bool {
	if q.User != "" && !bytes.Contains(v, []byte(q.User)) {
		return false
	}
	return q.Job == 0 || bytes.Contains(v, protowire.AppendVarint(nil, uint64(q.Job)))
}

func (q *Query) fits(row Row) bool {
	e := row.Entry
	if q.User != "" && q.User != e.GetUser() && q.User != e.GetActor() && q.User != e.GetSubject() {
		return false
	}
	return q.Job == 0 || slices.Contains(e.GetJobIds(), uint64(q.Job))
}

package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
	"github.com/stint-jobs/stint/internal/weight"
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
	for k, v := range tx.Ascend(Bucket, nil) {
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
	// Bound ends the entries early, once those found are so much together. There is one, however large it is.
	Bound weight.Bound
}

// maxScan is how many entries one query looks at. The next page goes on where it stopped.
const maxScan = 100_000

// Entries returns entries, newest first. next is the Before of the next page, and 0 at the end. There
// may be another page also where fewer than Limit were found.
func Entries(ctx context.Context, tx *kv.ReadTx, q Query) (rows []Row, next uint64, _ error) {
	var below []byte
	if q.Before > 0 {
		below = key(q.Before)
	}
	scanned, room := 0, weight.NewBudget(q.Bound)
	for k, v := range tx.Descend(Bucket, below) {
		if len(rows) == q.Limit || scanned == maxScan {
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
		if !q.fits(row) {
			continue
		}
		if !room.Add(weight.Encoded{Bytes: row.raw, Message: row.Entry.ProtoReflect().Descriptor()}) {
			return rows, row.Sequence + 1, nil
		}
		row.raw = nil
		rows = append(rows, row)
	}
	return rows, 0, nil
}

// mayFit looks for what is asked for in the bytes of an entry, which is many times quicker than to decode it.
func (q *Query) mayFit(v []byte) bool {
	if q.User != "" && !bytes.Contains(v, []byte(q.User)) {
		return false
	}
	return q.Job == 0 || bytes.Contains(v, binary.AppendUvarint(nil, uint64(q.Job)))
}

func (q *Query) fits(row Row) bool {
	e := row.Entry
	if q.User != "" && q.User != e.GetUser() && q.User != e.GetActor() && q.User != e.GetSubject() {
		return false
	}
	return q.Job == 0 || slices.Contains(e.GetJobIds(), uint64(q.Job))
}

package audit

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// maxJobs is how many jobs one entry names. More become more entries.
const maxJobs = 1000

// Appender appends to the chain in the transaction of a batch. It belongs to the writer.
type Appender struct {
	tx           *kv.Tx
	stored, head Head // as the transaction has it stored, and with what was appended since
	time         *timestamppb.Timestamp
	buf          []byte
}

// Begin starts a batch at a head, whose entries get this time.
func (a *Appender) Begin(tx *kv.Tx, head Head, now *timestamppb.Timestamp) {
	*a = Appender{tx: tx, stored: head, head: head, time: now, buf: a.buf}
}

// Head returns the last entry, with those of the batch.
func (a *Appender) Head() Head { return a.head }

// Rewind goes back to a head of the same batch. The writes of the entries behind it must have been
// taken back.
func (a *Appender) Rewind(to Head) { a.head = to }

// Append appends an entry about jobs, in as many entries as they need. A subject takes the place of the entry's own.
// Bytes of its texts that are not UTF-8 are replaced. The entry that is given stays as it is.
func (a *Appender) Append(given *storev1.AuditEntry, subject string, jobs []uint64) error {
	e := proto.CloneOf(given)
	e.Time = a.time
	if subject != "" {
		e.Subject = subject
	}
	for _, text := range []*string{&e.User, &e.Actor, &e.How, &e.CredentialId, &e.Address, &e.Method, &e.Subject, &e.Reason} {
		*text = strings.ToValidUTF8(*text, "\uFFFD")
	}
	for {
		n := min(len(jobs), maxJobs)
		e.JobIds, jobs = jobs[:n], jobs[n:]
		if err := a.append(e); err != nil || len(jobs) == 0 {
			return err
		}
	}
}

func (a *Appender) append(e *storev1.AuditEntry) (err error) {
	a.buf = append(a.buf[:0], a.head.Hash[:]...) // what the new hash begins with, and the room for it
	if a.buf, err = appendEntry(a.buf, e); err != nil {
		return fmt.Errorf("encode an entry of the audit: %w", err)
	}
	a.head = Head{Sequence: a.head.Sequence + 1, Hash: sha256.Sum256(a.buf)}
	copy(a.buf, a.head.Hash[:])
	return a.tx.Put(Bucket, key(a.head.Sequence), a.buf)
}

// Finish stores where the chain ends, if it grew.
func (a *Appender) Finish() error {
	if a.head == a.stored {
		return nil
	}
	a.stored = a.head
	return a.tx.Put(HeadBucket, []byte(KeyEnd), a.head.encode())
}

// appendEntry appends the form of an entry that is stored and hashed: its fields in the order of
// their numbers.
func appendEntry(b []byte, e *storev1.AuditEntry) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.MarshalAppend(b, e)
}

// AppendOne appends one entry in a transaction of its own, and returns the new head. Without an
// entry it appends nothing.
func AppendOne(tx *kv.Tx, e *storev1.AuditEntry, now *timestamppb.Timestamp) (Head, error) {
	_, end, err := Heads(&tx.ReadTx)
	if err != nil || e == nil {
		return end, err
	}
	var a Appender
	a.Begin(tx, end, now)
	err = a.Append(e, "", e.GetJobIds())
	return a.head, errors.Join(err, a.Finish())
}

// Prune deletes the oldest entries, as long as they are from before a time, and at most so many. The last of them remains
// as the head that the chain begins behind, so the chain verifies after each step. An entry that does not follow the one
// before it is job.ErrConflict. more reports whether another step is needed.
func Prune(tx *kv.Tx, before time.Time, maxEntries int) (begin Head, pruned uint64, more bool, err error) {
	if begin, _, err = Heads(&tx.ReadTx); err != nil {
		return begin, 0, false, err
	}
	var keys [][]byte
	for k, v := range tx.Ascend(Bucket, nil) {
		row, err := decodeRow(k, v)
		if err != nil {
			return begin, 0, false, err
		}
		if more = len(keys) == maxEntries; more || !row.Entry.GetTime().AsTime().Before(before) {
			break
		}
		if row.Sequence != begin.Sequence+1 || begin.Follows(row.raw) != row.Hash {
			return begin, 0, false, fmt.Errorf("audit entry %d does not follow the one before it, so it is kept: %w", row.Sequence, job.ErrConflict)
		}
		begin = Head{row.Sequence, row.Hash}
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := tx.Delete(Bucket, k); err != nil {
			return begin, 0, false, err
		}
	}
	if len(keys) > 0 {
		err = tx.Put(HeadBucket, []byte(keyBegin), begin.encode())
	}
	return begin, uint64(len(keys)), more, err
}

package store

import (
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/index"
)

// batch is what goes into one commit. Reads of the transaction see what was
// staged before; the index does not, so the batch keeps the differences that decisions need.
type batch struct {
	*reader
	s       *Store
	ops     []*op
	tx      *bolt.Tx
	now     time.Time
	stamp   *timestamppb.Timestamp // now, shared by the batch's messages
	meta    meta
	changes []index.ChangedJob // for the audit and for counting
	applied index.Applied      // what was committed
	dirty   bool
	about   about // of the present op
	head    AuditHead
	buf     []byte // encoded records; the transaction refers to them until it ends
	entry   []byte // what the transaction writes, for the log

	active    map[string]int64 // by owner, how many more jobs are active than the index says
	activeAll int64
	auditJobs []job.ID
	requests  map[string]job.ID // first job by owner, zero byte and request id
}

func newBatch(s *Store) *batch {
	return &batch{s: s, active: make(map[string]int64), requests: make(map[string]job.ID)}
}

// reset empties the batch but for its ops.
func (b *batch) reset() {
	b.changes, b.applied, b.dirty, b.activeAll = b.changes[:0], index.Applied{}, false, 0
	clear(b.active)
	clear(b.requests)
	if b.buf = b.buf[:0]; cap(b.buf) > 4<<20 {
		b.buf = nil
	}
	if b.entry = b.entry[:0]; cap(b.entry) > 4<<20 {
		b.entry = nil
	}
}

func (b *batch) begin(tx *bolt.Tx) {
	b.tx, b.reader, b.meta = tx, readerOf(tx), b.s.meta
	b.head = *b.s.auditHead.Load()
	fillPages(tx)
	b.now = b.s.now()
	if b.now.Before(b.s.lastTime) {
		b.now = b.s.lastTime // the order of ids is the order of times, whatever the clock does
	}
	b.stamp = timestamppb.New(b.now)
}

// finish commits.
func (b *batch) finish(hook func(entry []byte) error) error {
	if err := b.put(bucketMeta, keyCounters, b.meta.encode()); err != nil {
		return err
	}
	if err := b.storeHead(); err != nil {
		return err
	}
	if hook != nil {
		if err := hook(b.entry); err != nil {
			return err
		}
	}
	return b.s.file.commit(b.tx, b.entry)
}

// failAll gives an error to every op that had none.
func (b *batch) failAll(err error) {
	for _, o := range b.ops {
		if o.err == nil {
			o.err = err
		}
	}
	b.changes = b.changes[:0]
}

// nextRevision gives a revision to the next change.
func (b *batch) nextRevision() uint64 {
	b.meta.revision++
	return b.meta.revision
}

// encode returns the value of a record, which belongs to the batch.
func (b *batch) encode(rec *storev1.Record) ([]byte, error) {
	start := len(b.buf)
	buf, err := encodeRecord(b.buf, rec)
	if err != nil {
		return nil, err
	}
	b.buf = buf
	return buf[start:len(buf):len(buf)], nil
}

// putJob stages a record.
func (b *batch) putJob(id job.ID, raw []byte) error {
	b.dirty = true
	return b.put(bucketJobs, id.Key(), raw)
}

func staging(err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", errStaging, err)
	}
	return nil
}

// countActive notes that n more jobs of the owner are active.
func (b *batch) countActive(owner string, n int64) {
	if n != 0 {
		b.active[owner] += n
		b.activeAll += n
	}
}

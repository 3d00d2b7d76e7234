package store

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// batch is what goes into one commit. Reads of the transaction see what was
// staged before; the index does not, so the batch keeps the differences that decisions need.
type batch struct {
	reader
	s       *Store
	tx      *kv.Tx
	now     time.Time
	stamp   *timestamppb.Timestamp // now, shared by the batch's messages
	meta    meta
	changes []index.ChangedJob // for the audit
	about   about              // of the present op
	audited bool               // the present op is audited though it writes nothing else
	head    AuditHead
	buf     []byte // encoded records

	active    map[string]int64 // by owner, how many more jobs are active than the index says
	activeAll int64
	auditJobs []job.ID
	requests  map[string]job.ID // first job of those that this batch stages, by requestKey
}

func (b *batch) init(s *Store) {
	b.s, b.active, b.requests = s, make(map[string]int64), make(map[string]job.ID)
}

// maxAhead is how far times may run ahead of the clock. The order of ids and revisions is that of commits, whatever the
// clock does; times follow it only as long as the clock is set back by no more than this.
const maxAhead = 5 * time.Second

// begin starts a batch with nothing in it.
func (b *batch) begin(tx *kv.Tx) {
	b.changes, b.activeAll = b.changes[:0], 0
	clear(b.active)
	clear(b.requests)
	if b.buf = b.buf[:0]; cap(b.buf) > 4<<20 {
		b.buf = nil
	}
	b.tx, b.reader, b.meta, b.head = tx, reader{&tx.ReadTx}, b.s.meta, *b.s.auditHead.Load()
	b.now = b.s.now()
	if last := b.s.lastTime; b.now.Before(last) && last.Sub(b.now) <= maxAhead {
		b.now = last
	}
	b.stamp = timestamppb.New(b.now)
}

// finish stages what every commit has.
func (b *batch) finish(tx *kv.Tx) error {
	if err := tx.Put(bucketMeta, keyCounters, b.meta.encode()); err != nil {
		return err
	}
	if err := b.storeHead(); err != nil {
		return err
	}
	if hook := b.s.finishing.Load(); hook != nil {
		return (*hook)()
	}
	return nil
}

// run stages one operation and, if it changed something, who did that.
func (b *batch) run(by *audited, stage func(*batch) error) error {
	written, from, meta, head := len(b.tx.Entry()), len(b.changes), b.meta, b.head
	b.about, b.audited = about{}, false
	err := stage(b)
	if err == nil && by.entry != nil && (b.audited || len(b.tx.Entry()) > written) {
		err = b.audit(by, from)
	}
	if err != nil { // kv takes back what was written
		b.changes, b.meta, b.head = b.changes[:from], meta, head
	}
	return err
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

// countActive notes that n more jobs of the owner are active.
func (b *batch) countActive(owner string, n int64) {
	if n != 0 {
		b.active[owner] += n
		b.activeAll += n
	}
}

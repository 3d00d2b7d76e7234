package store

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/credential"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// batch is what goes into one commit. Reads of the transaction see what was
// staged before; the index does not, so the batch keeps the differences that decisions need.
type batch struct {
	s        *Store
	tx       *kv.Tx
	stamp    *timestamppb.Timestamp // of the commit, shared by the batch's messages
	counters file.Counters
	changes  []index.ChangedJob // for the audit
	buf      []byte             // encoded records

	chain       audit.Appender
	credentials *credential.Batch
	requests    map[string]span // jobs that this batch stages, by file.RequestKey

	// Of the present operation.
	target    target
	mustAudit bool // it is audited though it writes nothing else

	active    map[string]int64 // by owner, how many more jobs are active than the index says
	activeAll int64
	issues    map[job.ID]int // by job, how many more reports there are than the state says
}

func (b *batch) init(s *Store) {
	b.s, b.active, b.issues = s, make(map[string]int64), make(map[job.ID]int)
	b.credentials, b.requests = credential.NewBatch(&s.mem.credentials), make(map[string]span)
}

// begin starts a batch with nothing in it.
func (b *batch) begin(tx *kv.Tx) {
	b.changes, b.activeAll = b.changes[:0], 0
	clear(b.active)
	clear(b.issues)
	clear(b.requests)
	if b.buf = b.buf[:0]; cap(b.buf) > 4<<20 {
		b.buf = nil
	}
	b.tx, b.counters = tx, b.s.mem.counters
	b.stamp = b.counters.Advance(b.s.cfg.Now())
	b.chain.Begin(tx, b.s.mem.audit.Head(), b.stamp)
	b.credentials.Begin(tx)
}

// finish stages what every commit has.
func (b *batch) finish(tx *kv.Tx) error {
	if err := b.counters.Put(tx); err != nil {
		return err
	}
	if err := b.chain.Finish(); err != nil {
		return err
	}
	if hook := b.s.finishing.Load(); hook != nil {
		return (*hook)()
	}
	return nil
}

// run stages one operation and, if it changed something, who did that.
func (b *batch) run(by *storev1.AuditEntry, stage func(*batch) error) error {
	written, from, counters, head := len(b.tx.Entry()), len(b.changes), b.counters, b.chain.Head()
	b.target, b.mustAudit = target{}, false
	err := stage(b)
	if err == nil && by != nil && (b.mustAudit || len(b.tx.Entry()) > written) {
		err = b.audit(by, from)
	}
	if err != nil { // kv takes back what was written
		b.changes, b.counters = b.changes[:from], counters
		b.chain.Rewind(head)
	}
	return err
}

// nextRevision gives a revision to the next change.
func (b *batch) nextRevision() uint64 {
	b.counters.Revision++
	return b.counters.Revision
}

// encode returns the value of a record, which belongs to the batch.
func (b *batch) encode(rec *storev1.Record) ([]byte, error) {
	start := len(b.buf)
	buf, err := file.Encode(b.buf, rec)
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

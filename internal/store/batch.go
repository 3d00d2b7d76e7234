package store

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/store/audit"
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

	chain    audit.Appender
	requests map[string]span // jobs that this batch stages, by file.RequestKey

	// Of the present operation.
	target    target
	mustAudit bool // it is audited though it writes nothing else

	active    map[string]int64 // by owner, how many more jobs are active than the index says
	activeAll int64
	kept      map[string]int // by owner, how many more jobs are kept than the index says
	shares    map[string]int // by owner of jobs, how many more shares there are than the index says
}

func (b *batch) init(s *Store) {
	b.s, b.active, b.shares, b.kept, b.requests = s, make(map[string]int64), make(map[string]int), make(map[string]int), make(map[string]span)
}

func (b *batch) begin(tx *kv.Tx) {
	b.changes, b.activeAll = b.changes[:0], 0
	clear(b.active)
	clear(b.shares)
	clear(b.kept)
	clear(b.requests)
	if b.buf = b.buf[:0]; cap(b.buf) > 4<<20 {
		b.buf = nil
	}
	b.tx, b.counters = tx, b.s.mem.counters
	b.stamp = b.counters.Advance(b.s.cfg.Now())
	b.chain.Begin(tx, *b.s.mem.audit.Load(), b.stamp)
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

func (b *batch) countActive(owner string, n int64) {
	if n != 0 {
		b.active[owner] += n
		b.activeAll += n
	}
}

const jobBytes = 2 << 10

// do has stage run in the writer and returns once what it wrote is on disk, or why it is not; see the package for the
// outcomes. weight is about how many jobs it writes. stage may run more than once, each time as if it had not before.
// ctx counts until the writer takes it up. What changed something is audited if ctx says who did it; see WithAudit.
// What comes with a context of Internal is the server's own: it waits for room where others are refused.
func (s *Store) do(ctx context.Context, weight int, stage func(*batch) error) error {
	return s.doBytes(ctx, weight, weight*jobBytes, stage)
}

// doBytes is do for a write of which it is known about how many bytes it has.
func (s *Store) doBytes(ctx context.Context, weight, bytes int, stage func(*batch) error) error {
	by, _ := ctx.Value(auditKey{}).(*storev1.AuditEntry) // nil without one
	return file.InWords(s.db.Do(ctx, kv.Op{
		Weight: weight, Bytes: bytes, Internal: isInternal(ctx),
		Stage: func(*kv.Tx) error { return s.batch.run(by, stage) },
	}))
}

// write is do for what returns something, and returns that unless there is an error.
func write[T any](ctx context.Context, s *Store, weight int, stage func(*batch) (T, error)) (none T, _ error) {
	var result T
	err := s.do(ctx, weight, func(b *batch) (err error) {
		result, err = stage(b)
		return err
	})
	if err != nil {
		return none, err
	}
	return result, nil
}

type internalKey struct{}

// Internal is a context for writes of the server itself, such as the scheduler's: on a full disk they wait in order until
// there is room, and no bound on what waits refuses them.
func Internal(ctx context.Context) context.Context {
	return context.WithValue(ctx, internalKey{}, true)
}

func isInternal(ctx context.Context) bool { return ctx.Value(internalKey{}) != nil }

func (s *Store) publish(entry []byte) {
	if s.committed != nil {
		s.committed(entry)
	}
	applied, err := s.mem.apply(entry)
	if err != nil {
		panic(err) // kv ends all writing: memory does not follow the disk
	}
	s.applied = applied
	s.changes.Add(uint64(len(applied.Jobs)))
}

func (s *Store) wake() {
	s.hub.Notify(keysOf(&s.applied)...)
	s.applied = index.Applied{}
}

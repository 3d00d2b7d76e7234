package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// The audit says who did what. An entry goes into the same transaction as what
// it tells of: neither is ever there without the other. What came with the call is encoded in
// the caller's goroutine; the writer adds the time and the jobs, hashes and appends.

// maxAuditJobs is how many jobs one entry names. More become more entries.
const maxAuditJobs = 1000

type auditKey struct{}

// WithAudit says who does what is done with the context: each call of the store with it that changes something appends
// the entry, with its time and the jobs that it touched, in the same
// transaction. A call that is refused, fails or changes nothing appends none. Where jobs of several users are touched,
// there is an entry for each of them, with the owner as its subject. The caller gives the entry up.
func WithAudit(ctx context.Context, e *storev1.AuditEntry) context.Context {
	return context.WithValue(ctx, auditKey{}, e)
}

// Audit appends an entry for something that changes nothing in the store: what was read of somebody else, or who
// came. It answers when the entry is durable. The time is filled in; the rest is as given.
func (s *Store) Audit(ctx context.Context, e *storev1.AuditEntry) error {
	err := s.do(WithAudit(ctx, e), 1, func(b *batch) error {
		b.audited = true
		return nil
	})
	if err != nil {
		return fmt.Errorf("audit %s of %s: %w", e.GetMethod(), e.GetUser(), err)
	}
	return nil
}

// AuditHead is the last entry of the audit, or where it begins when there is none.
func (s *Store) AuditHead() AuditHead { return *s.auditHead.Load() }

// audited is an entry on its way through the writer.
type audited struct {
	entry *storev1.AuditEntry // nil when nobody does it
	who   []byte              // the fields from user to method, encoded
}

// auditOf is the entry of the context; none without one.
func auditOf(ctx context.Context) audited {
	e, _ := ctx.Value(auditKey{}).(*storev1.AuditEntry)
	if e == nil {
		return audited{}
	}
	size := len(e.GetUser()) + len(e.GetActor()) + len(e.GetHow()) + len(e.GetCredentialId()) + len(e.GetAddress()) + len(e.GetMethod())
	return audited{entry: e, who: appendWho(make([]byte, 0, size+6*3), e)}
}

// The fields of store.v1.AuditEntry.
const (
	fieldTime protowire.Number = iota + 1
	fieldUser
	fieldActor
	fieldHow
	fieldCredential
	fieldAddress
	fieldMethod
	fieldJobs
	fieldSubject
	fieldReason
)

func appendWho(b []byte, e *storev1.AuditEntry) []byte {
	b = appendField(b, fieldUser, e.GetUser())
	b = appendField(b, fieldActor, e.GetActor())
	b = appendField(b, fieldHow, e.GetHow())
	b = appendField(b, fieldCredential, e.GetCredentialId())
	b = appendField(b, fieldAddress, e.GetAddress())
	return appendField(b, fieldMethod, e.GetMethod())
}

func appendField(b []byte, field protowire.Number, text string) []byte {
	if text == "" {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendString(b, strings.ToValidUTF8(text, "\uFFFD"))
}

func appendTime(b []byte, t *timestamppb.Timestamp) []byte {
	size := 0
	if t.GetSeconds() != 0 {
		size += 1 + protowire.SizeVarint(uint64(t.GetSeconds()))
	}
	if t.GetNanos() != 0 {
		size += 1 + protowire.SizeVarint(uint64(t.GetNanos()))
	}
	b = protowire.AppendTag(b, fieldTime, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	if t.GetSeconds() != 0 {
		b = protowire.AppendTag(b, 1, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(t.GetSeconds()))
	}
	if t.GetNanos() != 0 {
		b = protowire.AppendTag(b, 2, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(t.GetNanos()))
	}
	return b
}

func appendJobs[ID ~uint64](b []byte, ids []ID) []byte {
	if len(ids) == 0 {
		return b
	}
	size := 0
	for _, id := range ids {
		size += protowire.SizeVarint(uint64(id))
	}
	b = protowire.AppendTag(b, fieldJobs, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	for _, id := range ids {
		b = protowire.AppendVarint(b, uint64(id))
	}
	return b
}

// encodeAudit is the entry as it is stored and hashed: its fields in the order
// of their numbers. A test compares it with protobuf's own encoding.
func encodeAudit(e *storev1.AuditEntry) []byte {
	b := appendWho(appendTime(nil, e.GetTime()), e)
	b = appendField(appendJobs(b, e.GetJobIds()), fieldSubject, e.GetSubject())
	return appendField(b, fieldReason, e.GetReason())
}

// about is what a change is about that the changes of jobs do not tell.
type about struct {
	subject string   // a user
	jobs    []job.ID // read or reported on
}

// aboutJob is about a job of that owner.
func aboutJob(id job.ID, owner string) about {
	return about{subject: owner, jobs: []job.ID{id}}
}

// audit appends what one op did, which made the changes from this one on.
func (b *batch) audit(a *audited, from int) error {
	changes := b.changes[from:]
	if len(changes) == 0 {
		ids, subject := b.about.jobs, b.about.subject
		if len(ids) > 0 && subject == a.entry.GetUser() {
			subject = "" // their own job
		}
		for _, id := range a.entry.GetJobIds() {
			ids = append(ids, job.ID(id))
		}
		return b.appendAudit(a, subject, ids)
	}
	b.auditJobs = b.auditJobs[:0]
	owner := changes[0].Owner
	for i := range changes {
		if changes[i].Owner != owner {
			return b.auditByOwner(a, changes)
		}
		b.auditJobs = append(b.auditJobs, changes[i].ID)
	}
	return b.auditOwner(a, owner, b.auditJobs)
}

// auditByOwner appends an entry for each owner of the changed jobs.
func (b *batch) auditByOwner(a *audited, changes []index.ChangedJob) error {
	ids := make(map[string][]job.ID)
	var owners []string
	for i := range changes {
		owner := changes[i].Owner
		if ids[owner] == nil {
			owners = append(owners, owner)
		}
		ids[owner] = append(ids[owner], changes[i].ID)
	}
	for _, owner := range owners {
		if err := b.auditOwner(a, owner, ids[owner]); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) auditOwner(a *audited, owner string, ids []job.ID) error {
	subject := b.about.subject
	if subject == "" && owner != a.entry.GetUser() {
		subject = owner
	}
	for len(ids) > maxAuditJobs {
		if err := b.appendAudit(a, subject, ids[:maxAuditJobs]); err != nil {
			return err
		}
		ids = ids[maxAuditJobs:]
	}
	return b.appendAudit(a, subject, ids)
}

// appendAudit makes the next link of the chain.
func (b *batch) appendAudit(a *audited, subject string, ids []job.ID) error {
	if subject == "" {
		subject = a.entry.GetSubject()
	}
	buf := binary.BigEndian.AppendUint64(b.buf, b.head.Sequence+1)
	start := len(buf)
	key := buf[start-8 : start : start]
	buf = append(buf, b.head.Hash[:]...) // makes room for the new hash and is what it begins with
	buf = append(appendTime(buf, b.stamp), a.who...)
	buf = appendField(appendJobs(buf, ids), fieldSubject, subject)
	b.buf = appendField(buf, fieldReason, a.entry.GetReason())
	value := b.buf[start:len(b.buf):len(b.buf)]
	b.head = b.head.link(value)
	copy(value, b.head.Hash[:])
	return b.tx.Put(bucketAudit, key, value)
}

// storeHead stores where the chain ends, if it grew.
func (b *batch) storeHead() error {
	if b.head == *b.s.auditHead.Load() {
		return nil
	}
	return b.tx.Put(bucketMeta, keyAuditHead, b.head.encode())
}

// loadAudit reads where the chain goes on. Times of entries never go back either.
func (s *Store) loadAudit(tx *kv.ReadTx) error {
	_, head, err := readHeads(tx)
	if err != nil {
		return err
	}
	s.auditHead.Store(&head)
	k, v := tx.Cursor(bucketAudit).Last()
	if k == nil {
		return nil
	}
	row, err := decodeRow(k, v)
	if err != nil {
		return err
	}
	if last := row.Entry.GetTime().AsTime(); last.After(s.lastTime) {
		s.lastTime = last
	}
	return nil
}

// readHeads reads from where to where the chain goes. begin is the entry before the first one that is there.
func readHeads(tx *kv.ReadTx) (begin, end AuditHead, err error) {
	if begin, err = decodeHead(tx.Get(bucketMeta, keyAuditBegin)); err != nil {
		return begin, end, err
	}
	end, err = decodeHead(tx.Get(bucketMeta, keyAuditHead))
	return begin, end, err
}

package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
)

type auditKey struct{}

// WithAudit says who does what is done with the context: each call of the store with it that changes
// something appends the entry, with its time and the jobs that it touched, in the same transaction. A
// call that is refused, fails or changes nothing appends none. Where jobs of several users are touched,
// there is an entry for each of them, with the owner as its subject.
func WithAudit(ctx context.Context, e *storev1.AuditEntry) context.Context {
	return context.WithValue(ctx, auditKey{}, e)
}

// Audit appends an entry for something that changes nothing in the store: what was read of somebody
// else, or who came. It returns when the entry is durable. The time is filled in; the rest is as given.
func (s *Store) Audit(ctx context.Context, e *storev1.AuditEntry) error {
	err := s.do(WithAudit(ctx, e), 1, func(b *batch) error {
		b.mustAudit = true
		return nil
	})
	if err != nil {
		return fmt.Errorf("audit %s of %s: %w", e.GetMethod(), e.GetUser(), err)
	}
	return nil
}

type budgetKey struct{}

// WithReadBudget has each read of the context that needs an entry of its own ask take first, which refuses it by an error.
func WithReadBudget(ctx context.Context, take func() error) context.Context {
	return context.WithValue(ctx, budgetKey{}, take)
}

// maxLate is how many entries of reads wait for room at a time.
const maxLate = 256

// AuditRead is Audit for an entry about a read, which must go on while the disk is full. Where there is
// no room, the log has the entry, and it is stored as soon as there is. Beyond maxLate such entries, and
// once Close has begun, it returns job.ErrNoSpace. What is read again within ReadWindow is counted, and
// has no entry of its own.
func (s *Store) AuditRead(ctx context.Context, e *storev1.AuditEntry) error {
	key, now := keyOfRead(e), s.cfg.Now()
	if s.reads.repeated(key, now) {
		return nil
	}
	if take, ok := ctx.Value(budgetKey{}).(func() error); ok {
		if err := take(); err != nil {
			return err
		}
	}
	s.takeOver(ctx, key)
	err := s.auditRead(ctx, e)
	if err == nil {
		s.reads.begin(key, e, now)
	}
	return err
}

func (s *Store) auditRead(ctx context.Context, e *storev1.AuditEntry) error {
	err := s.Audit(ctx, e)
	if !errors.Is(err, job.ErrNoSpace) {
		return err
	}
	select {
	case s.late <- struct{}{}:
	default:
		return err
	}
	s.cfg.Logger.Warn("the disk is full; this entry of the audit is stored when there is room", "user", e.GetUser(), "actor", e.GetActor(),
		"how", e.GetHow(), "credential", e.GetCredentialId(), "address", e.GetAddress(), "method", e.GetMethod(), "jobs", e.GetJobIds(), "subject", e.GetSubject())
	ctx = Internal(context.WithoutCancel(ctx))
	go func() {
		defer func() { <-s.late }()
		if err := s.Audit(ctx, e); err != nil {
			s.cfg.Logger.Error("an entry of the audit was not stored", "user", e.GetUser(), "method", e.GetMethod(), "error", err)
		}
	}()
	return nil
}

// AuditHead returns the last entry of the audit, or where it begins when there is none.
func (s *Store) AuditHead() audit.Head { return *s.mem.audit.Load() }

// AuditEntries returns entries, newest first; see audit.Entries.
func (s *Store) AuditEntries(ctx context.Context, q audit.Query) (rows []audit.Row, next uint64, _ error) {
	return read2(s, func(tx *kv.ReadTx) ([]audit.Row, uint64, error) { return audit.Entries(ctx, tx, q) })
}

// target is what an operation concerns beside the jobs that it changes.
type target struct {
	user string
	jobs []uint64 // that were read or reported on
}

// audit appends what one operation did, which made the changes from this one on.
func (b *batch) audit(by *storev1.AuditEntry, from int) error {
	if from == len(b.changes) {
		user := b.target.user
		if len(b.target.jobs) > 0 && user == by.GetUser() {
			user = "" // their own job
		}
		return b.chain.Append(by, user, slices.Concat(b.target.jobs, by.GetJobIds()))
	}
	for _, group := range byOwner(b.changes[from:]) {
		user := b.target.user
		if user == "" && group.owner != by.GetUser() {
			user = group.owner
		}
		if err := b.chain.Append(by, user, group.jobs); err != nil {
			return err
		}
	}
	return nil
}

type ownedJobs struct {
	owner string
	jobs  []uint64
}

func byOwner(changes []index.ChangedJob) (groups []*ownedJobs) {
	known := make(map[string]*ownedJobs)
	for i := range changes {
		owner := changes[i].Owner
		if known[owner] == nil {
			known[owner] = &ownedJobs{owner: owner}
			groups = append(groups, known[owner])
		}
		known[owner].jobs = append(known[owner].jobs, uint64(changes[i].ID))
	}
	return groups
}

package store

import (
	"context"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// jobBytes is about how many bytes a change of a job writes.
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

// publish makes what was committed visible.
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

// wake wakes the watchers of what was committed.
func (s *Store) wake() {
	s.hub.Notify(keysOf(&s.applied)...)
	s.applied = index.Applied{}
}

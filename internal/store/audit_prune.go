package store

import (
	"context"
	"fmt"
	"time"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/store/audit"
)

const (
	// pruneStep is how many entries of the audit one operation deletes, so that those who wait for the same commit wait
	// a few milliseconds longer.
	pruneStep = 1000
	// pruneWeight is about how many jobs that is worth.
	pruneWeight = 250
)

// PruneAudit deletes the entries of the audit from before a time while the store is in use, in many small transactions.
// The last one that is deleted stays as the head that the chain begins behind, so the chain verifies after each of them.
// An entry whose hash is not that of the chain ends it with job.ErrConflict, and is kept with all behind it. by becomes an
// entry of its own, in the first transaction that deletes something. It returns the head that the chain begins behind
// and how many entries were deleted. On a full disk it waits for room, which it makes.
func (s *Store) PruneAudit(ctx context.Context, before time.Time, by *storev1.AuditEntry) (begin audit.Head, pruned uint64, _ error) {
	ctx = Internal(ctx)
	for first := true; ; first = false {
		step := ctx
		if first {
			step = WithAudit(ctx, by)
		}
		var n uint64
		var more bool
		err := s.do(step, pruneWeight, func(b *batch) (err error) {
			begin, n, more, err = audit.Prune(b.tx, before, pruneStep)
			return err
		})
		if err != nil {
			return begin, pruned, fmt.Errorf("prune the audit: %w", err)
		}
		if pruned += n; !more {
			return begin, pruned, nil
		}
		if err := ctx.Err(); err != nil {
			return begin, pruned, err
		}
	}
}

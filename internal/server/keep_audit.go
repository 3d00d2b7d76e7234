package server

import (
	"context"
	"time"

	"github.com/stint-jobs/stint/internal/auth"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
)

const (
	// minKeepAudit is the shortest time that entries of the audit can be kept: no setting takes out what happened today.
	minKeepAudit = 24 * time.Hour
	// pruneAuditEvery is how often old entries are looked for.
	pruneAuditEvery = time.Hour
	// flushReadsEvery is how often the repeats of reads are stored whose window is over.
	flushReadsEvery = time.Minute
	// methodPrune names in the audit that the server took out old entries.
	methodPrune = "prune"
	// howServer names in the audit what the server did because of its settings.
	howServer = "server"
)

// keepAudit stores the repeats of reads, and takes out the entries that need not be kept, until ctx ends.
func (s *server) keepAudit(ctx context.Context) {
	tick := time.NewTicker(flushReadsEvery)
	defer tick.Stop()
	var pruned time.Time
	for {
		if now := time.Now(); s.cfg.KeepAuditFor > 0 && now.Sub(pruned) >= pruneAuditEvery {
			pruned = now
			s.pruneAudit(ctx, now.Add(-s.cfg.KeepAuditFor))
		}
		s.store.FlushReads(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// pruneAudit takes out the entries from before a time. The log has the head that the chain begins behind, which an export
// from before ends with.
func (s *server) pruneAudit(ctx context.Context, before time.Time) {
	before = before.UTC().Truncate(time.Second)
	begin, n, err := s.store.PruneAudit(ctx, before, &storev1.AuditEntry{
		User: auth.LocalAdmin().User, How: howServer, Method: methodPrune, Reason: "--keep-audit-for: entries from before " + before.Format(time.RFC3339),
	})
	if err != nil && ctx.Err() == nil {
		s.log.Error("take old entries out of the audit", "error", err)
	}
	if n > 0 {
		s.log.Info("old entries were taken out of the audit", "entries", n, "before", before, "audit_begin", begin.String())
	}
}

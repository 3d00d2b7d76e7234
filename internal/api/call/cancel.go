package call

import (
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stint-jobs/stint/internal/auth"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// WishToCancel returns a change for store.Update that stores the wish to cancel a job. A job that no
// executor has yet is cancelled with it; otherwise the scheduler sees the wish and asks the executor.
func WishToCancel(p auth.Principal, reason string) func(*storev1.Record) error {
	return func(rec *storev1.Record) error {
		j := rec.GetJob()
		if err := NeedsReason(p, j.GetOwner(), reason); err != nil {
			return err
		}
		if job.Terminal(j.GetState()) || j.GetCancelTime() != nil { // the first wish counts
			return store.ErrUnchanged
		}
		j.CancelTime, j.CancelledBy, j.CancelReason = timestamppb.Now(), p.User, reason
		rec.CancelledByOperator = p.User != j.GetOwner()
		if rec.GetPhase() == storev1.Phase_PHASE_UNSPECIFIED {
			_, err := job.Transition(j, job.Cancelled(j, rec.GetCancelledByOperator()))
			return err
		}
		return nil
	}
}

// NeedsReason refuses what an operator does to a job of another user without a reason.
func NeedsReason(p auth.Principal, owner, reason string) error {
	if owner == p.User || !p.Has(auth.RoleOperator) || strings.TrimSpace(reason) != "" {
		return nil
	}
	return job.Invalid("reason", "must say why, since the job belongs to %s; it is stored in the audit", owner)
}

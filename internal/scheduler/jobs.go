package scheduler

import (
	"context"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/notify"
	"github.com/stint-jobs/stint/internal/store"
)

// Jobs is what the scheduler needs of the store. *store.Store is it; see there for what each method
// does.
//
// A read fails with job.ErrNotFound where there is no such job, with store.ErrDamaged where reading
// it again cannot help, and with anything else where it can.
type Jobs interface {
	// Hub signals that jobs changed.
	Hub() *notify.Hub[store.Key]
	// Revision is that of the latest change.
	Revision() uint64
	// ChangedSince returns the jobs that changed after a revision, or false where that is not known
	// any more.
	ChangedSince(after uint64, limit int) (ids []job.ID, upTo uint64, ok bool)
	// Active returns the ids of all jobs that are not final.
	Active() []job.ID
	// Briefs reads of several jobs where they belong. Each has an error of its own.
	Briefs(ids []job.ID) ([]store.Brief, error)
	// Record reads a job's record.
	Record(scope store.Scope, id job.ID) (*storev1.Record, error)
	// Get reads a job with its parameters.
	Get(scope store.Scope, id job.ID) (*jobsv1.Job, error)
	// Update changes a job's record.
	Update(ctx context.Context, scope store.Scope, id job.ID, fn func(*storev1.Record) error) (*jobsv1.Job, error)
}

var _ Jobs = (*store.Store)(nil)

package store

import (
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Scope is whose jobs a caller may see. Every read takes one, and a job outside
// of it does not exist: job.ErrNotFound. The zero value sees nothing.
type Scope struct {
	// Owner whose jobs are seen.
	Owner string
	// All sees everybody's jobs, whatever Owner says.
	All bool
	// Right adds jobs of others to what Owner sees: those of which they were given this right. It counts where
	// a job is addressed by its id, and in Queue. Pages, counts, changes of an owner and writes are as without it. Unspecified adds none.
	Right jobsv1.ShareRight
}

// Everyone sees all jobs. It is for operators and for the server itself.
var Everyone = Scope{All: true}

// OwnedBy sees the jobs of one owner.
func OwnedBy(owner string) Scope { return Scope{Owner: owner} }

// With is the scope with the jobs of others in it that were shared with its owner with that right.
func (s Scope) With(right jobsv1.ShareRight) Scope {
	s.Right = right
	return s
}

// sees reports whether a job of owner is in the scope without regard to what was shared.
func (s Scope) sees(owner string) bool { return s.All || s.Owner != "" && s.Owner == owner }

// Key is what a watcher subscribes to at Store.Hub. Make one with KeyJob, KeyOwner or KeyAll.
type Key struct {
	id    job.ID
	owner string
}

// KeyJob is woken when the job changes or is deleted, and when it is shared or not shared any more.
func KeyJob(id job.ID) Key { return Key{id: id} }

// KeyOwner is woken when any job of the owner changes, comes or goes.
func KeyOwner(owner string) Key { return Key{owner: owner} }

// KeyAll is woken when any job changes, comes or goes.
func KeyAll() Key { return Key{} }

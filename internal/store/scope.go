package store

import (
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/index"
)

// Scope is whose jobs a caller may see. Every read takes one, and a job outside
// of it does not exist: job.ErrNotFound. The zero value sees nothing.
type Scope = index.Scope

// Everyone sees all jobs. It is for operators and for the server itself.
var Everyone = Scope{All: true}

// OwnedBy returns the scope that sees the jobs of one owner.
func OwnedBy(owner string) Scope { return Scope{Owner: owner} }

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

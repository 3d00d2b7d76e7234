package store

import (
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/index"
)

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

// keysOf returns what watchers may wait for that a commit changed, each once.
func keysOf(a *index.Applied) []Key {
	keys := make([]Key, 0, len(a.Jobs)+len(a.Shares)+2)
	seen := make(map[Key]bool, len(a.Jobs)+1)
	add := func(k Key) {
		if !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	for _, id := range a.Shares {
		add(KeyJob(id))
	}
	if len(a.Jobs) > 0 {
		add(KeyAll())
	}
	for i := range a.Jobs {
		add(KeyJob(a.Jobs[i].ID))
		add(KeyOwner(a.Jobs[i].Owner))
	}
	return keys
}

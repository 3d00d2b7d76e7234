package index

import (
	"maps"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Kept is what an owner keeps against retention.
type Kept struct {
	// Jobs is how many.
	Jobs int
	// Bytes is what their folders took when they were kept.
	Bytes int64
}

// keptJob is a job that is kept.
type keptJob struct {
	owner uint32
	bytes int64
}

// kept are the jobs that are kept. They are few, so they have no place in the rows of all jobs.
type kept struct {
	byJob   map[job.ID]keptJob
	byOwner map[uint32]Kept
}

// put sets whether a job is kept by what its header says; nil is a job that goes.
func (k *kept) put(id job.ID, owner uint32, h *storev1.Header) {
	if old, ok := k.byJob[id]; ok {
		delete(k.byJob, id)
		k.add(old.owner, Kept{-1, -old.bytes})
	}
	if h.GetKeepTimeNs() == 0 {
		return
	}
	if k.byJob == nil {
		k.byJob, k.byOwner = make(map[job.ID]keptJob), make(map[uint32]Kept)
	}
	k.byJob[id] = keptJob{owner, h.GetKeptBytes()}
	k.add(owner, Kept{1, h.GetKeptBytes()})
}

func (k *kept) add(owner uint32, more Kept) {
	sum := k.byOwner[owner]
	sum.Jobs, sum.Bytes = sum.Jobs+more.Jobs, sum.Bytes+more.Bytes
	if k.byOwner[owner] = sum; sum.Jobs == 0 {
		delete(k.byOwner, owner)
	}
}

// KeptBy returns what an owner keeps.
func (ix *Index) KeptBy(owner string) Kept {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	no, ok := ix.owners.numbers[owner]
	if !ok {
		return Kept{}
	}
	return ix.kept.byOwner[no]
}

// KeptJobs returns the ids of all jobs that are kept.
func (ix *Index) KeptJobs() map[job.ID]bool {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	ids := make(map[job.ID]bool, len(ix.kept.byJob))
	for id := range maps.Keys(ix.kept.byJob) {
		ids[id] = true
	}
	return ids
}

// keptByName returns what each owner keeps by name, to compare indexes that number owners in another order.
func (ix *Index) keptByName() map[string]Kept {
	byName := make(map[string]Kept, len(ix.kept.byOwner))
	for no, sum := range ix.kept.byOwner {
		byName[ix.owners.names[no]] = sum
	}
	return byName
}

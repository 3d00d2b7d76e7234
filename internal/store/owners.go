package store

import (
	"slices"

	"github.com/stint-jobs/stint/internal/job"
)

// owners holds what the index knows by owner.
type owners struct {
	names names
	list  []owner // by number
}

// owner is one user with their jobs.
type owner struct {
	counters
	jobs    []job.ID // ascending; some may be deleted
	gone    int      // how many of jobs are deleted
	changed uint64   // revision of the latest change of any of the jobs since Open
}

// get answers an owner, made if need be.
func (o *owners) get(name string) (uint32, *owner) {
	n := o.names.number(name)
	if int(n) == len(o.list) {
		o.list = append(o.list, owner{})
	}
	return n, &o.list[n]
}

// find answers an owner that is known.
func (o *owners) find(name string) (int, *owner) {
	n, ok := o.names.lookup(name)
	if !ok {
		return 0, nil
	}
	return int(n), &o.list[n]
}

// forget notes that one of the jobs was deleted. Once half of them are, the list is rewritten.
func (w *owner) forget(has func(job.ID) bool) {
	w.gone++
	if w.gone > 32 && w.gone*2 > len(w.jobs) {
		kept := make([]job.ID, 0, len(w.jobs)-w.gone)
		for _, id := range w.jobs {
			if has(id) {
				kept = append(kept, id)
			}
		}
		w.jobs, w.gone = kept, 0
	}
}

// above is the position of the first job with an id above id.
func (w *owner) above(id job.ID) int {
	i, ok := slices.BinarySearch(w.jobs, id)
	if ok {
		i++
	}
	return i
}

// below is the position behind the last job with an id below id.
func (w *owner) below(id job.ID) int {
	i, _ := slices.BinarySearch(w.jobs, id)
	return i
}

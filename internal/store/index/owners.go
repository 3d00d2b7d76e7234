package index

import (
	"slices"
	"strings"

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
	stale   int      // how many of jobs are deleted
	changed uint64   // revision of the latest change of any of the jobs since Open
}

// get returns an owner, made if need be.
func (o *owners) get(name string) (uint32, *owner) {
	n := o.names.number(name)
	if int(n) == len(o.list) {
		o.list = append(o.list, owner{})
	}
	return n, &o.list[n]
}

// find returns an owner that is known.
func (o *owners) find(name string) (int, *owner) {
	n, ok := o.names.lookup(name)
	if !ok {
		return 0, nil
	}
	return int(n), &o.list[n]
}

// forget notes that one of the jobs was deleted. Once half of them are, the list is rewritten.
func (o *owner) forget(has func(job.ID) bool) {
	o.stale++
	if o.stale > 32 && o.stale*2 > len(o.jobs) {
		kept := make([]job.ID, 0, len(o.jobs)-o.stale)
		for _, id := range o.jobs {
			if has(id) {
				kept = append(kept, id)
			}
		}
		o.jobs, o.stale = kept, 0
	}
}

// above returns the position of the first job with an id above id.
func (o *owner) above(id job.ID) int {
	i, ok := slices.BinarySearch(o.jobs, id)
	if ok {
		i++
	}
	return i
}

// below returns the position behind the last job with an id below id.
func (o *owner) below(id job.ID) int {
	i, _ := slices.BinarySearch(o.jobs, id)
	return i
}

// names numbers texts that many jobs share. It never forgets one:
// users, services and executors are few.
type names struct {
	byName map[string]uint32
	list   []string
	last   uint32 // the number that was asked for last, which often is so again
}

// number returns the number of a name, giving it one if need be.
func (n *names) number(name string) uint32 {
	if len(n.list) > 0 && n.list[n.last] == name {
		return n.last
	}
	if i, ok := n.byName[name]; ok {
		n.last = i
		return i
	}
	if n.byName == nil {
		n.byName = make(map[string]uint32)
	}
	name = strings.Clone(name)
	i := uint32(len(n.list))
	n.byName[name] = i
	n.list, n.last = append(n.list, name), i
	return i
}

// lookup returns the number of a name that is known.
func (n *names) lookup(name string) (uint32, bool) {
	i, ok := n.byName[name]
	return i, ok
}

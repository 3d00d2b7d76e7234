package policy

import (
	"cmp"
	"maps"
	"slices"
)

// Names of resources that every installation has. Operators may name more.
const (
	// CPUs are cores.
	CPUs = "cpus"
	// Memory is in bytes.
	Memory = "memory_bytes"
	// GPUs are graphics processors.
	GPUs = "gpus"
	// Slots are the jobs that an executor takes at a time. Each job needs one, whether it says so
	// or not.
	Slots = "slots"
)

// Resources are amounts by name.
type Resources map[string]int64

// standard reports whether every executor has a resource, as much as it can give where its capacity
// does not name it. What operators name is there only where a capacity names it.
func standard(name string) bool {
	return name == CPUs || name == Memory || name == GPUs || name == Slots
}

// unknown returns the resources, by name, that are needed and that an executor does not have at all.
func (r Resources) unknown(names []string) []string {
	var all []string
	for name, n := range r {
		if n > 0 && !standard(name) && !slices.Contains(names, name) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// amounts are Resources in the order of an executor's names.
type amounts []int64

// names returns the names of what is bounded, those of everyday use first.
func (r Resources) names() []string {
	rank := func(name string) int {
		if i := slices.Index([]string{CPUs, Memory, GPUs}, name); i >= 0 {
			return i - 3
		}
		return 0
	}
	return slices.SortedFunc(maps.Keys(r), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
}

// in returns the amounts of what is named. Others are left out.
func (r Resources) in(names []string) amounts {
	a := make(amounts, len(names))
	for i, name := range names {
		a[i] = r[name]
	}
	return a
}

// fits reports whether what is needed is there. What is not needed may be overdrawn.
func (a amounts) fits(free amounts) bool { return a.short(free) < 0 }

// short returns the index of the first amount that is not there, or -1.
func (a amounts) short(free amounts) int {
	for i, n := range a {
		if n > 0 && n > free[i] {
			return i
		}
	}
	return -1
}

func (a amounts) add(b amounts) {
	for i, n := range b {
		a[i] += n
	}
}

func (a amounts) sub(b amounts) {
	for i, n := range b {
		a[i] -= n
	}
}

// plus is a new sum.
func (a amounts) plus(b amounts) amounts {
	sum := slices.Clone(a)
	sum.add(b)
	return sum
}

package scheduler

import (
	"fmt"
	"strconv"
	"strings"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// Capacity is how much an executor may have at a time. A zero field is no bound.
type Capacity struct {
	// CPUs that jobs may ask for together.
	CPUs int32
	// MemoryBytes that jobs may ask for together.
	MemoryBytes int64
	// Jobs handed over that have not ended.
	Jobs int
}

// used is what active jobs hold of a Capacity.
type used struct {
	cpus   int32
	memory int64
	jobs   int
}

func (u *used) add(r *jobsv1.Resources) {
	u.cpus += r.GetCpus()
	u.memory += r.GetMemoryBytes()
	u.jobs++
}

func (u *used) sub(r *jobsv1.Resources) {
	u.cpus -= r.GetCpus()
	u.memory -= r.GetMemoryBytes()
	u.jobs--
}

// never says why r can not ever fit, or "".
func (c Capacity) never(r *jobsv1.Resources) string {
	switch {
	case c.CPUs > 0 && r.GetCpus() > c.CPUs:
		return fmt.Sprintf("ask for %d cores, and there are %d", r.GetCpus(), c.CPUs)
	case c.MemoryBytes > 0 && r.GetMemoryBytes() > c.MemoryBytes:
		return fmt.Sprintf("ask for %s of memory, and there are %s", Bytes(r.GetMemoryBytes()), Bytes(c.MemoryBytes))
	default:
		return ""
	}
}

// shortage says what is missing for r to start beside what is used, or "".
func (c Capacity) shortage(u used, r *jobsv1.Resources) string {
	switch {
	case c.Jobs > 0 && u.jobs >= c.Jobs:
		return fmt.Sprintf("Waiting for one of the %d jobs on this executor to end.", c.Jobs)
	case c.CPUs > 0 && u.cpus+r.GetCpus() > c.CPUs:
		return fmt.Sprintf("Waiting for cores: needs %d, and %d of %d are free.", r.GetCpus(), max(0, c.CPUs-u.cpus), c.CPUs)
	case c.MemoryBytes > 0 && u.memory+r.GetMemoryBytes() > c.MemoryBytes:
		return fmt.Sprintf("Waiting for memory: needs %s, and %s of %s are free.",
			Bytes(r.GetMemoryBytes()), Bytes(max(0, c.MemoryBytes-u.memory)), Bytes(c.MemoryBytes))
	default:
		return ""
	}
}

// Bytes writes a size for people, in powers of 1024.
func Bytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, i := float64(n)/unit, 0
	for value >= unit && i < 4 {
		value /= unit
		i++
	}
	return strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0") + []string{" KiB", " MiB", " GiB", " TiB", " PiB"}[i]
}

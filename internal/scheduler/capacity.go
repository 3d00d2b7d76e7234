package scheduler

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

// Capacity is how much an executor may have at a time, by the names that package policy has and
// those that the operator chose. Cores, memory and GPUs that it does not name are not bounded; of
// what it names with 0, and of all else, there is none.
type Capacity = policy.Resources

// needs are what a job holds while it is active.
func needs(r *jobsv1.Resources) policy.Resources {
	need := make(policy.Resources, 3+len(r.GetNamed()))
	maps.Copy(need, r.GetNamed())
	need[policy.CPUs], need[policy.Memory], need[policy.GPUs] = int64(r.GetCpus()), r.GetMemoryBytes(), int64(r.GetGpus())
	return need
}

// waitingJob is what the policy knows of a job.
func waitingJob(id job.ID, owner string, priority int32, r *jobsv1.Resources) policy.Job {
	return policy.Job{ID: id, Owner: owner, Priority: priority, Need: needs(r), Limit: r.GetTimeLimit().AsDuration()}
}

// resourceField is the field of stint.jobs.v1.Resources, as clients write it, that asks for a
// resource.
func resourceField(resource string) string {
	switch resource {
	case policy.CPUs, policy.GPUs:
		return resource
	case policy.Memory:
		return "memoryBytes"
	default:
		return "named." + resource
	}
}

// amount writes an amount of a resource for people.
func amount(resource string, n int64) string {
	if resource == policy.Memory {
		return Bytes(n)
	}
	return strconv.FormatInt(n, 10)
}

// resourceWord is a resource for people.
func resourceWord(resource string) string {
	switch resource {
	case policy.CPUs:
		return "cores"
	case policy.Memory:
		return "memory"
	case policy.GPUs:
		return "GPUs"
	default:
		return resource
	}
}

// neverWords says that there is not enough of a resource, however long one waits.
func neverWords(w policy.Why) string {
	of, there := " ", "there are "+amount(w.Resource, w.Total)
	switch w.Resource {
	case policy.CPUs, policy.GPUs:
	case policy.Memory:
		of = " of "
	default:
		of = " of "
		if w.Total == 0 {
			there = "the executor has none"
		}
	}
	return fmt.Sprintf("is %s%s%s, and %s", amount(w.Resource, w.Need), of, resourceWord(w.Resource), there)
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

package scheduler

import (
	"fmt"
	"strconv"
	"strings"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

// Capacity is how much an executor may have at a time, by the names that package policy has. What
// it does not name is not bounded; of what it names with 0 there is none.
type Capacity = policy.Resources

// needs are what a job holds while it is active.
func needs(r *jobsv1.Resources) policy.Resources {
	return policy.Resources{policy.CPUs: int64(r.GetCpus()), policy.Memory: r.GetMemoryBytes(), policy.GPUs: int64(r.GetGpus())}
}

// waitingJob is what the policy knows of a job.
func waitingJob(id job.ID, owner string, priority int32, r *jobsv1.Resources) policy.Job {
	return policy.Job{ID: id, Owner: owner, Priority: priority, Need: needs(r), Limit: r.GetTimeLimit().AsDuration()}
}

// resourceFields are the fields of stint.v1.Resources, as clients write them, by what they ask for.
var resourceFields = map[string]string{policy.CPUs: "cpus", policy.Memory: "memoryBytes", policy.GPUs: "gpus"}

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

// never says that there is not enough of a resource, however long one waits.
func never(resource string, need, total int64) string {
	of := " "
	if resource == policy.Memory {
		of = " of "
	}
	return fmt.Sprintf("is %s%s%s, and there are %s", amount(resource, need), of, resourceWord(resource), amount(resource, total))
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

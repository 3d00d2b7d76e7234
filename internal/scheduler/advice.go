package scheduler

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/estimate"
)

const (
	mib = 1 << 20
	// leastMemory is advised at least. What is measured is the memory of a command's processes, and
	// below that the pages which the kernel has for it weigh more.
	leastMemory = 64 * mib
	// timeStep is what advised time limits are multiples of: Slurm knows whole minutes alone.
	timeStep = time.Minute
)

// Advise returns what a job should ask for, by completed jobs like it: those of its service and
// version with inputs of a similar size. It is within the maximum of the service and the capacity of
// the job's executor. Only these fields are read. It may be called at any time.
func (s *Scheduler) Advise(j *jobsv1.Job) *jobsv1.Advice {
	a, ok := s.like(j).Advice()
	out := &jobsv1.Advice{Samples: int32(a.Samples)} //nolint:gosec // a few hundred at most
	if !ok {
		out.Note = fmt.Sprintf("Nothing is advised: %s of %s like it %s completed, and it takes %d.",
			count(a.Samples, "job"), named(j), haveOrHas(a.Samples), estimate.MinSamples)
		return out
	}
	var notes []string
	most := s.boundsOf(j.GetService(), j.GetExecutor())
	if a.MemoryBytes > 0 {
		bytes := max(leastMemory, up(a.MemoryBytes, mib))
		out.MemoryBytes = within(bytes, most.memory)
		if out.MemoryBytes < bytes {
			notes = append(notes, fmt.Sprintf("Jobs like it would need %s of memory, and %s has at most %s for a job.",
				Bytes(bytes), most.memoryOf, Bytes(most.memory)))
		}
	} else {
		notes = append(notes, "No memory is advised: of too few of them it is known how much they used.")
	}
	limit := time.Duration(up(int64(a.TimeLimit), int64(timeStep)))
	bounded := time.Duration(within(int64(limit), int64(most.time)))
	out.TimeLimit, out.MedianElapsed = durationpb.New(bounded), durationpb.New(a.Median)
	if bounded < limit {
		notes = append(notes, fmt.Sprintf("Jobs like it would need a time limit of %s, and jobs of the service may have at most %s.", span(limit), span(most.time)))
	}
	if a.Scattered() {
		notes = append(notes, fmt.Sprintf("Jobs with inputs of such a size differ much: half of them took at most %s, and one in twenty more than %s. "+
			"What they take may depend on a parameter more than on the size of the inputs.", span(rounded(a.Median)), span(rounded(a.P95))))
	}
	out.Note = strings.Join(notes, " ")
	return out
}

// adviceNote says by what advice an attempt got what it got.
func adviceNote(a *jobsv1.Advice) string {
	var what []string
	if a.GetMemoryBytes() > 0 {
		what = append(what, "memory of "+Bytes(a.GetMemoryBytes()))
	}
	if a.GetTimeLimit() != nil {
		what = append(what, fmt.Sprintf("a time limit of %s", span(a.GetTimeLimit().AsDuration())))
	}
	return fmt.Sprintf("By advice from %s like it: %s.", count(int(a.GetSamples()), "completed job"), strings.Join(what, " and "))
}

func named(j *jobsv1.Job) string {
	if j.GetServiceVersion() == "" {
		return j.GetService()
	}
	return fmt.Sprintf("%s %s", j.GetService(), j.GetServiceVersion())
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func haveOrHas(n int) string {
	if n == 1 {
		return "has"
	}
	return "have"
}

// rounded is a time for people.
func rounded(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Second)
}

// up returns the next multiple of a step.
func up(n, step int64) int64 { return (n + step - 1) / step * step }

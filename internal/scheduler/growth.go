package scheduler

import (
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

// growth is what the attempt after one that had too little memory or time gets.
type growth struct {
	// resources of the next attempt. Nil where they are the same as before.
	resources *jobsv1.Resources
	// note says what the next attempt gets and why, for the owner.
	note string
	// refused says why no other attempt would do better, for the owner. Empty where one may.
	refused string
}

// bounds are the most memory and time that a job may be given. 0 is no bound.
type bounds struct {
	memory   int64
	time     time.Duration
	memoryOf string // whose bound that of the memory is
}

// boundsOf returns what bounds the jobs of a service on an executor.
func (s *Scheduler) boundsOf(service, executor string) bounds {
	b := bounds{memoryOf: "the service"}
	if s.cfg.Maximum != nil {
		most := s.cfg.Maximum(service)
		b.memory, b.time = most.GetMemoryBytes(), most.GetTimeLimit().AsDuration()
	}
	if l := s.lanes[executor]; l != nil {
		if has, ok := l.engine.Capacity[policy.Memory]; ok && (b.memory == 0 || has < b.memory) {
			b.memory, b.memoryOf = has, "the executor"
		}
	}
	return b
}

// grow returns what the next attempt of a job gets, whose latest one failed for a reason.
func (s *Scheduler) grow(j *jobsv1.Job, reason jobsv1.Reason, used *jobsv1.Usage) growth {
	factor, ok := job.Factor(j.GetRetry(), reason)
	if !ok || factor <= 1 {
		return growth{}
	}
	had, most := job.Given(j), s.boundsOf(j.GetService(), j.GetExecutor())
	more := proto.CloneOf(had)
	if more == nil {
		more = &jobsv1.Resources{}
	}
	number := job.Attempt(j).GetNumber()
	if reason == jobsv1.Reason_REASON_OUT_OF_MEMORY {
		bytes := had.GetMemoryBytes()
		if bytes <= 0 {
			bytes = used.GetMaxRssBytes() // the engine's own limit was reached
		}
		next := within(scaled(bytes, factor), most.memory)
		if bytes <= 0 || next <= bytes {
			return growth{refused: fmt.Sprintf("It had %s of memory, and %s has no more for it.", Bytes(bytes), most.memoryOf)}
		}
		more.MemoryBytes = next
		return growth{resources: more, note: fmt.Sprintf("Memory of %s, as attempt %d ran out of its %s.", Bytes(next), number, Bytes(bytes))}
	}
	limit := had.GetTimeLimit().AsDuration()
	if limit <= 0 {
		limit = used.GetElapsed().AsDuration() // likewise
	}
	next := time.Duration(within(scaled(int64(limit), factor), int64(most.time)))
	if limit <= 0 || next <= limit {
		return growth{refused: fmt.Sprintf("It had %s, and jobs of the service may have no more.", span(limit))}
	}
	more.TimeLimit = durationpb.New(next)
	return growth{resources: more, note: fmt.Sprintf("A time limit of %s, as attempt %d reached its %s.", span(next), number, span(limit))}
}

// scaled returns n times a factor, and the largest number there is where that is larger.
func scaled(n int64, factor float64) int64 {
	f := float64(n) * factor
	if f >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(f)
}

// within returns n, or the bound where that is less and not 0.
func within(n, bound int64) int64 {
	if bound > 0 {
		return min(n, bound)
	}
	return n
}

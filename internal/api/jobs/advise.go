package jobs

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// adviceFactor is how many times the memory or time of an attempt that had too little the next one
// gets where they came from advice: one job in twenty needs more than it was advised.
const adviceFactor = 2

// takeAdvice fills in by advice what the request left out, where the service takes advice.
func (s *Service) takeAdvice(j *jobsv1.Job, asked *jobsv1.Resources, svc *catalogv1.Service) {
	if !svc.GetTakesAdvice() {
		return
	}
	a := s.cfg.Scheduler.Advise(j)
	taken := &jobsv1.Advice{Samples: a.GetSamples(), MedianElapsed: a.GetMedianElapsed(), Note: a.GetNote()}
	retry := proto.CloneOf(j.GetRetry())
	if retry == nil {
		retry = &jobsv1.RetryPolicy{}
	}
	if asked.GetMemoryBytes() == 0 && a.GetMemoryBytes() > 0 {
		j.Resources.MemoryBytes, taken.MemoryBytes = a.GetMemoryBytes(), a.GetMemoryBytes()
		if retry.MemoryFactor == nil {
			retry.MemoryFactor = proto.Float64(adviceFactor)
		}
	}
	if asked.GetTimeLimit() == nil && a.GetTimeLimit() != nil {
		j.Resources.TimeLimit, taken.TimeLimit = a.GetTimeLimit(), a.GetTimeLimit()
		if retry.TimeFactor == nil {
			retry.TimeFactor = proto.Float64(adviceFactor)
		}
	}
	if taken.GetMemoryBytes() > 0 || taken.GetTimeLimit() != nil {
		j.AppliedAdvice, j.Retry = taken, retry
	}
}

// withinLongest finds that the job asks for more time than any job of the server may have. A job that
// asks for none, or that has more by its service or by advice, gets that.
func (s *Service) withinLongest(j *jobsv1.Job, asked *jobsv1.Resources, prefix string) job.Violations {
	var wrong job.Violations
	limit, longest := j.Resources.GetTimeLimit(), s.cfg.MaxTimeLimit
	if longest == 0 || limit != nil && limit.AsDuration() <= longest {
		return nil
	}
	if asked.GetTimeLimit() != nil {
		wrong.Add(prefix+"resources.timeLimit", "is %s, and no job of this server may run for more than %s", asked.GetTimeLimit().AsDuration(), longest)
	}
	j.Resources.TimeLimit = durationpb.New(longest)
	return wrong
}

// withinMaximum finds what the job asks for beyond the maximum of its service. What the request left
// out is lowered to that.
func withinMaximum(j *jobsv1.Job, asked *jobsv1.Resources, svc *catalogv1.Service, prefix string) job.Violations {
	var wrong job.Violations
	most := svc.GetMaxResources()
	if m := most.GetMemoryBytes(); m > 0 && j.Resources.GetMemoryBytes() > m {
		if asked.GetMemoryBytes() > 0 {
			wrong.Add(prefix+"resources.memoryBytes", "is %s, and jobs of %s may have at most %s", bytesWord(asked.GetMemoryBytes()), svc.GetId(), bytesWord(m))
		}
		j.Resources.MemoryBytes = m
	}
	if m := most.GetTimeLimit(); m != nil && (j.Resources.GetTimeLimit() == nil || j.Resources.GetTimeLimit().AsDuration() > m.AsDuration()) {
		if asked.GetTimeLimit() != nil {
			wrong.Add(prefix+"resources.timeLimit", "is %s, and jobs of %s may have at most %s",
				asked.GetTimeLimit().AsDuration().Round(time.Second), svc.GetId(), m.AsDuration())
		}
		j.Resources.TimeLimit = m
	}
	return wrong
}

// bytesWord writes a size in the largest unit of which it is a whole number, which hides nothing
// where two sizes are compared.
func bytesWord(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for n >= 1024 && n%1024 == 0 && i < len(units)-1 {
		n /= 1024
		i++
	}
	return fmt.Sprintf("%d %s", n, units[i])
}

// askedBefore returns what the request of a repeated job asked for: what was taken from advice is
// left out, so that it is taken from the advice of now.
func askedBefore(old *jobsv1.Job) *jobsv1.Resources {
	asked := proto.CloneOf(old.GetResources())
	if a := old.GetAppliedAdvice(); a != nil {
		if a.GetMemoryBytes() > 0 {
			asked.MemoryBytes = 0
		}
		if a.GetTimeLimit() != nil {
			asked.TimeLimit = nil
		}
	}
	return asked
}

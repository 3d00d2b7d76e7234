package executor

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workdir"
)

// Record is the exit as an attempt's folder keeps it.
func (e Exit) Record() workdir.ExitRecord {
	r := workdir.ExitRecord{
		Code: e.Code, Signal: e.Signal, Reason: job.ReasonWord(e.Reason), Message: e.Message,
		Node: e.Node, EngineID: e.EngineID, Start: e.Start, End: e.End,
	}
	if u := e.Usage; u != nil {
		r.Usage = &workdir.ExitUsage{
			MaxRSSBytes:    u.GetMaxRssBytes(),
			CPUSeconds:     u.GetCpuTime().AsDuration().Seconds(),
			ElapsedSeconds: u.GetElapsed().AsDuration().Seconds(),
			CPUs:           u.GetAllocatedCpus(),
			MemoryBytes:    u.GetAllocatedMemoryBytes(),
		}
	}
	return r
}

// ExitOf is the exit that a record tells of. The second result is false when
// the record gives a reason that this version does not know, so that its end is not known.
func ExitOf(r workdir.ExitRecord) (Exit, bool) {
	e := Exit{
		Code: r.Code, Signal: r.Signal, Message: r.Message,
		Node: r.Node, EngineID: r.EngineID, Start: r.Start, End: r.End,
	}
	if r.Reason != "" {
		var ok bool
		if e.Reason, ok = ReasonOf(r.Reason); !ok {
			return Exit{}, false
		}
	}
	if u := r.Usage; u != nil {
		e.Usage = &jobsv1.Usage{
			MaxRssBytes:          u.MaxRSSBytes,
			CpuTime:              durationpb.New(seconds(u.CPUSeconds)),
			Elapsed:              durationpb.New(seconds(u.ElapsedSeconds)),
			AllocatedCpus:        u.CPUs,
			AllocatedMemoryBytes: u.MemoryBytes,
		}
	}
	return e, true
}

// ReasonOf is the reason that job.ReasonWord calls so; false for a word that is none.
func ReasonOf(word string) (jobsv1.Reason, bool) {
	n, ok := jobsv1.Reason_value["REASON_"+word]
	return jobsv1.Reason(n), ok
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

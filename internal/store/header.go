package store

import (
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// header is what the index holds of a job.
type header struct {
	id job.ID
	origin
	seen
}

// origin is the part of a header that Submit fixed.
type origin struct {
	owner, service, executor string
	name, folder             string
	parent, rerun            string
	labels                   []label // sorted by key
	priority                 int32
	submit                   int64
	request                  string // request id; empty when the client gave none
}

type label struct{ key, value string }

// seen is the part of a header that changes while the job lives. Times are in
// nanoseconds since 1970, 0 when not set.
type seen struct {
	state           jobsv1.State
	reason          jobsv1.Reason
	exit            int32 // noExit when not set
	start, complete int64
	revision        uint64
}

const noExit = math.MinInt32

// headerOf is the header of a record. It shares the record's texts.
func headerOf(id job.ID, rec *storev1.Record) header {
	return header{id: id, origin: originOf(rec), seen: seenOf(rec.GetJob())}
}

func originOf(rec *storev1.Record) origin {
	j := rec.GetJob()
	o := origin{
		owner: j.GetOwner(), service: j.GetService(), executor: j.GetExecutor(),
		name: j.GetOutputName(), folder: j.GetOutputFolder(),
		parent: j.GetParentId(), rerun: j.GetRerunOf(),
		priority: j.GetPriority(), submit: nanos(j.GetSubmitTime()), request: rec.GetRequestId(),
	}
	for k, v := range j.GetLabels() {
		o.labels = append(o.labels, label{k, v})
	}
	o.sortLabels()
	return o
}

func (o *origin) sortLabels() {
	if len(o.labels) > 1 {
		slices.SortFunc(o.labels, func(a, b label) int { return strings.Compare(a.key, b.key) })
	}
}

func seenOf(j *jobsv1.Job) seen {
	s := seen{
		state: j.GetState(), reason: j.GetReason(), exit: noExit,
		start: nanos(j.GetStartTime()), complete: nanos(j.GetCompleteTime()), revision: j.GetRevision(),
	}
	if j != nil && j.ExitCode != nil {
		s.exit = j.GetExitCode()
	}
	return s
}

// nanos is a time as the index holds it.
func nanos(t *timestamppb.Timestamp) int64 {
	if t == nil {
		return 0
	}
	return t.GetSeconds()*1e9 + int64(t.GetNanos())
}

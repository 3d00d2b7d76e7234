package index

import (
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Entry is one job as the index sees it: all that a filter may ask for, without reading the disk.
// It is a copy; its texts keep those of other jobs in memory, so clone what is to live long.
type Entry struct {
	slot
	owner, service, executor string
	texts                    texts
}

// entry copies a job. The caller holds mu.
func (ix *Index) entry(c *chunk, s *slot) Entry {
	return Entry{*s, ix.owners.names[s.ownerNo], ix.services.names[s.serviceNo], ix.executors.names[s.executorNo], c.textsOf(s)}
}

// ID of the job.
func (e *Entry) ID() job.ID { return e.id }

// Owner of the job.
func (e *Entry) Owner() string { return e.owner }

// Service of the job.
func (e *Entry) Service() string { return e.service }

// Executor of the job.
func (e *Entry) Executor() string { return e.executor }

// OutputName of the job.
func (e *Entry) OutputName() string { return e.text(0) }

// OutputFolder of the job.
func (e *Entry) OutputFolder() string { return e.text(1) }

// ParentID is the job's parent_id; empty when it has none.
func (e *Entry) ParentID() string { return e.text(2) }

// RerunOf is the job's rerun_of; empty when it has none.
func (e *Entry) RerunOf() string { return e.text(3) }

func (e *Entry) text(n int) string {
	s, _ := e.texts.skip(n).next()
	return s
}

// State of the job.
func (e *Entry) State() jobsv1.State { return jobsv1.State(e.state) }

// Reason for the state.
func (e *Entry) Reason() jobsv1.Reason { return jobsv1.Reason(e.reason) }

// Priority of the job.
func (e *Entry) Priority() int32 { return int32(e.priority) }

// SubmitTime in nanoseconds since 1970.
func (e *Entry) SubmitTime() int64 { return e.submit }

// StartTime in nanoseconds since 1970; 0 when it is not set.
func (e *Entry) StartTime() int64 { return e.start }

// CompleteTime in nanoseconds since 1970; 0 when it is not set.
func (e *Entry) CompleteTime() int64 { return e.complete }

// ExitCode of the job, and whether it has one.
func (e *Entry) ExitCode() (int32, bool) {
	if e.exit == noExit {
		return 0, false
	}
	return e.exit, true
}

// Label returns the value of a label, and whether the job has it.
func (e *Entry) Label(key string) (value string, ok bool) {
	for k, v := range e.texts.labels() {
		if k == key {
			return v, true
		}
	}
	return "", false
}

// Labels calls yield with each label, in the order of keys, until it returns false.
func (e *Entry) Labels(yield func(key, value string) bool) { e.texts.labels()(yield) }

// Revision of the job's last change.
func (e *Entry) Revision() uint64 { return e.revision }

package index

import (
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Entry is one job as the index sees it: all that a filter may ask for, without
// reading the disk. It is a window on the index that a scan moves along: use it only
// inside of the call that it was given to, and keep neither it nor its texts (clone them).
type Entry struct {
	names nameLists
	c     *chunk
	i     int
}

// nameLists are the names by their numbers. An index only ever appends to them, so that a copy stays valid without its lock.
type nameLists struct{ owners, services, executors []string }

// nameLists returns the names as they are now. The caller holds mu.
func (ix *Index) nameLists() nameLists {
	return nameLists{ix.owners.names.list, ix.services.list, ix.executors.list}
}

// ID of the job.
func (e *Entry) ID() job.ID { return e.c.id(e.i) }

// Owner of the job.
func (e *Entry) Owner() string {
	return e.names.owners[e.c.owner[e.i]]
}

// Service of the job.
func (e *Entry) Service() string {
	return e.names.services[e.c.service[e.i]]
}

// Executor of the job.
func (e *Entry) Executor() string {
	return e.names.executors[e.c.executor[e.i]]
}

// OutputName of the job.
func (e *Entry) OutputName() string { return e.text(0) }

// OutputFolder of the job.
func (e *Entry) OutputFolder() string { return e.text(1) }

// ParentID is the job's parent_id; empty when it has none.
func (e *Entry) ParentID() string { return e.text(2) }

// RerunOf is the job's rerun_of; empty when it has none.
func (e *Entry) RerunOf() string { return e.text(3) }

func (e *Entry) text(n int) string {
	s, _ := e.c.texts(e.i).skip(n).next()
	return s
}

// State of the job.
func (e *Entry) State() jobsv1.State { return jobsv1.State(e.c.state[e.i]) }

// Reason for the state.
func (e *Entry) Reason() jobsv1.Reason { return jobsv1.Reason(e.c.reason[e.i]) }

// Priority of the job.
func (e *Entry) Priority() int32 { return int32(e.c.priority[e.i]) }

// SubmitTime in nanoseconds since 1970.
func (e *Entry) SubmitTime() int64 { return e.c.submit[e.i] }

// StartTime in nanoseconds since 1970; 0 when it is not set.
func (e *Entry) StartTime() int64 { return e.c.start[e.i] }

// CompleteTime in nanoseconds since 1970; 0 when it is not set.
func (e *Entry) CompleteTime() int64 { return e.c.complete[e.i] }

// ExitCode of the job, and whether it has one.
func (e *Entry) ExitCode() (int32, bool) {
	if code := e.c.exit[e.i]; code != noExit {
		return code, true
	}
	return 0, false
}

// Label returns the value of a label, and whether the job has it.
func (e *Entry) Label(key string) (value string, ok bool) {
	e.Labels(func(k, v string) bool {
		if k == key {
			value, ok = v, true
		}
		return !ok
	})
	return value, ok
}

// Labels calls yield with each label, in the order of keys, until it returns false.
func (e *Entry) Labels(yield func(key, value string) bool) {
	e.c.texts(e.i).labels()(yield)
}

// Revision of the job's last change.
func (e *Entry) Revision() uint64 { return e.c.revision[e.i] }

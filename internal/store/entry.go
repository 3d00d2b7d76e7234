package store

import (
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Entry is one job as the index sees it: all that a filter may ask for, without
// reading the disk. It is a window on the index that a scan moves along: use it only
// inside of the call that it was given to, and keep neither it nor its texts (clone them).
type Entry struct {
	ix *index
	c  *chunk
	i  int
	h  *header // instead of c and i: a job as a record says it is
}

// ID of the job.
func (e *Entry) ID() job.ID {
	if e.h != nil {
		return e.h.id
	}
	return e.c.id(e.i)
}

// Owner of the job.
func (e *Entry) Owner() string {
	if e.h != nil {
		return e.h.owner
	}
	return e.ix.owners.names.list[e.c.owner[e.i]]
}

// Service of the job.
func (e *Entry) Service() string {
	if e.h != nil {
		return e.h.service
	}
	return e.ix.services.list[e.c.service[e.i]]
}

// Executor of the job.
func (e *Entry) Executor() string {
	if e.h != nil {
		return e.h.executor
	}
	return e.ix.executors.list[e.c.executor[e.i]]
}

// OutputName of the job.
func (e *Entry) OutputName() string {
	if e.h != nil {
		return e.h.name
	}
	return e.text(0)
}

// OutputFolder of the job.
func (e *Entry) OutputFolder() string {
	if e.h != nil {
		return e.h.folder
	}
	return e.text(1)
}

// ParentID is the job's parent_id; empty when it has none.
func (e *Entry) ParentID() string {
	if e.h != nil {
		return e.h.parent
	}
	return e.text(2)
}

// RerunOf is the job's rerun_of; empty when it has none.
func (e *Entry) RerunOf() string {
	if e.h != nil {
		return e.h.rerun
	}
	return e.text(3)
}

func (e *Entry) text(n int) string {
	s, _ := e.c.texts(e.i).skip(n).next()
	return s
}

// State of the job.
func (e *Entry) State() jobsv1.State {
	if e.h != nil {
		return e.h.state
	}
	return jobsv1.State(e.c.state[e.i])
}

// Reason for the state.
func (e *Entry) Reason() jobsv1.Reason {
	if e.h != nil {
		return e.h.reason
	}
	return jobsv1.Reason(e.c.reason[e.i])
}

// Priority of the job.
func (e *Entry) Priority() int32 {
	if e.h != nil {
		return e.h.priority
	}
	return int32(e.c.priority[e.i])
}

// SubmitTime in nanoseconds since 1970.
func (e *Entry) SubmitTime() int64 {
	if e.h != nil {
		return e.h.submit
	}
	return e.c.submit[e.i]
}

// StartTime in nanoseconds since 1970; 0 when it is not set.
func (e *Entry) StartTime() int64 {
	if e.h != nil {
		return e.h.start
	}
	return e.c.start[e.i]
}

// CompleteTime in nanoseconds since 1970; 0 when it is not set.
func (e *Entry) CompleteTime() int64 {
	if e.h != nil {
		return e.h.complete
	}
	return e.c.complete[e.i]
}

// ExitCode of the job, and whether it has one.
func (e *Entry) ExitCode() (int32, bool) {
	var code int32
	if e.h != nil {
		code = e.h.exit
	} else {
		code = e.c.exit[e.i]
	}
	if code == noExit {
		return 0, false
	}
	return code, true
}

// Label answers the value of a label, and whether the job has it.
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
	if e.h == nil {
		e.c.texts(e.i).labels()(yield)
		return
	}
	for _, l := range e.h.labels {
		if !yield(l.key, l.value) {
			return
		}
	}
}

// Revision of the job's last change.
func (e *Entry) Revision() uint64 {
	if e.h != nil {
		return e.h.revision
	}
	return e.c.revision[e.i]
}

package jobs

import (
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// explain says in jobs that are the caller's own copies why each waits now, what is expected of it, and when it is deleted. That is derived, not stored: their etags
// and revisions are those of what is stored.
func (c *Config) explain(list ...*jobsv1.Job) {
	for _, j := range list {
		j.ExpireTime = c.Store.ExpireTime(j)
		id, err := job.ParseID(j.GetId())
		if err != nil || j.GetState() != jobsv1.State_STATE_QUEUED {
			continue
		}
		if reason, message := c.Scheduler.Why(id, j.GetExecutor()); reason != jobsv1.Reason_REASON_UNSPECIFIED {
			j.Reason, j.Message = reason, message
		}
	}
	c.Scheduler.Expect(list...)
}

// reasonOf returns the reason of a job in the index, for a job that waits the one of now.
func (c *Config) reasonOf(e *store.Entry) jobsv1.Reason {
	if e.State() == jobsv1.State_STATE_QUEUED {
		if reason, _ := c.Scheduler.Why(e.ID(), e.Executor()); reason != jobsv1.Reason_REASON_UNSPECIFIED {
			return reason
		}
	}
	return e.Reason()
}

package scheduler

import (
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workdir"
)

// told is what the command of an attempt reported of its progress.
type told struct {
	attempt  int
	progress workdir.Progress
}

// Report takes in what the command of an attempt tells of itself; progress is
// nil where it tells nothing of that. Progress is stored with what the command's file says,
// at most once each ProgressEvery, however often it is reported: the latest counts. An event makes the
// executor look; each counts once an attempt.
func (s *Scheduler) Report(id job.ID, attempt int, event jobsv1.JobEvent, progress *workdir.Progress) {
	s.mu.Lock()
	r := s.active[id]
	s.mu.Unlock()
	if r == nil {
		return
	}
	if progress != nil {
		r.told.Store(&told{attempt: attempt, progress: *progress})
	}
	if !r.hint(event) {
		return
	}
	if h, ok := r.lane.engine.Executor.(executor.Hinter); ok {
		h.Hint(id, attempt, event)
	}
}

// hint reports whether an event is the first of its kind.
func (r *run) hint(event jobsv1.JobEvent) bool {
	switch event {
	case jobsv1.JobEvent_JOB_EVENT_STARTED:
		return !r.hinted[0].Swap(true)
	case jobsv1.JobEvent_JOB_EVENT_ENDED:
		return !r.hinted[1].Swap(true)
	case jobsv1.JobEvent_JOB_EVENT_UNSPECIFIED:
	}
	return false
}

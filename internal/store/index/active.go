package index

import (
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// ActivePage is a page of the jobs that are not final.
type ActivePage struct {
	// IDs of the jobs, ascending.
	IDs []job.ID
	// Next is the job behind which the next page begins. Zero when this is the last one.
	Next job.ID
	// Queued and Running are how many jobs there are on all pages of any state.
	Queued, Running int64
}

// Active returns the jobs of a state that is not final, unspecified for all of them, behind a job
// and at most limit. What it costs depends on the jobs that are not final alone.
func (ix *Index) Active(state jobsv1.State, after job.ID, limit int) ActivePage {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	queued, running := &ix.states[jobsv1.State_STATE_QUEUED], &ix.states[jobsv1.State_STATE_RUNNING]
	page := ActivePage{Queued: int64(queued.len()), Running: int64(running.len())}
	set := queued
	switch state {
	case jobsv1.State_STATE_QUEUED:
	case jobsv1.State_STATE_RUNNING:
		set = running
	case jobsv1.State_STATE_UNSPECIFIED:
		set = queued.or(running)
	default:
		return page
	}
	limit = min(limit, set.len())
	if page.IDs = set.behind(after, false, limit+1); len(page.IDs) > limit {
		page.IDs = page.IDs[:limit]
		page.Next = page.IDs[limit-1]
	}
	return page
}

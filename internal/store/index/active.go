package index

import (
	"slices"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// activeList has the jobs that are not final in the order of their ids, so that a look
// at the queue does not pass by all that ever ran.
type activeList struct {
	ids   []job.ID // ascending; some may be final or deleted
	stale int      // how many of them are
}

func isActive(state uint8) bool { return activeStates&(1<<state) != 0 }

// moved keeps the list when a job changed or went, whose slot says what it is now.
func (l *activeList) moved(ix *Index, id job.ID, was, is bool) {
	switch {
	case is && !was:
		l.enter(id)
	case was && !is:
		if l.stale++; l.stale > 32 && l.stale*2 > len(l.ids) {
			l.ids, l.stale = l.all(ix), 0
		}
	}
}

func (l *activeList) enter(id job.ID) {
	if n := len(l.ids); n == 0 || l.ids[n-1] < id { // always so but in tests: what is final stays so
		l.ids = append(l.ids, id)
		return
	}
	i, there := slices.BinarySearch(l.ids, id)
	if there {
		l.stale--
		return
	}
	l.ids = slices.Insert(l.ids, i, id)
}

// all returns those that are active, in a list of their own.
func (l *activeList) all(ix *Index) []job.ID {
	kept := make([]job.ID, 0, max(0, len(l.ids)-l.stale))
	for _, id := range l.ids {
		if ix.inStates(id, activeStates) {
			kept = append(kept, id)
		}
	}
	return kept
}

// inStates reports whether a job is in one of the states.
func (ix *Index) inStates(id job.ID, states uint8) bool {
	k, i, ok := ix.table.find(id)
	return ok && states&(1<<ix.table.chunks[k].state[i]) != 0
}

// ActivePage is a page of the jobs that are not final.
type ActivePage struct {
	// IDs of the jobs, ascending.
	IDs []job.ID
	// Next is the job behind which the next page begins. Zero when this is the last one.
	Next job.ID
	// Queued and Running are how many jobs there are on all pages of any state.
	Queued, Running int64
}

// Active returns the jobs of a state that is not final, unspecified for all of them, behind a job and at most limit.
// What it costs depends on the jobs that are not final alone.
func (ix *Index) Active(state jobsv1.State, after job.ID, limit int) ActivePage {
	states := uint8(activeStates)
	if state != jobsv1.State_STATE_UNSPECIFIED {
		states &= 1 << stateIndex(state)
	}
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	page := ActivePage{
		Queued: ix.counts.total[jobsv1.State_STATE_QUEUED], Running: ix.counts.total[jobsv1.State_STATE_RUNNING],
	}
	i, there := slices.BinarySearch(ix.active.ids, after)
	if there {
		i++
	}
	for _, id := range ix.active.ids[i:] {
		if !ix.inStates(id, states) {
			continue
		}
		if len(page.IDs) == limit {
			page.Next = page.IDs[limit-1]
			break
		}
		page.IDs = append(page.IDs, id)
	}
	return page
}

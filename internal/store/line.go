package store

import (
	"slices"

	"github.com/stint-jobs/stint/internal/job"
)

// line is the jobs that are not final, in the order of their ids, so that a look
// at the queue does not pass by all that ever ran.
type line struct {
	ids  []job.ID // ascending; some may be final or deleted
	gone int      // how many of them are
}

func isActive(state uint8) bool { return active&(1<<state) != 0 }

// moved keeps the line when a job came, changed or went, whose slot says what it is now.
func (l *line) moved(ix *index, id job.ID, was, is bool) {
	switch {
	case is && !was:
		l.enter(id)
	case was && !is:
		if l.gone++; l.gone > 32 && l.gone*2 > len(l.ids) {
			l.ids, l.gone = l.all(ix), 0
		}
	}
}

func (l *line) enter(id job.ID) {
	if n := len(l.ids); n == 0 || l.ids[n-1] < id { // as it is but in tests: what is final stays so
		l.ids = append(l.ids, id)
		return
	}
	i, there := slices.BinarySearch(l.ids, id)
	if there {
		l.gone--
		return
	}
	l.ids = slices.Insert(l.ids, i, id)
}

// all are those that are in the line, in a list of their own.
func (l *line) all(ix *index) []job.ID {
	kept := make([]job.ID, 0, max(0, len(l.ids)-l.gone))
	for _, id := range l.ids {
		if ix.inLine(id, active) {
			kept = append(kept, id)
		}
	}
	return kept
}

// inLine reports whether a job is in one of the states.
func (ix *index) inLine(id job.ID, states uint8) bool {
	k, i, ok := ix.slab.find(id)
	return ok && states&(1<<ix.slab.chunks[k].state[i]) != 0
}

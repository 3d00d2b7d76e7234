package scheduler

import (
	"time"

	"github.com/stint-jobs/stint/internal/job"
)

// delays are the jobs that must not start before some time. There are few of
// them: jobs between a failed attempt and the next.
type delays struct{ until map[job.ID]time.Time }

func (d *delays) add(id job.ID, t time.Time) {
	if d.until == nil {
		d.until = make(map[job.ID]time.Time)
	}
	d.until[id] = t
}

// due removes and answers the jobs whose time has come.
func (d *delays) due(now time.Time) []job.ID {
	var ids []job.ID
	for id, t := range d.until {
		if !t.After(now) {
			ids = append(ids, id)
			delete(d.until, id)
		}
	}
	return ids
}

// arm sets the timer to the earliest time, or far away when there is none.
func (d *delays) arm(t *time.Timer) {
	wait := time.Hour
	for _, at := range d.until {
		wait = min(wait, max(0, time.Until(at)))
	}
	t.Reset(wait)
}

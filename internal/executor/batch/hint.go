package batch

import (
	"slices"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// hints are polls that the commands of jobs asked for, by telling that they began or ended. They
// come out of an account that fills slowly, so that however many hints there
// are, and whoever gives them, the cluster is asked but once a second for them, and less often if it is slow.
type hints struct {
	wakeups []wakeup
	credit  float64   // polls that may still be made for hints; less than none after one that took long
	filled  time.Time // when credit was last added to
}

// wakeup is a wish to poll at a time, for the sake of one attempt.
type wakeup struct {
	at   time.Time
	name string
}

const (
	// hintBurst is how many polls may be made for hints in a row, and hintRefill how long each takes to be earned again.
	hintBurst  = 10
	hintRefill = time.Second
	// hintGap is between the end of one poll and the next one for a hint, unless the first took half as long.
	hintGap = 200 * time.Millisecond
	// maxWakeups bounds what is remembered. Polls are for all jobs, so that a few wakeups serve any number of hints.
	maxWakeups = 64
)

// When to look after a hint. A command runs only once the cluster shows its job as running, but it tells of its end before
// its script has ended, which the cluster then shows some tenths of a second later (0.15 to 0.19 s measured on an idle cluster, 0.7 s on a busy one).
var (
	lookAfterStart = []time.Duration{0}
	lookAfterEnd   = []time.Duration{200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second}
)

// Hint makes the cluster be polled soon. It is only ever a hint: whoever gives
// it, and however often, what is true of the attempt is what the poll shows.
func (c *Cluster) Hint(id job.ID, attempt int, event jobsv1.JobEvent) {
	after := lookAfterStart
	if event == jobsv1.JobEvent_JOB_EVENT_ENDED {
		after = lookAfterEnd
	}
	c.poller.hint(token{install: c.cfg.InstallID, job: id, attempt: attempt}.String(), after)
}

// hint asks for polls after some pauses.
func (p *poller) hint(name string, after []time.Duration) {
	p.mu.Lock()
	now := time.Now()
	for _, d := range after {
		p.hints.add(wakeup{at: now.Add(d), name: name})
	}
	p.mu.Unlock()
	signal(p.changed)
}

func (h *hints) add(l wakeup) {
	if len(h.wakeups) < maxWakeups {
		h.wakeups = append(h.wakeups, l)
	}
}

// next is when to poll for a hint, given the end of the last poll and how long
// it took. The answer is false when there is nothing to look at.
func (h *hints) next(ended time.Time, took time.Duration) (time.Time, bool) {
	if len(h.wakeups) == 0 {
		return time.Time{}, false
	}
	h.fill()
	at := slices.MinFunc(h.wakeups, func(a, b wakeup) int { return a.at.Compare(b.at) }).at
	for _, earliest := range []time.Time{
		ended.Add(max(hintGap, 2*took)), h.filled.Add(time.Duration((1 - h.credit) * float64(hintRefill))),
	} {
		if at.Before(earliest) {
			at = earliest
		}
	}
	return at, true
}

// fill adds to the credit what time has earned.
func (h *hints) fill() {
	now := time.Now()
	if h.filled.IsZero() {
		h.credit = hintBurst
	} else {
		h.credit = min(hintBurst, h.credit+float64(now.Sub(h.filled))/float64(hintRefill))
	}
	h.filled = now
}

// polled notes a poll that began then, after which the cluster should rest for
// so long: whoever asked for one by then is served, and so is whose job it shows as over.
func (h *hints) polled(began time.Time, rest time.Duration, rows map[string][]Row) {
	if len(h.wakeups) == 0 {
		return
	}
	before := len(h.wakeups)
	h.wakeups = slices.DeleteFunc(h.wakeups, func(l wakeup) bool { return !l.at.After(began) })
	if len(h.wakeups) < before {
		h.fill()
		h.credit -= max(1, float64(rest)/float64(hintRefill))
	}
	h.wakeups = slices.DeleteFunc(h.wakeups, func(l wakeup) bool {
		shown := rows[l.name]
		return len(shown) > 0 && !slices.ContainsFunc(shown, func(r Row) bool { return !r.Phase.Terminal() })
	})
}

package scheduler

import (
	"container/heap"
	"maps"
	"slices"
	"time"

	"github.com/stint-jobs/stint/internal/job"
)

// How long a job waits that could not be read or not be started: the first time, and at most.
const (
	backoffFirst = time.Second
	backoffMax   = time.Minute
)

// delays are the jobs that are read again at a time of their own: the next attempt of a
// failed job, and what could not be read or started, with a backoff that grows.
type delays struct {
	at    map[job.ID]time.Time
	tries map[job.ID]int  // how often in a row a job could not be read or started
	over  map[job.ID]bool // whose wait for the next attempt is over, whatever its record says
	order delayHeap       // may have entries that at no longer has
}

func newDelays() delays {
	return delays{at: make(map[job.ID]time.Time), tries: make(map[job.ID]int), over: make(map[job.ID]bool)}
}

// until makes a job due at a time. A later call replaces an earlier one.
func (d *delays) until(id job.ID, at time.Time) {
	d.at[id] = at
	heap.Push(&d.order, delay{id: id, at: at})
}

// again makes a job due after a backoff, which doubles until settled is called.
func (d *delays) again(id job.ID) {
	wait := backoffMax
	if n := d.tries[id]; n < 6 {
		wait = min(backoffFirst<<n, backoffMax)
	}
	d.tries[id]++
	d.until(id, time.Now().Add(wait))
}

// settled is for a job whose attempt was brought to its end.
func (d *delays) settled(id job.ID) {
	delete(d.tries, id)
	delete(d.over, id)
}

// backing reports whether a job could not be read or started and is not due yet.
func (d *delays) backing(id job.ID) bool {
	_, waits := d.at[id]
	return waits && d.tries[id] > 0
}

// waiting returns the jobs that are not due yet, in no order.
func (d *delays) waiting() []job.ID { return slices.Collect(maps.Keys(d.at)) }

// forget drops a job that is final or gone.
func (d *delays) forget(id job.ID) {
	delete(d.at, id)
	delete(d.tries, id)
	delete(d.over, id)
}

// due removes and returns the jobs whose time has come.
func (d *delays) due(now time.Time) []job.ID {
	var ids []job.ID
	for len(d.order) > 0 && !d.order[0].at.After(now) {
		first, _ := heap.Pop(&d.order).(delay)
		if at, ok := d.at[first.id]; ok && at.Equal(first.at) {
			ids = append(ids, first.id)
			delete(d.at, first.id)
			d.over[first.id] = d.tries[first.id] == 0
		}
	}
	return ids
}

// arm sets the timer to the earliest time, or far away when there is none.
func (d *delays) arm(t *time.Timer) {
	wait := time.Hour
	if len(d.order) > 0 {
		wait = min(wait, max(0, time.Until(d.order[0].at)))
	}
	t.Reset(wait)
}

type delay struct {
	id job.ID
	at time.Time
}

// delayHeap orders delays for container/heap.
type delayHeap []delay

func (h delayHeap) Len() int           { return len(h) }
func (h delayHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h delayHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push appends; it is called by container/heap.
func (h *delayHeap) Push(x any) { *h = append(*h, x.(delay)) } //nolint:errcheck,forcetypeassert // only until pushes

// Pop takes the last; it is called by container/heap.
func (h *delayHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

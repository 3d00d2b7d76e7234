package scheduler

import (
	"container/heap"

	"github.com/stint-jobs/stint/internal/job"
)

// waiting is a job that waits for its turn.
type waiting struct {
	id       job.ID
	priority int32
}

// line is one owner's waiting jobs: higher priority first, then first come.
type line struct {
	owner  string
	jobs   lineHeap
	served uint64 // when a job of this owner was last taken, in turns
}

// queue holds the waiting jobs of one executor, fair between owners: the next
// turn goes to the owner with the fewest active jobs, and among those to the one
// who was served longest ago. So an owner's first job never waits behind another
// owner's thousandth.
type queue struct {
	lines map[string]*line
	where map[job.ID]string // owner by id of each job that waits
	turn  uint64
}

func newQueue() *queue {
	return &queue{lines: make(map[string]*line), where: make(map[job.ID]string)}
}

// add puts a job into its owner's line. A job that waits already stays where it is.
func (q *queue) add(owner string, w waiting) {
	if _, ok := q.where[w.id]; ok {
		return
	}
	l := q.lines[owner]
	if l == nil {
		l = &line{owner: owner}
		q.lines[owner] = l
	}
	heap.Push(&l.jobs, w)
	q.where[w.id] = owner
}

// remove takes a job out, wherever it stands. Unknown jobs are no error.
func (q *queue) remove(id job.ID) {
	owner, ok := q.where[id]
	if !ok {
		return
	}
	delete(q.where, id)
	l := q.lines[owner]
	for i, w := range l.jobs {
		if w.id == id {
			heap.Remove(&l.jobs, i)
			break
		}
	}
	if len(l.jobs) == 0 {
		delete(q.lines, owner)
	}
}

// take removes a job that is about to start and notes that its owner was served.
func (q *queue) take(id job.ID) {
	owner := q.where[id]
	if l := q.lines[owner]; l != nil {
		q.turn++
		l.served = q.turn
	}
	q.remove(id)
}

// best answers the line whose turn it is, leaving out the owners in skip; nil when none is left.
func (q *queue) best(active func(owner string) int, skip map[string]bool) *line {
	var found *line
	var least int
	for owner, l := range q.lines {
		if skip[owner] {
			continue
		}
		n := active(owner)
		if found == nil || n < least || n == least && l.before(found) {
			found, least = l, n
		}
	}
	return found
}

// before breaks the tie between owners with as many active jobs.
func (l *line) before(other *line) bool {
	if l.served != other.served {
		return l.served < other.served
	}
	return l.jobs[0].id < other.jobs[0].id
}

// lineHeap orders one owner's jobs for container/heap.
type lineHeap []waiting

func (h lineHeap) Len() int { return len(h) }
func (h lineHeap) Less(i, j int) bool {
	if h[i].priority != h[j].priority {
		return h[i].priority > h[j].priority
	}
	return h[i].id < h[j].id
}
func (h lineHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push appends; it is called by container/heap.
func (h *lineHeap) Push(x any) { *h = append(*h, x.(waiting)) } //nolint:errcheck,forcetypeassert // only add pushes

// Pop takes the last; it is called by container/heap.
func (h *lineHeap) Pop() any {
	old := *h
	w := old[len(old)-1]
	*h = old[:len(old)-1]
	return w
}

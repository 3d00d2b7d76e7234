package scheduler

import (
	"slices"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// gpus hands out the graphics processors of an executor by their indexes. Who has which is stored
// with the intent to start, so a server that starts again knows it before it starts anything.
type gpus struct {
	all  []int32 // in the order in which they are handed out
	held map[job.ID][]int32
}

func newGPUs(all []int32) *gpus { return &gpus{all: all, held: make(map[job.ID][]int32)} }

// take gives a job the first n that are free. The policy counts them, so there are
// as many; where jobs that were found running hold others, it gives what there is.
func (g *gpus) take(id job.ID, n int32) []int32 {
	var free []int32
	for _, i := range g.all {
		if len(free) == int(n) {
			break
		}
		if !g.isHeld(i) {
			free = append(free, i)
		}
	}
	if len(free) > 0 {
		g.held[id] = free
	}
	return free
}

// keep notes what a job has that was found running.
func (g *gpus) keep(id job.ID, has []int32) {
	if len(has) > 0 {
		g.held[id] = has
	}
}

// giveBack ends take and keep.
func (g *gpus) giveBack(id job.ID) { delete(g.held, id) }

func (g *gpus) isHeld(index int32) bool {
	for _, has := range g.held {
		if slices.Contains(has, index) {
			return true
		}
	}
	return false
}

// has reports whether the executor has all of these.
func (g *gpus) has(indexes []int32) bool {
	for _, i := range indexes {
		if !slices.Contains(g.all, i) {
			return false
		}
	}
	return true
}

// heldBy returns what the latest attempt of a job was given.
func heldBy(rec *storev1.Record) []int32 { return job.Attempt(rec.GetJob()).GetGpuIndexes() }

package store

import (
	"container/heap"
	"slices"
)

// first keeps the jobs that come first in an order, out of any number that it is shown.
type first struct {
	order order
	most  int
	heap  placeHeap // the last of the kept is on top
}

// show takes a job in, if it is among the first so far.
func (f *first) show(e *Entry) {
	if len(f.heap.places) == f.most {
		if f.order.compare(e, &f.heap.places[0]) >= 0 {
			return
		}
		f.order.setPlace(&f.heap.places[0], e)
		heap.Fix(&f.heap, 0)
		return
	}
	f.heap.order = f.order
	var p place
	f.order.setPlace(&p, e)
	heap.Push(&f.heap, p)
}

// sorted are the kept jobs in order.
func (f *first) sorted() []place {
	slices.SortFunc(f.heap.places, func(a, b place) int { return f.order.comparePlaces(&a, &b) })
	return f.heap.places
}

// placeHeap orders places for container/heap, the last on top.
type placeHeap struct {
	order  order
	places []place
}

func (h *placeHeap) Len() int { return len(h.places) }
func (h *placeHeap) Less(i, j int) bool {
	return h.order.comparePlaces(&h.places[i], &h.places[j]) > 0
}
func (h *placeHeap) Swap(i, j int) { h.places[i], h.places[j] = h.places[j], h.places[i] }

// Push appends; it is called by container/heap.
func (h *placeHeap) Push(x any) {
	if p, ok := x.(place); ok {
		h.places = append(h.places, p)
	}
}

// Pop takes the last; it is called by container/heap.
func (h *placeHeap) Pop() any {
	last := len(h.places) - 1
	p := h.places[last]
	h.places = h.places[:last]
	return p
}

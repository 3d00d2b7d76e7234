package store

import (
	"math/bits"
	"sort"

	"github.com/stint-jobs/stint/internal/job"
)

// walk goes over the jobs that a plan admits in the order of ids.
type walk struct {
	ix   *index
	plan *plan
	desc bool
	from job.ID // strictly behind this id; 0 is the beginning
	look int    // how many candidates to look at before a pause
	done bool   // the end was reached, or fn wanted no more
}

// run calls fn for the next jobs until it returns false, the end is reached, or
// look candidates were looked at. In the last case another run goes on behind
// them. The caller holds the index's lock, and may release it between runs.
func (w *walk) run(fn func(*Entry) bool) {
	if list, _ := w.ix.byOwner(w.plan); list {
		w.ownerList(fn)
		return
	}
	w.slab(fn)
}

func (w *walk) ownerList(fn func(*Entry) bool) {
	o := &w.ix.owners.list[w.plan.owner]
	lo, hi := 0, len(o.jobs)
	switch {
	case w.from != 0 && w.desc:
		hi = o.below(w.from)
	case w.from != 0:
		lo = o.above(w.from)
	}
	e := Entry{ix: w.ix}
	for look := w.look; lo < hi; look-- {
		if look <= 0 {
			return
		}
		var id job.ID
		if w.desc {
			hi--
			id = o.jobs[hi]
		} else {
			id = o.jobs[lo]
			lo++
		}
		w.from = id
		k, i, ok := w.ix.slab.find(id)
		if !ok {
			continue
		}
		e.c, e.i = w.ix.slab.chunks[k], i
		if w.plan.states&(1<<e.c.state[i]) != 0 && w.plan.admits(&e) && !fn(&e) {
			break
		}
	}
	w.done = true
}

func (w *walk) slab(fn func(*Entry) bool) {
	chunks := w.ix.slab.chunks
	k := 0
	switch {
	case w.from != 0:
		k = w.ix.slab.chunkOf(w.from)
		if k < 0 && !w.desc {
			k = 0
		}
	case w.desc:
		k = len(chunks) - 1
	}
	for look := w.look; k >= 0 && k < len(chunks); {
		if look <= 0 {
			return
		}
		n, more := w.chunk(k, fn)
		if !more {
			break
		}
		look -= n
		if w.desc {
			w.from = chunks[k].first
			k--
		} else {
			w.from = chunks[k].id(chunks[k].used - 1)
			k++
		}
	}
	w.done = true
}

// chunk goes over one chunk and answers how many candidates it looked at, and whether to go on.
func (w *walk) chunk(k int, fn func(*Entry) bool) (looked int, more bool) {
	c := w.ix.slab.chunks[k]
	if !w.plan.anyIn(c, k) {
		return 1, true
	}
	lo, hi := 0, c.used // slots to look at
	if w.from != 0 {
		at := sort.Search(c.used, func(i int) bool { return c.id(i) >= w.from })
		switch {
		case w.desc:
			hi = at
		case at < c.used && c.id(at) == w.from:
			lo = at + 1
		default:
			lo = at
		}
	}
	if lo >= hi {
		return 0, true
	}
	looked = chunkWords // the bitmaps cost something too
	e := Entry{ix: w.ix, c: c}
	first, last := lo>>6, (hi-1)>>6
	for n := range last - first + 1 {
		word := first + n
		if w.desc {
			word = last - n
		}
		m := w.plan.word(c, k, word)
		if word == first {
			m &= ^uint64(0) << (lo & 63)
		}
		if word == last {
			m &= ^uint64(0) >> (63 - (hi-1)&63)
		}
		looked += bits.OnesCount64(m)
		for m != 0 {
			var b int
			if w.desc {
				b = 63 - bits.LeadingZeros64(m)
			} else {
				b = bits.TrailingZeros64(m)
			}
			m &^= 1 << b
			e.i = word<<6 | b
			if w.plan.admits(&e) && !fn(&e) {
				return looked, false
			}
		}
	}
	return looked, true
}

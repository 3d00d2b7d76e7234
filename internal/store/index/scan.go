package index

import (
	"math"
	"math/bits"
	"sort"

	"github.com/stint-jobs/stint/internal/job"
)

// scanner goes over the jobs that a plan admits in the order of ids.
type scanner struct {
	ix   *Index
	plan *plan
	desc bool
	from job.ID // strictly behind this id; 0 is the beginning
	look int    // how many candidates to look at before a pause
	done bool   // the end was reached, or fn wanted no more
}

// run calls fn for the next jobs until it returns false, the end is reached, or
// look candidates were looked at. In the last case another run goes on behind
// them. The caller holds the index's lock, and may release it between runs.
func (s *scanner) run(fn func(*Entry) bool) {
	if list, _ := s.ix.byOwner(s.plan); list {
		s.ownerList(fn)
		return
	}
	s.wholeTable(fn)
}

func (s *scanner) ownerList(fn func(*Entry) bool) {
	o := &s.ix.owners.list[s.plan.owner]
	lo, hi := 0, len(o.jobs)
	switch {
	case s.from != 0 && s.desc:
		hi = o.below(s.from)
	case s.from != 0:
		lo = o.above(s.from)
	}
	e := Entry{ix: s.ix}
	for look := s.look; lo < hi; look-- {
		if look <= 0 {
			return
		}
		var id job.ID
		if s.desc {
			hi--
			id = o.jobs[hi]
		} else {
			id = o.jobs[lo]
			lo++
		}
		s.from = id
		k, i, ok := s.ix.table.find(id)
		if !ok {
			continue
		}
		e.c, e.i = s.ix.table.chunks[k], i
		if s.plan.states&(1<<e.c.state[i]) != 0 && s.plan.admits(&e) && !fn(&e) {
			break
		}
	}
	s.done = true
}

func (s *scanner) wholeTable(fn func(*Entry) bool) {
	chunks := s.ix.table.chunks
	k := 0
	switch {
	case s.from != 0:
		k = s.ix.table.chunkOf(s.from)
		if k < 0 && !s.desc {
			k = 0
		}
	case s.desc:
		k = len(chunks) - 1
	}
	for look := s.look; k >= 0 && k < len(chunks); {
		if look <= 0 {
			return
		}
		n, more := s.chunk(k, fn)
		if !more {
			break
		}
		look -= n
		if s.desc {
			s.from = chunks[k].first
			k--
		} else {
			s.from = chunks[k].id(chunks[k].used - 1)
			k++
		}
	}
	s.done = true
}

// chunk goes over one chunk and returns how many candidates it looked at, and whether to go on.
func (s *scanner) chunk(k int, fn func(*Entry) bool) (looked int, more bool) {
	c := s.ix.table.chunks[k]
	if !s.plan.anyIn(c, k) {
		return 1, true
	}
	lo, hi := 0, c.used // slots to look at
	if s.from != 0 {
		at := sort.Search(c.used, func(i int) bool { return c.id(i) >= s.from })
		switch {
		case s.desc:
			hi = at
		case at < c.used && c.id(at) == s.from:
			lo = at + 1
		default:
			lo = at
		}
	}
	if lo >= hi {
		return 0, true
	}
	looked = chunkWords // the bitmaps cost something too
	e := Entry{ix: s.ix, c: c}
	first, last := lo>>6, (hi-1)>>6
	for n := range last - first + 1 {
		word := first + n
		if s.desc {
			word = last - n
		}
		m := s.plan.word(c, k, word)
		if word == first {
			m &= ^uint64(0) << (lo & 63)
		}
		if word == last {
			m &= ^uint64(0) >> (63 - (hi-1)&63)
		}
		looked += bits.OnesCount64(m)
		for m != 0 {
			var b int
			if s.desc {
				b = 63 - bits.LeadingZeros64(m)
			} else {
				b = bits.TrailingZeros64(m)
			}
			m &^= 1 << b
			e.i = word<<6 | b
			if s.plan.admits(&e) && !fn(&e) {
				return looked, false
			}
		}
	}
	return looked, true
}

// noPause is the look of a scanner that goes to the end at one moment.
const noPause = math.MaxInt

// scanPause is after how many candidates a long scan lets the writer in.
const scanPause = 1 << 14

// Scan calls fn with the jobs that a query asks for, in the order of ids, until it returns false. It lets the writer in
// now and then: each job counts as it is when the scan comes by. The query's order, cursor and limit do not count.
func (ix *Index) Scan(q Query, fn func(*Entry) bool) { ix.scan(q, false, fn) }

func (ix *Index) scan(q Query, desc bool, fn func(*Entry) bool) {
	ix.mu.RLock()
	p, ok := ix.plan(&q)
	ix.mu.RUnlock()
	if !ok {
		return
	}
	s := scanner{ix: ix, plan: &p, desc: desc, look: scanPause}
	for !s.done {
		s.locked(fn)
	}
}

// locked is one run that holds the index's lock.
func (s *scanner) locked(fn func(*Entry) bool) {
	s.ix.mu.RLock()
	defer s.ix.mu.RUnlock()
	s.run(fn)
}

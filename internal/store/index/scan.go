package index

import (
	"math"
	"math/bits"
	"runtime"
	"sort"
	"sync"

	"github.com/stint-jobs/stint/internal/job"
)

// scanner goes over the jobs that a plan admits in the order of ids.
type scanner struct {
	ix    *Index
	plan  *plan
	desc  bool
	from  job.ID // strictly behind this id; 0 is the beginning
	look  int    // how many candidates to look at before a pause
	done  bool   // the end was reached, or fn wanted no more
	batch *batch // of next, where there is a Match
}

// run calls fn for the next jobs until it returns false, the end is reached, or
// look candidates were looked at. In the last case another run goes on behind
// them. With a batch it pauses behind each chunk that had some, too. It does not call Match.
// The caller holds the index's lock, and may release it between runs.
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
	e := Entry{names: s.ix.nameLists()}
	for look := s.look; lo < hi; look-- {
		if look <= 0 {
			return
		}
		id := o.jobs[lo]
		if s.desc {
			id = o.jobs[hi-1]
		}
		k, i, ok := s.ix.table.find(id)
		if ok && s.batch.full(s.ix.table.chunks[k]) {
			return
		}
		s.from = id
		if s.desc {
			hi--
		} else {
			lo++
		}
		if !ok {
			continue
		}
		e.c, e.i = s.ix.table.chunks[k], i
		if s.plan.states&(1<<e.c.state[i]) != 0 && s.plan.fits(&e) && !fn(&e) {
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
		if look <= 0 || s.batch.full(chunks[k]) {
			return
		}
		n, end := s.chunk(k, look, fn)
		if end == paused {
			return
		}
		if end == stopped {
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

// How a scanner ends with a chunk.
type chunkEnd int

const (
	finished chunkEnd = iota // there may be more behind it
	paused                   // look candidates were looked at, and from is the last of them
	stopped                  // fn wanted no more
)

// chunk goes over one chunk and returns what that cost, in candidates.
func (s *scanner) chunk(k, look int, fn func(*Entry) bool) (cost int, end chunkEnd) {
	c := s.ix.table.chunks[k]
	if !s.plan.anyIn(c, k) {
		return 1, finished
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
		return 0, finished
	}
	looked := 0
	e := Entry{names: s.ix.nameLists(), c: c}
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
		for m != 0 {
			if looked == look {
				s.from = c.id(e.i)
				return looked, paused
			}
			looked++
			var b int
			if s.desc {
				b = 63 - bits.LeadingZeros64(m)
			} else {
				b = bits.TrailingZeros64(m)
			}
			m &^= 1 << b
			e.i = word<<6 | b
			if s.plan.fits(&e) && !fn(&e) {
				return looked, stopped
			}
		}
	}
	return looked + chunkWords, finished // the bitmaps cost something too
}

// noPause is the look of a scanner that goes to the end at one moment.
const noPause = math.MaxInt

// scanPause is after how many candidates a long scan lets the writer in. With a Match it does so behind each chunk.
const scanPause = 1 << 14

// What is done between two looks at the caller's context: so much work, counted in bytes that a Match looks at.
const (
	sliceWork        = 1 << 16
	defaultMatchCost = 1 << 10 // of a query that does not say it
	entryCost        = 16      // of coming by at all
)

// slice returns how many candidates are looked at before the lock is released.
func (p *plan) slice() int {
	if !p.matches() {
		return scanPause
	}
	return min(chunkSize, max(1, sliceWork/(p.cost+entryCost)))
}

// matches reports whether the plan calls a Match.
func (p *plan) matches() bool { return p.match != nil && p.view == nil }

// batch holds copies of jobs of one chunk, for what is too slow to be done under the lock.
type batch struct {
	names nameLists
	chunk chunk // its columns have values in slots only
	of    *chunk
	slots []int
}

// batches are kept for the next scan, because one takes 100 KB.
var batches = sync.Pool{New: func() any { return new(batch) }}

func newBatch() *batch {
	b, _ := batches.Get().(*batch) // it holds nothing else
	return b
}

func (b *batch) release() {
	b.of, b.names, b.chunk.text = nil, nameLists{}, ""
	batches.Put(b)
}

// full reports whether jobs of a chunk have to wait for the next batch. A nil batch takes no copies and is never full.
func (b *batch) full(c *chunk) bool { return b != nil && b.of != nil && b.of != c }

// empty makes room for the next jobs. The caller holds the index's lock until it has added them.
func (b *batch) empty(ix *Index) { b.of, b.slots, b.names = nil, b.slots[:0], ix.nameLists() }

// add copies a job.
func (b *batch) add(c *chunk, i int) {
	b.of, b.slots = c, append(b.slots, i)
	to := &b.chunk
	to.text, to.first = c.text, c.first
	to.offset[i], to.textAt[i] = c.offset[i], c.textAt[i]
	to.owner[i], to.service[i], to.executor[i] = c.owner[i], c.service[i], c.executor[i]
	to.exit[i], to.reason[i], to.priority[i], to.state[i] = c.exit[i], c.reason[i], c.priority[i], c.state[i]
	to.submit[i], to.start[i], to.complete[i] = c.submit[i], c.start[i], c.complete[i]
	to.revision[i] = c.revision[i]
}

// evaluate calls fn with the copies of a batch until it returns false, and reports whether it never did. Half of the processors
// do so at a time, batch by batch in turn, and others who can run come first: filters use what is left over.
func (ix *Index) evaluate(b *batch, fn func(*Entry) bool) bool {
	ix.evaluators <- struct{}{}
	defer func() {
		<-ix.evaluators
		runtime.Gosched()
	}()
	e := Entry{names: b.names, c: &b.chunk}
	for _, e.i = range b.slots {
		if !fn(&e) {
			return false
		}
	}
	return true
}

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
	s := scanner{ix: ix, plan: &p, desc: desc}
	for !s.done {
		s.next(fn)
	}
}

// next calls fn for some of the next jobs. Match is called without the lock, and fn then, too.
func (s *scanner) next(fn func(*Entry) bool) {
	s.look = s.plan.slice()
	if !s.plan.matches() {
		s.ix.slice(func() {
			if v := s.plan.view; v != nil && !s.ix.usable(v) {
				s.plan.view = nil // from here on, Match is called
				return
			}
			s.run(fn)
		})
		return
	}
	s.batch = newBatch()
	defer s.batch.release()
	s.ix.slice(func() {
		s.batch.empty(s.ix)
		s.run(func(e *Entry) bool { s.batch.add(e.c, e.i); return true })
	})
	if !s.ix.evaluate(s.batch, func(e *Entry) bool { return !s.plan.match(e) || fn(e) }) {
		s.done = true
	}
}

// slice calls fn with the lock held for reading. No Match is called in it.
func (ix *Index) slice(fn func()) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	fn()
}

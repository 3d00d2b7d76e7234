package index

import (
	"cmp"
	"context"
	"math/bits"
	"slices"
	"sync/atomic"
	"time"
)

// view keeps the results of one condition for all jobs: a bit for each, and
// their number. Apply notes which jobs changed and evaluates nothing. The next query that uses the view
// evaluates the noted jobs, without the lock, so that nobody else waits for what a query asks for.
type view struct {
	key   viewKey
	plan  plan
	ready chan struct{} // closed when it is built or given up

	// Guarded by Index.mu for writing, or by Index.mu for reading together with turn. Until the view is built
	// its builder alone has the turn.
	bits   []bitmap // by chunk
	counts []uint16 // bits in bits
	count  int64
	stale  []slotRef // changed since they were evaluated

	turn chan struct{} // holds one for who reads or changes the results; taken before Index.mu

	dropped bool // nobody notes changes any more; guarded by Index.mu
	layout  uint64

	built atomic.Bool
	used  atomic.Int64 // when it was last asked for, in nanoseconds since 1970
}

// slotRef is the place of a job in a layout of the table.
type slotRef struct{ chunk, slot int32 }

func refTo(k, i int) slotRef {
	return slotRef{int32(k), int32(i)} //nolint:gosec // a table has fewer than 2^31 chunks
}

// viewKey names a view: what a query says, with MatchKey for its match.
type viewKey struct {
	match          string
	owner, service int
	states         uint8
}

const (
	maxViews  = 16
	maxBuilds = 4           // views built at a time, so that none is pushed out before it was of use
	viewIdle  = time.Minute // a view that nobody asks for is given up after this
	maxStale  = 1 << 16     // changed jobs that a view notes before it is given up
)

// view returns a built view for a plan. With a key it is shared and kept for
// the next query, without one it is for this query, which drops it.
func (ix *Index) view(ctx context.Context, matchKey string, p plan) (*view, error) {
	key := viewKey{match: matchKey, owner: p.owner, service: p.service, states: p.states}
	for {
		v := ix.findView(key, ix.cfg.Now())
		if v == nil {
			var err error
			if v, err = ix.buildView(ctx, key, p); err != nil {
				return nil, err
			}
		}
		select {
		case <-v.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		ix.mu.RLock()
		ok := ix.usable(v)
		ix.mu.RUnlock()
		if ok {
			return v, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// buildView builds a view when its turn comes, unless another caller did meanwhile.
func (ix *Index) buildView(ctx context.Context, key viewKey, p plan) (*view, error) {
	select {
	case ix.builds <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-ix.builds }()
	if v := ix.findView(key, ix.cfg.Now()); v != nil {
		return v, nil
	}
	v := ix.addView(key, p, ix.cfg.Now())
	ix.build(ctx, v)
	return v, nil
}

// usable reports whether a view is built and hears of changes. The caller holds mu.
func (ix *Index) usable(v *view) bool {
	return v.built.Load() && !v.dropped && v.layout == ix.table.layout
}

// findView returns the view of a key; nil when there is none. Without a key there never is.
func (ix *Index) findView(key viewKey, now time.Time) *view {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	for _, v := range ix.views {
		if key.match != "" && v.key == key && v.layout == ix.table.layout {
			v.used.Store(now.UnixNano())
			return v
		}
	}
	return nil
}

// addView adds a view that is not built yet, in the place of the one that was not used for longest.
func (ix *Index) addView(key viewKey, p plan, now time.Time) *view {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if len(ix.views) >= maxViews {
		ix.dropView(slices.MinFunc(ix.views, func(a, b *view) int { return cmp.Compare(a.used.Load(), b.used.Load()) }))
	}
	v := &view{key: key, plan: p, ready: make(chan struct{}), turn: make(chan struct{}, 1), layout: ix.table.layout}
	v.used.Store(now.UnixNano())
	ix.views = append(ix.views, v)
	return v
}

// dropView gives a view up. The caller holds mu for writing.
func (ix *Index) dropView(v *view) {
	v.dropped = true
	ix.views = slices.DeleteFunc(ix.views, func(other *view) bool { return other == v })
}

// dropIdleViews gives up the views that nobody asked for lately, and those of another layout of the table.
func (ix *Index) dropIdleViews(now time.Time) {
	for _, v := range slices.Clone(ix.views) {
		if v.layout != ix.table.layout || now.UnixNano()-v.used.Load() > int64(viewIdle) {
			ix.dropView(v)
		}
	}
}

// build evaluates the condition for all jobs.
func (ix *Index) build(ctx context.Context, v *view) {
	finished := false
	defer func() { // also when match panics: the waiting must not wait for ever
		ix.mu.Lock()
		defer ix.mu.Unlock()
		if !finished {
			ix.dropView(v)
		}
		close(v.ready)
	}()
	b := newBatch()
	defer b.release()
	for k := 0; !finished; k++ {
		var ok bool
		if finished, ok = ix.buildChunk(ctx, v, k, b); !ok {
			return
		}
	}
}

// buildChunk evaluates the next chunk. It is not ok when the view was given up or the caller went away.
func (ix *Index) buildChunk(ctx context.Context, v *view, k int, b *batch) (finished, ok bool) {
	last := -1 // slot
	for more := true; more; {
		ix.slice(func() {
			ok = ctx.Err() == nil && !v.dropped && v.layout == ix.table.layout
			if finished = ok && k == len(ix.table.chunks); finished {
				v.built.Store(true)
			}
			if !ok || finished {
				return
			}
			if last < 0 { // from now on, what changes in the chunk is noted
				v.bits, v.counts = append(v.bits, bitmap{}), append(v.counts, 0)
			}
			b.empty(ix)
			last, more = ix.candidatesIn(&v.plan, k, last, b)
		})
		if !ok || finished {
			return finished, ok
		}
		ix.evaluate(b, func(e *Entry) bool {
			if v.plan.match(e) {
				v.bits[k].set(e.i)
				v.counts[k]++
				v.count++
			}
			return true
		})
	}
	return false, true
}

// candidatesIn adds candidates of a chunk behind a slot to a batch, a slice at most. It returns the last slot it came to, and
// whether there may be more behind it. The caller holds mu.
func (ix *Index) candidatesIn(p *plan, k, last int, b *batch) (to int, more bool) {
	e := Entry{c: ix.table.chunks[k]}
	for w := (last + 1) >> 6; w < chunkWords; w++ {
		m := p.word(e.c, k, w)
		if w == (last+1)>>6 {
			m &= ^uint64(0) << ((last + 1) & 63)
		}
		for ; m != 0; m &= m - 1 {
			if len(b.slots) == p.slice() {
				return e.i, true
			}
			if e.i = w<<6 | bits.TrailingZeros64(m); p.fits(&e) {
				b.add(e.c, e.i)
			}
		}
	}
	return chunkSize, false
}

// noteChange tells the views of a job that came, changed or went. The caller is Apply, which holds mu for writing.
func (ix *Index) noteChange(k, i int) {
	for _, v := range slices.Backward(ix.views) { // from the end, because dropView shortens the list
		switch c := ix.table.chunks[k]; {
		case v.plan.owner != anyOwner && int(c.owner[i]) != v.plan.owner,
			v.plan.service != anyService && int(c.service[i]) != v.plan.service,
			!v.built.Load() && k >= len(v.bits): // its builder comes by
		case len(v.stale) >= maxStale:
			ix.dropView(v)
		default:
			v.stale = append(v.stale, refTo(k, i))
		}
	}
}

// settle evaluates some of the jobs that changed. The caller has the view's turn.
func (ix *Index) settle(v *view) {
	b := newBatch()
	defer b.release()
	var refs []slotRef
	ix.slice(func() {
		b.empty(ix)
		if !ix.usable(v) {
			return
		}
		for _, at := range v.stale {
			if len(refs) == v.plan.slice() || at.chunk != v.stale[0].chunk {
				break
			}
			refs = append(refs, at)
		}
		e := Entry{}
		for _, at := range refs {
			e.c, e.i = ix.table.chunks[at.chunk], int(at.slot)
			if v.plan.word(e.c, int(at.chunk), e.i>>6)&(1<<(e.i&63)) != 0 && v.plan.fits(&e) {
				b.add(e.c, e.i)
			}
		}
	})
	var fits bitmap
	ix.evaluate(b, func(e *Entry) bool {
		if v.plan.match(e) {
			fits.set(e.i)
		}
		return true
	})
	ix.slice(func() {
		if !ix.usable(v) {
			return
		}
		for _, at := range refs {
			v.put(int(at.chunk), int(at.slot), fits.has(int(at.slot)))
		}
		v.stale = v.stale[len(refs):]
	})
}

// put stores the result for a job.
func (v *view) put(k, i int, fits bool) {
	for k >= len(v.bits) {
		v.bits, v.counts = append(v.bits, bitmap{}), append(v.counts, 0)
	}
	switch had := v.bits[k].has(i); {
	case fits && !had:
		v.bits[k].set(i)
		v.counts[k]++
		v.count++
	case !fits && had:
		v.bits[k].clear(i)
		v.counts[k]--
		v.count--
	}
}

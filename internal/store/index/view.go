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
// their number. Once built, apply keeps it right, so that a page and its exact
// total cost nothing that grows with the jobs, however dear the condition is.
type view struct {
	key   viewKey
	plan  plan
	ready chan struct{} // closed when it is built or given up

	// Guarded by Index.mu. Until it is built its builder alone uses the first
	// three, and writes them holding mu for reading.
	bits    []bitmap // by chunk
	counts  []uint16 // bits in bits
	count   int64
	dropped bool // nobody keeps it right any more
	layout  uint64

	built atomic.Bool
	used  atomic.Int64 // when it was last asked for, in nanoseconds since 1970
}

// viewKey names a view: what a query says, with MatchKey for its match.
type viewKey struct {
	match          string
	owner, service int
	states         uint8
}

const (
	maxViews  = 16
	maxBuilds = 2           // views built at a time, so that none is pushed out before it was of use
	viewIdle  = time.Minute // a view that nobody asks for is given up after this
	viewChunk = 4           // chunks evaluated before the lock is released for others
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

// usable reports whether a view is built and kept right. The caller holds mu.
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
	v := &view{key: key, plan: p, ready: make(chan struct{}), layout: ix.table.layout}
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

// build evaluates the condition for all jobs, a few chunks at a time, so that
// the writer never waits long. What changes behind it meanwhile apply puts right.
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
	for !finished && ctx.Err() == nil {
		var ok bool
		if finished, ok = ix.buildSome(v); !ok {
			return
		}
	}
}

// buildSome evaluates the next chunks. It is not ok when the view was given up.
func (ix *Index) buildSome(v *view) (finished, ok bool) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	if v.dropped || v.layout != ix.table.layout {
		return false, false
	}
	e := Entry{ix: ix}
	for range viewChunk {
		k := len(v.bits)
		if k == len(ix.table.chunks) {
			v.built.Store(true)
			return true, true
		}
		e.c = ix.table.chunks[k]
		var found bitmap
		n := uint16(0)
		for w := range chunkWords {
			for m := v.plan.word(e.c, k, w); m != 0; m &= m - 1 {
				e.i = w<<6 | bits.TrailingZeros64(m)
				if v.plan.admits(&e) {
					found.set(e.i)
					n++
				}
			}
		}
		v.bits, v.counts, v.count = append(v.bits, found), append(v.counts, n), v.count+int64(n)
	}
	return false, true
}

// refreshViews evaluates a job that came, changed or went. The caller is apply.
func (ix *Index) refreshViews(k, i int) {
	if len(ix.views) > 0 {
		ix.refresh(k, i)
	}
}

func (ix *Index) refresh(k, i int) {
	defer func() {
		if recover() != nil { // a condition that panics must not end the writer; its query meets the panic itself
			for _, v := range slices.Clone(ix.views) {
				ix.dropView(v)
			}
		}
	}()
	e := Entry{ix: ix, c: ix.table.chunks[k], i: i}
	for _, v := range ix.views {
		if v.layout != ix.table.layout || k > len(v.bits) || k == len(v.bits) && !v.built.Load() {
			continue
		}
		if k == len(v.bits) {
			v.bits, v.counts = append(v.bits, bitmap{}), append(v.counts, 0)
		}
		fits := v.plan.word(e.c, k, i>>6)&(1<<(i&63)) != 0 && v.plan.admits(&e)
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
}

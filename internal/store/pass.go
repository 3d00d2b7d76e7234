package store

import (
	"context"
	"errors"
	"sync"
)

// passes lets watchers of the same jobs who are as far share one reading of the
// changes: a change of a busy owner wakes all of that owner's watchers at once.
type passes struct {
	mu       sync.Mutex
	revision uint64 // all passes began at this revision or later
	byKey    map[passKey]*pass
}

type passKey struct {
	scope Scope
	after uint64
	limit int
}

type pass struct {
	done   chan struct{}
	result Changes
	err    error
}

// errPass is what those who wait get of a pass that panicked.
var errPass = errors.New("the reading of the changes broke off")

// maxPasses bounds what is kept for others to share.
const maxPasses = 4096

// share answers what run answers, from another caller's run if that began no
// earlier than at the revision now.
func (p *passes) share(ctx context.Context, key passKey, now uint64, run func() (Changes, error)) (Changes, error) {
	found, mine := p.join(key, now)
	if found == nil {
		return run()
	}
	if mine {
		defer close(found.done)
		found.result, found.err = run()
		return found.result, found.err
	}
	select {
	case <-found.done:
		return found.result, found.err
	case <-ctx.Done():
		return Changes{}, ctx.Err()
	}
}

// join finds the pass of a key or makes one for the caller to run; nil when there are too many.
func (p *passes) join(key passKey, now uint64) (_ *pass, mine bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byKey == nil || now > p.revision {
		p.byKey, p.revision = make(map[passKey]*pass), now
	}
	if found := p.byKey[key]; found != nil {
		return found, false
	}
	if len(p.byKey) >= maxPasses {
		return nil, false
	}
	found := &pass{done: make(chan struct{}), err: errPass}
	p.byKey[key] = found
	return found, true
}

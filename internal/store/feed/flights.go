package feed

import (
	"context"
	"errors"
	"sync"

	"github.com/stint-jobs/stint/internal/store/index"
)

// flights lets watchers of the same jobs who are as far share one reading of the
// changes: a change of a busy owner wakes all of that owner's watchers at once.
type flights struct {
	mu       sync.Mutex
	revision uint64 // all flights started at this revision or later
	byKey    map[flightKey]*flight
}

type flightKey struct {
	scope index.Scope
	after uint64
	limit int
}

type flight struct {
	done   chan struct{}
	result Changes
	err    error
}

// errFlight is what those who wait get of a flight that panicked.
var errFlight = errors.New("the reading of the changes broke off")

// maxFlights bounds what is kept for others to share.
const maxFlights = 4096

// share returns what run returns, from another caller's run if that started no
// earlier than at the revision now.
func (f *flights) share(ctx context.Context, key flightKey, now uint64, run func() (Changes, error)) (Changes, error) {
	found, mine := f.join(key, now)
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

// join returns the flight of a key or makes one for the caller to run; nil when there are too many.
func (f *flights) join(key flightKey, now uint64) (_ *flight, mine bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byKey == nil || now > f.revision {
		f.byKey, f.revision = make(map[flightKey]*flight), now
	}
	if found := f.byKey[key]; found != nil {
		return found, false
	}
	if len(f.byKey) >= maxFlights {
		return nil, false
	}
	found := &flight{done: make(chan struct{}), err: errFlight}
	f.byKey[key] = found
	return found, true
}

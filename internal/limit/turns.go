package limit

import (
	"runtime"
	"sync"
	"time"
)

// TurnOptions says how much work goes on at a time. The zero value of Share means all.
type TurnOptions struct {
	// Places is how many goroutines work at a time; at least one.
	Places int
	// Share is the part of the time of those places that is worked in, in the long run.
	Share float64
}

// Turns lets some goroutines at a time do what takes long, and for a part of the time only, so that
// others find a processor free. Work that comes now and then does not rest.
type Turns struct {
	places chan struct{}
	share  float64

	mu   sync.Mutex
	debt time.Duration // work that no rest followed yet
	last time.Time     // when debt was counted
}

const (
	// maxDebt is how much work goes on without a rest.
	maxDebt = 20 * time.Millisecond
	// maxRest is how long one rest may be: a goroutine that was kept from its processor worked less than it seems.
	maxRest = 40 * time.Millisecond
)

// NewTurns returns Turns of which nothing is taken.
func NewTurns(o TurnOptions) *Turns {
	if o.Share <= 0 || o.Share > 1 {
		o.Share = 1
	}
	return &Turns{places: make(chan struct{}, max(1, o.Places)), share: o.Share}
}

// Take waits for a place and returns what gives it back, after a rest if one is due. Who waits is
// served in order, and a goroutine that gives its place back lets others who can run come first.
func (t *Turns) Take() (end func()) {
	if t == nil {
		return func() {}
	}
	t.places <- struct{}{}
	begin := time.Now()
	return func() {
		if rest := t.worked(begin, time.Now()); rest > 0 {
			<-time.After(rest)
		}
		<-t.places
		runtime.Gosched()
	}
}

// worked notes work, and returns how long to rest for it. The time since the last work was a rest.
func (t *Turns) worked(begin, end time.Time) (rest time.Duration) {
	if t.share == 1 {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	ratio := (1 - t.share) / t.share // of rest to work
	idle := begin.Sub(t.last)
	t.debt = max(0, t.debt-time.Duration(float64(idle)/ratio)) + end.Sub(begin)
	t.last = end
	if t.debt <= maxDebt {
		return 0
	}
	return min(maxRest, time.Duration(float64(t.debt)*ratio))
}

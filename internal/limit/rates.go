package limit

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// RateOptions says how often something may happen.
type RateOptions struct {
	// PerSecond is how often in the long run. It must be positive.
	PerSecond float64
	// Burst is how often at once, after a time without. It must be positive.
	Burst int
	// MaxKeys is how many keys are told apart. 0 means 65,536, some 12 MB when all are in use.
	// Only keys that used something of their burst and have not got it back yet
	// count. Where there are more, the newest share one allowance: that is a flood, and it gains nothing by its many keys.
	MaxKeys int
}

// PerDay is how often something may happen in a day, all of it at once if need be.
func PerDay(n int64) RateOptions {
	return RateOptions{PerSecond: float64(n) / (24 * time.Hour).Seconds(), Burst: int(n)}
}

// Rates has a token bucket for each key: in any time t, a key is admitted at
// most Burst + PerSecond*t times.
type Rates[K comparable] struct {
	options RateOptions

	mu      sync.Mutex
	buckets map[K]*bucket[K]
	root    bucket[K] // of the ring of all buckets: root.next was used last, root.prev longest ago
	shared  *rate.Limiter
}

// bucket is what a key may still do.
type bucket[K comparable] struct {
	*rate.Limiter

	key        K
	next, prev *bucket[K]
}

// NewRates makes Rates. Without a rate there is no limit, and it answers nil.
func NewRates[K comparable](o RateOptions) *Rates[K] {
	if o.PerSecond <= 0 {
		return nil
	}
	o.Burst = max(1, o.Burst)
	if o.MaxKeys == 0 {
		o.MaxKeys = 64 << 10
	}
	r := &Rates[K]{options: o, buckets: make(map[K]*bucket[K]), shared: rate.NewLimiter(rate.Limit(o.PerSecond), o.Burst)}
	r.root.next, r.root.prev = &r.root, &r.root
	return r
}

// Take admits the key once, or says how long it is until that may succeed.
func (r *Rates[K]) Take(key K) (wait time.Duration, ok bool) {
	if r == nil {
		return 0, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now() // with the lock: a bucket that time goes back for admits too much
	l := r.limiter(key, now)
	if l.AllowN(now, 1) {
		return 0, true
	}
	return r.until(l, now), false
}

// GiveBack gives back one that Take has admitted and that came to nothing.
func (r *Rates[K]) GiveBack(key K) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.find(key); l != nil {
		l.AllowN(time.Now(), -1) // a bucket is never fuller than full
	}
}

// Ready is Take without taking anything.
func (r *Rates[K]) Ready(key K) (wait time.Duration, ok bool) {
	if r == nil {
		return 0, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	l := r.find(key)
	if l == nil || l.TokensAt(now) >= 1 {
		return 0, true
	}
	return r.until(l, now), false
}

// Used reports whether the key took something that it has not got back yet.
func (r *Rates[K]) Used(key K) bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	l := r.find(key)
	return l != nil && l.TokensAt(now) < float64(r.options.Burst)
}

// Spent returns how much of its burst a key has used and not got back yet, rounded up.
func (r *Rates[K]) Spent(key K) int64 {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.find(key)
	if l == nil {
		return 0
	}
	return max(0, int64(math.Ceil(float64(r.options.Burst)-l.TokensAt(time.Now()))))
}

// Reserve admits the key n times, however large n is, and says how long the
// caller must wait before it makes use of that, and before it asks again.
func (r *Rates[K]) Reserve(key K, n int) (wait time.Duration) {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	l := r.limiter(key, now)
	for n > 0 {
		part := min(n, r.options.Burst)
		wait = l.ReserveN(now, part).DelayFrom(now)
		n -= part
	}
	return wait
}

// Keys is how many keys are told apart at the moment.
func (r *Rates[K]) Keys() int {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.buckets)
}

// until is how long it takes l to have a whole token.
func (r *Rates[K]) until(l *rate.Limiter, now time.Time) time.Duration {
	seconds := (1 - l.TokensAt(now)) / r.options.PerSecond
	return time.Duration(math.Ceil(seconds * float64(time.Second)))
}

// find is the bucket that the key has; nil when it never took anything.
func (r *Rates[K]) find(key K) *rate.Limiter {
	if b, ok := r.buckets[key]; ok {
		return b.Limiter
	}
	if len(r.buckets) >= r.options.MaxKeys {
		return r.shared
	}
	return nil
}

// limiter is the bucket of the key, made if there is room, and otherwise the one that newcomers share.
func (r *Rates[K]) limiter(key K, now time.Time) *rate.Limiter {
	b, ok := r.buckets[key]
	switch {
	case ok:
		b.unlink()
	case len(r.buckets) < r.options.MaxKeys || r.evict(now):
		b = &bucket[K]{key: key, Limiter: rate.NewLimiter(rate.Limit(r.options.PerSecond), r.options.Burst)}
		r.buckets[key] = b
	default:
		return r.shared
	}
	b.linkAfter(&r.root)
	return b.Limiter
}

// tries is how many of the buckets that were used longest ago evict looks at.
const tries = 8

// evict makes room by forgetting a bucket that is full again, for a new one is the same.
func (r *Rates[K]) evict(now time.Time) bool {
	for range tries {
		b := r.root.prev
		b.unlink()
		if b.TokensAt(now) >= float64(r.options.Burst) {
			delete(r.buckets, b.key)
			return true
		}
		b.linkAfter(&r.root)
	}
	return false
}

func (b *bucket[K]) unlink() { b.prev.next, b.next.prev = b.next, b.prev }

func (b *bucket[K]) linkAfter(at *bucket[K]) {
	b.prev, b.next = at, at.next
	b.prev.next, b.next.prev = b, b
}

package limit

import "sync"

// CountOptions says how much may go on at a time.
type CountOptions struct {
	// PerKey is how much for each key; 0 is no bound.
	PerKey int
	// InAll is how much for all keys together; 0 is no bound.
	InAll int
}

// Counts counts what goes on, by key. It knows only keys that something goes
// on for, so its memory is bounded by what it counts.
type Counts[K comparable] struct {
	options CountOptions

	mu    sync.Mutex
	byKey map[K]int
	inAll int
}

// NewCounts makes Counts. Without any bound it answers nil.
func NewCounts[K comparable](o CountOptions) *Counts[K] {
	if o.PerKey <= 0 && o.InAll <= 0 {
		return nil
	}
	return &Counts[K]{options: o, byKey: make(map[K]int)}
}

// Acquire begins something for the key, unless a bound is reached. What it
// admits must be ended by Release.
func (c *Counts[K]) Acquire(key K) bool {
	if c == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.options.PerKey > 0 && c.byKey[key] >= c.options.PerKey {
		return false
	}
	return c.add(key)
}

// AcquireUnbound is Acquire for a key that only the bound for all holds for.
func (c *Counts[K]) AcquireUnbound(key K) bool {
	if c == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.add(key)
}

func (c *Counts[K]) add(key K) bool {
	if c.options.InAll > 0 && c.inAll >= c.options.InAll {
		return false
	}
	c.byKey[key]++
	c.inAll++
	return true
}

// Release ends something that was begun for the key.
func (c *Counts[K]) Release(key K) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inAll--
	if c.byKey[key]--; c.byKey[key] <= 0 {
		delete(c.byKey, key)
	}
}

// InAll is how much goes on for all keys.
func (c *Counts[K]) InAll() int {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inAll
}

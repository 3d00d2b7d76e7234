// Package notify tells that something about a key changed, and never what: a
// subscriber is woken at least once after every Notify of a key it subscribed to.
//
// Wake-ups are coalesced in a channel of one, so a slow subscriber costs
// nothing and misses nothing as long as it reads the truth from the store
// after each wake-up.
package notify

import "sync"

// Hub knows who wants to be woken for which key. The zero value is ready.
type Hub[K comparable] struct {
	mu   sync.RWMutex
	subs map[K]map[*Subscription[K]]struct{}
}

// Subscription is one subscriber's interest in some keys.
type Subscription[K comparable] struct {
	hub  *Hub[K]
	keys []K
	wake chan struct{}
}

// Subscribe begins to wake a new subscriber for each of the keys. Subscribe
// before reading the store, so that nothing falls between the two.
func (h *Hub[K]) Subscribe(keys ...K) *Subscription[K] {
	s := &Subscription[K]{hub: h, keys: keys, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs == nil {
		h.subs = make(map[K]map[*Subscription[K]]struct{})
	}
	for _, k := range keys {
		set := h.subs[k]
		if set == nil {
			set = make(map[*Subscription[K]]struct{})
			h.subs[k] = set
		}
		set[s] = struct{}{}
	}
	return s
}

// C yields a value after something about one of the keys changed. It is never closed.
func (s *Subscription[K]) C() <-chan struct{} { return s.wake }

// Close ends the subscription. It may be called more than once.
func (s *Subscription[K]) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for _, k := range s.keys {
		delete(s.hub.subs[k], s)
		if len(s.hub.subs[k]) == 0 {
			delete(s.hub.subs, k)
		}
	}
}

// Notify wakes the subscribers of the keys. It never blocks.
func (h *Hub[K]) Notify(keys ...K) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, k := range keys {
		for s := range h.subs[k] {
			select {
			case s.wake <- struct{}{}:
			default: // a wake-up is already waiting
			}
		}
	}
}

// Len is the number of keys that somebody waits for.
func (h *Hub[K]) Len() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.subs)
}

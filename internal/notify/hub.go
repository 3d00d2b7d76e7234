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
	mu    sync.RWMutex
	first map[K]*interest[K] // of each key's list
}

// Subscription is one subscriber's interest in some keys.
type Subscription[K comparable] struct {
	hub  *Hub[K]
	in   []interest[K]
	one  [1]interest[K] // of in, so that most subscriptions need no memory beside their own
	wake chan struct{}
}

// interest is a subscriber's in one key, in the list of all who have it.
type interest[K comparable] struct {
	key        K
	of         *Subscription[K]
	prev, next *interest[K]
}

// Subscribe begins to wake a new subscriber for each of the keys. Subscribe
// before reading the store, so that nothing falls between the two.
func (h *Hub[K]) Subscribe(keys ...K) *Subscription[K] {
	s := &Subscription[K]{hub: h, wake: make(chan struct{}, 1)}
	if s.in = s.one[:]; len(keys) != 1 {
		s.in = make([]interest[K], len(keys))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.first == nil {
		h.first = make(map[K]*interest[K])
	}
	for i, k := range keys {
		it := &s.in[i]
		*it = interest[K]{key: k, of: s, next: h.first[k]}
		if it.next != nil {
			it.next.prev = it
		}
		h.first[k] = it
	}
	return s
}

// C yields a value after something about one of the keys changed, or after Wake. It is never closed.
func (s *Subscription[K]) C() <-chan struct{} { return s.wake }

// Wake wakes the subscriber as Notify does. It never blocks.
func (s *Subscription[K]) Wake() {
	select {
	case s.wake <- struct{}{}:
	default: // a wake-up is already waiting
	}
}

// Close ends the subscription. It may be called more than once.
func (s *Subscription[K]) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for i := range s.in {
		s.hub.remove(&s.in[i])
	}
	s.in = nil
}

func (h *Hub[K]) remove(it *interest[K]) {
	if it.next != nil {
		it.next.prev = it.prev
	}
	switch {
	case it.prev != nil:
		it.prev.next = it.next
	case it.next != nil:
		h.first[it.key] = it.next
	default:
		delete(h.first, it.key)
	}
}

// Notify wakes the subscribers of the keys. It never blocks.
func (h *Hub[K]) Notify(keys ...K) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, k := range keys {
		for it := h.first[k]; it != nil; it = it.next {
			it.of.Wake()
		}
	}
}

// WakeAll wakes all subscribers.
func (h *Hub[K]) WakeAll() {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, it := range h.first {
		for ; it != nil; it = it.next {
			it.of.Wake()
		}
	}
}

// Len is the number of keys that somebody waits for.
func (h *Hub[K]) Len() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.first)
}

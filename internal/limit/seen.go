package limit

import "sync/atomic"

// seenSlots is how many things Seen remembers at most: 32 kB.
const seenSlots = 4096

// Seen remembers things by a hash of them, each until another needs its place.
// It may forget, and never remembers what was not added, as far as the hash tells things apart:
// use one with a secret seed, such as hash/maphash. The zero value remembers nothing.
type Seen struct{ slots [seenSlots]atomic.Uint64 }

// Add remembers a thing. A hash of 0 is not remembered.
func (s *Seen) Add(hash uint64) { s.slots[hash%seenSlots].Store(hash) }

// Has reports whether a thing is remembered.
func (s *Seen) Has(hash uint64) bool { return hash != 0 && s.slots[hash%seenSlots].Load() == hash }

// Forget forgets a thing, if it is remembered.
func (s *Seen) Forget(hash uint64) { s.slots[hash%seenSlots].CompareAndSwap(hash, 0) }

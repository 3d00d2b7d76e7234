// Package estimate learns from completed attempts how long the jobs of a service take and how much
// memory they need. It is pure: what it knows is what Add was given, and a clock is not among it.
//
// For each service and version the newest 512 attempts are kept. What a job is like is the size of
// its inputs: attempts fall into bins of the logarithm of that, and a question takes the bin of its
// size, with its neighbours on both sides until there are enough. A quantile q of n attempts is the
// one at the rank q(n+1), rounded up: of a new draw from the same distribution it is at most that
// with a probability of at least q, whatever the distribution is. See Wilks, "Determination of
// Sample Sizes for Setting Tolerance Limits", Annals of Mathematical Statistics 12(1), 1941.
package estimate

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"sync"
	"time"
)

const (
	// MaxSamples are kept of each service and version.
	MaxSamples = 512
	// MinSamples are needed to say anything.
	MinSamples = 20
	// maxKinds bounds the services and versions that are known at a time. Those that had no attempt
	// for the longest time go first.
	maxKinds = 1024
	// recent is how many of the newest attempts like a job are used: where times drift, older ones
	// mislead.
	recent = 64

	memoryQuantile, memoryMargin = 0.95, 1.15
	timeQuantile, timeMargin     = 0.95, 1.3

	// scatter is how many times the median the slow jobs take where the size of the inputs says little.
	// Within a bin sizes differ by 2, and times of jobs with the same inputs seldom by 4.
	scatter = 8
)

// Kind is what attempts are kept by.
type Kind struct {
	Service, Version string
}

// Sample is a completed attempt.
type Sample struct {
	// InputBytes is the size of all files that the job read.
	InputBytes int64
	// CPUs that it had.
	CPUs int32
	// MemoryBytes is the most that it had resident. 0 is not known.
	MemoryBytes int64
	// Elapsed is how long its command ran.
	Elapsed time.Duration
}

// Bin is the bin of a size.
func Bin(bytes int64) int { return bits.Len64(uint64(max(0, bytes))) }

// History has what was learned. The zero value is empty. Its methods may be called at the same time.
type History struct {
	mu    sync.RWMutex
	kinds map[Kind]*ring
	clock uint64
}

// ring has the newest samples of a kind.
type ring struct {
	samples []Sample
	next    int // is overwritten next, once it is full
	used    uint64
}

// Add takes in an attempt, which is newer than all before it.
func (h *History) Add(k Kind, s Sample) {
	if s.Elapsed <= 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.kinds == nil {
		h.kinds = make(map[Kind]*ring)
	}
	r := h.kinds[k]
	if r == nil {
		h.makeRoom()
		r = &ring{}
		h.kinds[k] = r
	}
	h.clock++
	r.used = h.clock
	if len(r.samples) < MaxSamples {
		r.samples = append(r.samples, s)
		return
	}
	r.samples[r.next] = s
	r.next = (r.next + 1) % MaxSamples
}

func (h *History) makeRoom() {
	if len(h.kinds) < maxKinds {
		return
	}
	var oldest Kind
	for k, r := range h.kinds {
		if o := h.kinds[oldest]; o == nil || r.used < o.used {
			oldest = k
		}
	}
	delete(h.kinds, oldest)
}

// Count returns how many attempts of a kind are kept.
func (h *History) Count(k Kind) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if r := h.kinds[k]; r != nil {
		return len(r.samples)
	}
	return 0
}

// Like returns the newest attempts of the kind whose inputs were like in size: of the same bin, and
// where these are fewer than MinSamples, of those beside it, as far as needed.
func (h *History) Like(k Kind, inputBytes int64) Set {
	h.mu.RLock()
	defer h.mu.RUnlock()
	r := h.kinds[k]
	if r == nil {
		return Set{}
	}
	own, most := Bin(inputBytes), 0
	var counts [65]int // by distance
	for i := range r.samples {
		counts[distance(own, r.samples[i].InputBytes)]++
	}
	for n := counts[0]; n < MinSamples && most < len(counts)-1; n += counts[most] {
		most++
	}
	var set Set
	for i := len(r.samples) - 1; i >= 0 && len(set.times) < recent; i-- {
		s := &r.samples[(r.next+i)%len(r.samples)]
		if distance(own, s.InputBytes) > most {
			continue
		}
		set.times = append(set.times, s.Elapsed)
		if s.MemoryBytes > 0 {
			set.memory = append(set.memory, s.MemoryBytes)
		}
	}
	slices.Sort(set.times)
	slices.Sort(set.memory)
	return set
}

func distance(own int, bytes int64) int {
	d := Bin(bytes) - own
	return max(d, -d)
}

// Set has attempts that are like a job.
type Set struct {
	times  []time.Duration // ascending
	memory []int64         // ascending
}

// Size is how many attempts it has. Below MinSamples nothing can be said from them.
func (s Set) Size() int { return len(s.times) }

// Time returns the quantile q of the times that are longer than ran. It reports false where too few
// attempts are known, or none ran so long.
func (s Set) Time(ran time.Duration, q float64) (time.Duration, bool) {
	if len(s.times) < MinSamples {
		return 0, false
	}
	i, _ := slices.BinarySearch(s.times, ran+1)
	if i == len(s.times) {
		return 0, false
	}
	return quantile(s.times[i:], q), true
}

// Draw returns the time of one of the attempts that ran longer than ran, by a number from 0 to 1.
func (s Set) Draw(ran time.Duration, u float64) (time.Duration, bool) {
	if len(s.times) < MinSamples {
		return 0, false
	}
	i, _ := slices.BinarySearch(s.times, ran+1)
	left := s.times[i:]
	if len(left) == 0 {
		return 0, false
	}
	return left[min(len(left)-1, int(u*float64(len(left))))], true
}

// Advice is what a job should ask for.
type Advice struct {
	// Samples is how many attempts it rests on.
	Samples int
	// MemoryBytes is 0 where the memory of too few attempts is known.
	MemoryBytes int64
	// TimeLimit of the command.
	TimeLimit time.Duration
	// Median, P90 and P95 are quantiles of the time.
	Median, P90, P95 time.Duration
}

// Scattered reports whether attempts like the job took so different times that the size of the
// inputs says little of what a job takes. Below a minute it does not matter.
func (a Advice) Scattered() bool { return a.P95 > scatter*a.Median && a.P95 > time.Minute }

// Advice reports false where too few attempts are known.
func (s Set) Advice() (Advice, bool) {
	if len(s.times) < MinSamples {
		return Advice{Samples: len(s.times)}, false
	}
	a := Advice{
		Samples: len(s.times), Median: quantile(s.times, 0.5), P90: quantile(s.times, 0.9), P95: quantile(s.times, timeQuantile),
		TimeLimit: time.Duration(float64(quantile(s.times, timeQuantile)) * timeMargin),
	}
	if len(s.memory) >= MinSamples {
		a.MemoryBytes = int64(float64(quantile(s.memory, memoryQuantile)) * memoryMargin)
	}
	return a, true
}

// quantile returns the value at the rank q(n+1), rounded up.
func quantile[T cmp.Ordered](ascending []T, q float64) T {
	rank := int(math.Ceil(q * float64(len(ascending)+1)))
	return ascending[min(len(ascending), max(1, rank))-1]
}

package estimate_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stint-jobs/stint/internal/estimate"
)

var kind = estimate.Kind{Service: "GenomeAssembly", Version: "1"}

// shapes draw the n-th job of a history.
var shapes = map[string]func(rng *rand.Rand, n int) estimate.Sample{
	"log-normal": func(rng *rand.Rand, _ int) estimate.Sample {
		bytes := int64(1e6 * math.Exp(1.5*rng.NormFloat64()))
		return sample(bytes, float64(bytes)/1e5*math.Exp(0.5*rng.NormFloat64()))
	},
	"two humps of small and huge inputs": func(rng *rand.Rand, _ int) estimate.Sample {
		if rng.IntN(4) > 0 {
			return sample(1000+rng.Int64N(3000), 5+rng.Float64()*10)
		}
		return sample(20e9+rng.Int64N(40e9), 5000+1000*rng.ExpFloat64())
	},
	"drift": func(rng *rand.Rand, n int) estimate.Sample {
		return sample(1e6+rng.Int64N(1e6), 60*math.Exp(0.4*rng.NormFloat64())*(1+float64(n)/800))
	},
}

func sample(bytes int64, seconds float64) estimate.Sample {
	return estimate.Sample{
		InputBytes: bytes, CPUs: 1, MemoryBytes: 1 << 20 * int64(1+seconds), Elapsed: time.Duration(seconds * float64(time.Second)),
	}
}

// Of jobs that come after the question, 85 to 95 % take at most the p90 of those before, in each
// shape, and nearly all keep to the advice.
func TestQuantilesCoverLaterJobs(t *testing.T) {
	for name, draw := range shapes {
		t.Run(name, func(t *testing.T) {
			var asked, p90, median, limit, memory float64
			for seed := range uint64(20) {
				rng := rand.New(rand.NewPCG(seed, 3))
				var h estimate.History
				for n := range 1200 {
					s := draw(rng, n)
					if a, ok := h.Like(kind, s.InputBytes).Advice(); ok && n >= 300 {
						asked++
						p90 += count(s.Elapsed <= a.P90)
						median += count(s.Elapsed <= a.Median)
						limit += count(s.Elapsed <= a.TimeLimit)
						memory += count(s.MemoryBytes <= a.MemoryBytes)
					}
					h.Add(kind, s)
				}
			}
			t.Logf("%.0f jobs: p90 covers %.1f %%, the median %.1f %%, the time limit %.1f %%, the memory %.1f %%",
				asked, 100*p90/asked, 100*median/asked, 100*limit/asked, 100*memory/asked)
			if c := p90 / asked; c < 0.85 || c > 0.95 {
				t.Errorf("the p90 covers %.1f %%", 100*c)
			}
			if c := median / asked; c < 0.40 || c > 0.60 {
				t.Errorf("the median covers %.1f %%", 100*c)
			}
			if limit/asked < 0.95 || memory/asked < 0.93 {
				t.Errorf("%.1f %% would keep to the time limit and %.1f %% to the memory", 100*limit/asked, 100*memory/asked)
			}
			if asked < 10_000 {
				t.Errorf("only %v of the jobs had an advice", asked)
			}
		})
	}
}

func count(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func TestFewSamplesSayNothing(t *testing.T) {
	var h estimate.History
	if _, ok := h.Like(kind, 5).Advice(); ok {
		t.Error("an empty history advises")
	}
	for n := range estimate.MinSamples {
		set := h.Like(kind, 5)
		a, ok := set.Advice()
		_, timed := set.Time(0, 0.5)
		if ok || timed || a.Samples != n || set.Size() != n {
			t.Fatalf("%d samples: %+v, %v", n, a, ok)
		}
		h.Add(kind, sample(5, 1))
	}
	if a, ok := h.Like(kind, 5).Advice(); !ok || a.Samples != estimate.MinSamples {
		t.Errorf("%d samples: %+v, %v", estimate.MinSamples, a, ok)
	}
	if h.Like(estimate.Kind{Service: kind.Service, Version: "2"}, 5).Size() != 0 {
		t.Error("another version has the history of this one")
	}
	h.Add(kind, estimate.Sample{})
	if h.Count(kind) != estimate.MinSamples {
		t.Error("an attempt that took no time was added")
	}
}

func TestTimesAreThoseThatAreStillPossible(t *testing.T) {
	var h estimate.History
	for n := range 40 {
		h.Add(kind, sample(5, float64(n+1)))
	}
	set := h.Like(kind, 5)
	for _, c := range []struct {
		ran  time.Duration
		q    float64
		want time.Duration
		ok   bool
	}{
		{0, 0.5, 21 * time.Second, true},
		{30 * time.Second, 0.5, 36 * time.Second, true},
		{39 * time.Second, 0.9, 40 * time.Second, true},
		{40 * time.Second, 0.5, 0, false},
	} {
		if got, ok := set.Time(c.ran, c.q); got != c.want || ok != c.ok {
			t.Errorf("after %v the quantile %v is %v, %v; want %v, %v", c.ran, c.q, got, ok, c.want, c.ok)
		}
	}
	for _, u := range []float64{0, 0.5, 1} {
		if got, ok := set.Draw(38*time.Second, u); !ok || got <= 38*time.Second {
			t.Errorf("a draw of %v is %v, %v", u, got, ok)
		}
	}
}

func TestOldSamplesAndKindsGo(t *testing.T) {
	var h estimate.History
	for n := range 3 * estimate.MaxSamples {
		h.Add(kind, sample(5, float64(n+1)))
	}
	if n := h.Count(kind); n != estimate.MaxSamples {
		t.Errorf("%d samples are kept", n)
	}
	if got, _ := h.Like(kind, 5).Time(0, 0); got <= time.Duration(2*estimate.MaxSamples)*time.Second {
		t.Errorf("the shortest time kept is %v", got)
	}
	for n := range 2000 {
		h.Add(estimate.Kind{Service: "S", Version: string(rune('a' + n))}, sample(5, 1))
	}
	if h.Count(kind) != 0 {
		t.Error("what was not used for longest is still there")
	}
}

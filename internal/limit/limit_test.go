package limit_test

import (
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/stint-jobs/stint/internal/limit"
)

func TestWhatIsGivenBackCanBeTakenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := limit.NewRates[string](limit.RateOptions{PerSecond: 0.001, Burst: 2, MaxKeys: 2})
		for range 10 {
			if _, ok := r.Take("a"); !ok {
				t.Fatal("refused")
			}
			r.GiveBack("a")
		}
		r.GiveBack("a") // it is full, and does not become fuller
		r.GiveBack("never seen")
		taken := 0
		for range 5 {
			if _, ok := r.Take("a"); ok {
				taken++
			}
		}
		if taken != 2 {
			t.Errorf("took %d of 2", taken)
		}
	})
	(*limit.Rates[string])(nil).GiveBack("a")
}

// In whatever order and at whatever times keys come, none is admitted more than
// burst + rate*t, and one that waits as long as it was told is admitted.
//
//nolint:forbidigo // fake time: a synctest bubble
func TestRatesHoldForEachKey(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		perSecond := rapid.Float64Range(0.1, 5000).Draw(rt, "per second")
		burst := rapid.IntRange(1, 50).Draw(rt, "burst")
		keys := rapid.IntRange(1, 8).Draw(rt, "keys")
		asks := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) ask {
			return ask{
				key:  rapid.IntRange(0, keys-1).Draw(rt, "key"),
				then: time.Duration(rapid.IntRange(0, int(2e9/perSecond)).Draw(rt, "then")),
				obey: rapid.Bool().Draw(rt, "obey"),
			}
		}), 1, 200).Draw(rt, "asks")
		synctest.Test(t, func(*testing.T) {
			r := limit.NewRates[int](limit.RateOptions{PerSecond: perSecond, Burst: burst, MaxKeys: keys})
			begin, admitted := time.Now(), make([]int, keys)
			for _, a := range asks {
				wait, ok := r.Take(a.key)
				if !ok && wait <= 0 {
					rt.Fatalf("refused for %s", wait)
				}
				if !ok && a.obey {
					time.Sleep(wait)
					if _, ok = r.Take(a.key); !ok {
						rt.Fatalf("starves: refused again after the %s that it was to wait", wait)
					}
				}
				if ok {
					admitted[a.key]++
				}
				// Floats and nanoseconds round.
				most := float64(burst) + perSecond*time.Since(begin).Seconds() + 1e-3
				if float64(admitted[a.key]) > most {
					rt.Fatalf("%d admitted, at most %f", admitted[a.key], most)
				}
				time.Sleep(a.then)
			}
		})
	})
}

type ask struct {
	key  int
	then time.Duration
	obey bool
}

// However many new keys come, memory does not grow, each key is held to its
// rate, those that were there first keep theirs, and all comes back by itself.
//
//nolint:forbidigo // fake time: a synctest bubble
func TestFloodOfKeysIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most, burst = 100, 10
		r := limit.NewRates[int](limit.RateOptions{PerSecond: 1, Burst: burst, MaxKeys: most})
		for range 5 {
			r.Take(-1)
		}
		admitted := 0
		for key := range 100_000 {
			if _, ok := r.Take(key); ok {
				admitted++
			}
		}
		if r.Keys() > most {
			t.Errorf("%d keys", r.Keys())
		}
		if want := most - 1 + burst; admitted != want {
			t.Errorf("%d of the flood were admitted, want %d: one each, and a shared burst", admitted, want)
		}
		for n := range burst {
			if _, ok := r.Take(-1); ok != (n < burst-5) {
				t.Errorf("the one that was there first: %d, %v", n, ok)
			}
		}
		wait, ok := r.Take(200_000)
		if ok || wait <= 0 || wait > time.Second {
			t.Errorf("a newcomer in the flood: %v after %s", ok, wait)
		}
		time.Sleep(burst * time.Second)
		for n := range burst + 1 {
			if _, ok := r.Take(200_000); ok != (n < burst) {
				t.Errorf("a newcomer after the flood: %d, %v", n, ok)
			}
		}
		if r.Keys() > most {
			t.Errorf("%d keys", r.Keys())
		}
	})
}

// Ready and Used look without taking.
//
//nolint:forbidigo // fake time: a synctest bubble
func TestLookingTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := limit.NewRates[string](limit.RateOptions{PerSecond: 10, Burst: 2})
		for range 5 {
			if _, ok := r.Ready("a"); !ok || r.Used("a") || r.Keys() != 0 {
				t.Fatal("a key that took nothing")
			}
		}
		r.Take("a")
		if _, ok := r.Ready("a"); !ok || !r.Used("a") || r.Used("b") {
			t.Error("a key that took one of two")
		}
		r.Take("a")
		if wait, ok := r.Ready("a"); ok || wait != 100*time.Millisecond {
			t.Errorf("a key that took all: %v, %s", ok, wait)
		}
		time.Sleep(200 * time.Millisecond)
		if _, ok := r.Ready("a"); !ok || r.Used("a") {
			t.Error("a key that got all back")
		}
	})
}

// What is reserved is paid for in time, also what is more than a burst.
//
//nolint:forbidigo // fake time: a synctest bubble
func TestReservationsAreHeldToTheRate(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		perSecond, burst := rapid.IntRange(1, 1000).Draw(rt, "per second"), rapid.IntRange(1, 100).Draw(rt, "burst")
		parts := rapid.SliceOfN(rapid.IntRange(0, 1000), 1, 50).Draw(rt, "parts")
		synctest.Test(t, func(*testing.T) {
			r := limit.NewRates[int](limit.RateOptions{PerSecond: float64(perSecond), Burst: burst})
			begin, sum := time.Now(), 0
			for _, n := range parts {
				sum += n
				time.Sleep(r.Reserve(0, n))
				took := time.Since(begin).Seconds()
				if most := float64(burst) + float64(perSecond)*took + 1e-3; float64(sum) > most {
					rt.Fatalf("%d after %fs, at most %f", sum, took, most)
				}
				if least := float64(sum-burst)/float64(perSecond) + 1e-3; sum > burst && took > least {
					rt.Fatalf("%d took %fs, where %fs are enough", sum, took, least)
				}
			}
		})
	})
}

// Many at once are admitted exactly as many as there are places.
func TestCountsHold(t *testing.T) {
	c := limit.NewCounts[string](limit.CountOptions{PerKey: 3, InAll: 5})
	admitted := func(key string, acquire func(string) bool) (n int) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if acquire(key) {
					mu.Lock()
					defer mu.Unlock()
					n++
				}
			})
		}
		wg.Wait()
		return n
	}
	for _, step := range []struct {
		key     string
		acquire func(string) bool
		want    int
	}{{"a", c.Acquire, 3}, {"b", c.AcquireUnbound, 2}, {"c", c.Acquire, 0}} {
		if got := admitted(step.key, step.acquire); got != step.want {
			t.Errorf("%s was admitted %d times, want %d", step.key, got, step.want)
		}
	}
	c.Release("a")
	if c.InAll() != 4 || admitted("b", c.Acquire) != 1 || admitted("a", c.Acquire) != 0 {
		t.Error("a place that was left is not given to the next alone")
	}
}

func TestNoLimitAdmitsAll(t *testing.T) {
	r, c := limit.NewRates[int](limit.RateOptions{Burst: 1}), limit.NewCounts[int](limit.CountOptions{})
	for range 10_000 {
		if _, ok := r.Take(1); !ok || !c.Acquire(1) || !c.AcquireUnbound(1) || r.Reserve(1, 1<<30) != 0 {
			t.Fatal("refused")
		}
	}
	c.Release(1)
	if _, ok := r.Ready(1); !ok || r.Used(1) || r.Keys() != 0 || c.InAll() != 0 {
		t.Error("something was kept")
	}
}

func TestNetworkOfAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "::1": "::",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "2001:db8:1:2::": "2001:db8:1:2::", "fe80::1%eth0": "fe80::",
	} {
		if got := limit.Network(netip.MustParseAddr(in)); got.String() != want {
			t.Errorf("%s is limited as %s, want %s", in, got, want)
		}
	}
	if limit.Network(netip.Addr{}).IsValid() {
		t.Error("no address became one")
	}
}

func TestNothingIsAllocatedForKnownKeys(t *testing.T) {
	r := limit.NewRates[string](limit.RateOptions{PerSecond: 1e9, Burst: 1e9})
	c := limit.NewCounts[string](limit.CountOptions{PerKey: 10})
	one := func() {
		r.Take("ann")
		c.Acquire("ann")
		c.Release("ann")
	}
	if n := testing.AllocsPerRun(1000, one); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkTake(b *testing.B) {
	r := limit.NewRates[string](limit.RateOptions{PerSecond: 1e9, Burst: 1e9})
	b.ReportAllocs()
	for b.Loop() {
		r.Take("ann")
	}
}

func BenchmarkCount(b *testing.B) {
	c := limit.NewCounts[string](limit.CountOptions{PerKey: 10})
	b.ReportAllocs()
	for b.Loop() {
		c.Acquire("ann")
		c.Release("ann")
	}
}

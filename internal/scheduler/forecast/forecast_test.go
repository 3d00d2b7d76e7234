package forecast_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler/forecast"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

var start = time.Unix(1_800_000_000, 0)

// kind is a service: its jobs have one size, and times from a log-normal distribution.
type kind struct {
	need   policy.Resources
	median time.Duration
	sigma  float64 // of the logarithm
	limit  bool    // four times the median
}

// sample draws a time, capped by the limit of the kind.
func (k *kind) sample(z float64) time.Duration {
	d := time.Duration(float64(k.median) * math.Exp(k.sigma*z))
	if k.limit {
		d = min(d, 4*k.median)
	}
	return d
}

// duration is the quantile u of the times that are longer than ran.
func (k *kind) duration(ran time.Duration, u float64) time.Duration {
	past := 0.0
	if ran > 0 && k.sigma > 0 {
		past = 0.5 * math.Erfc(-math.Log(float64(ran)/float64(k.median))/k.sigma/math.Sqrt2)
	}
	return max(ran, k.sample(math.Sqrt2*math.Erfinv(2*min(0.999999, past+u*(1-past))-1)))
}

// installation is one executor with jobs of a few kinds, which really run in the test.
type installation struct {
	rng    *rand.Rand
	p      *policy.Policy
	now    time.Time
	kinds  []kind
	of     map[job.ID]*kind
	ends   map[job.ID]time.Time
	starts map[job.ID]time.Time
	ended  map[job.ID]time.Time
	rate   float64 // jobs an hour that would keep all cores busy
	order  []job.ID
	last   job.ID
	came   []policy.Job
}

func newInstallation(seed uint64, sigma float64) *installation {
	rng := rand.New(rand.NewPCG(seed, 7))
	cores := 4 + rng.Int64N(12)
	in := &installation{
		rng: rng, now: start, of: map[job.ID]*kind{}, ends: map[job.ID]time.Time{}, starts: map[job.ID]time.Time{},
		ended: map[job.ID]time.Time{},
		p: policy.New(policy.Config{
			Executors:         map[string]policy.Resources{"x": {policy.CPUs: cores, policy.Memory: 4 * cores}},
			MaxActivePerOwner: []int{0, 0, 6}[rng.IntN(3)], Shares: map[string]policy.Share{"u0": {Weight: 3}},
		}),
	}
	for range 4 {
		in.kinds = append(in.kinds, kind{
			need:   policy.Resources{policy.CPUs: 1 + rng.Int64N(4), policy.Memory: rng.Int64N(8)},
			median: time.Duration(5+rng.IntN(60)) * time.Minute, sigma: sigma, limit: rng.IntN(2) == 0,
		})
	}
	work := 0.0 // hours of a core that a job takes in the mean
	for _, k := range in.kinds {
		work += float64(k.need[policy.CPUs]) * k.median.Hours() * math.Exp(sigma*sigma/2) / float64(len(in.kinds))
	}
	in.rate = float64(cores) / work
	return in
}

func (in *installation) submit() {
	in.last++
	k := &in.kinds[in.rng.IntN(len(in.kinds))]
	j := policy.Job{ID: in.last, Owner: fmt.Sprint("u", in.rng.IntN(4)), Priority: int32(in.rng.IntN(2)), Need: k.need} //nolint:gosec // small
	if k.limit {
		j.Limit = 4 * k.median
	}
	in.of[j.ID] = k
	in.p.Add("x", j)
	in.came = append(in.came, j)
}

func (in *installation) place() {
	for {
		d := in.p.Next("x", in.now)
		if d.Start == 0 {
			return
		}
		in.p.Start(d.Start, in.now)
		in.starts[d.Start] = in.now
		in.ends[d.Start] = in.now.Add(in.of[d.Start].sample(in.rng.NormFloat64()))
		in.order = append(in.order, d.Start)
	}
}

// endFirst lets the next job end, unless something else comes before.
func (in *installation) endFirst(before time.Time) bool {
	var first job.ID
	for id, at := range in.ends {
		if first == 0 || at.Before(in.ends[first]) || at.Equal(in.ends[first]) && id < first {
			first = id
		}
	}
	if first == 0 || !before.IsZero() && in.ends[first].After(before) {
		return false
	}
	in.now = in.ends[first]
	in.ended[first] = in.now
	delete(in.ends, first)
	in.p.Remove(first)
	in.place()
	return true
}

// live lets jobs come for a while, for a share of the cores.
func (in *installation) live(d time.Duration, load float64) {
	rate, until := load*in.rate, in.now.Add(d)
	for {
		next := in.now.Add(time.Duration(in.rng.ExpFloat64() / rate * float64(time.Hour)))
		if next.After(until) {
			next = until
		}
		for in.endFirst(next) {
		}
		if in.now = next; !next.Before(until) {
			return
		}
		in.submit()
		in.place()
	}
}

func (in *installation) question(seed uint64) forecast.Question {
	return forecast.Question{
		Policy: in.p, Executor: "x", Now: in.now, Seed: seed,
		Duration: func(id job.ID, ran time.Duration, u float64) (time.Duration, bool) {
			return in.of[id].duration(ran, u), true
		},
	}
}

// Where no job comes any more and the times are known, the places are the order of the starts, and
// so are the times.
func TestPlacesAreTheOrderOfRealStarts(t *testing.T) {
	for seed := range uint64(300) {
		in := newInstallation(seed, 0)
		in.live(8*time.Hour, 1.5)
		got := forecast.Of(in.question(seed))
		in.order = nil
		for in.endFirst(time.Time{}) {
		}
		for i, id := range in.order {
			e := got[id]
			if !e.Placed || e.Ahead != i {
				t.Fatalf("seed %d: job %d started as number %d of %d, and %+v was expected", seed, id, i, len(in.order), e)
			}
			if at := in.starts[id]; !e.Start.Expected.Equal(at) || !e.Start.Latest.Equal(at) || !e.Start.Earliest.Equal(at) {
				t.Fatalf("seed %d: job %d started at %v, and %+v was expected", seed, id, at, e.Start)
			}
		}
	}
}

func covers(r forecast.Range, at time.Time) bool {
	return !at.Before(r.Earliest) && (r.Latest.IsZero() || !at.After(r.Latest))
}

// coverage counts how often the ranges of first starts and of ends are right.
func coverage(t *testing.T, worlds uint64, load float64) (starts, ends float64) {
	t.Helper()
	var asked, unsaid, started, ended float64
	for seed := range worlds {
		in := newInstallation(1000+seed, 0.8)
		if load == 0 {
			in.live(12*time.Hour, 1.2)
		} else { // a day as any other, and then many at a time
			in.live(24*time.Hour, load)
		}
		q := in.question(seed)
		if load > 0 {
			q.Arrivals, q.Over = slices.Clone(in.came), in.now.Sub(start)
			for range 60 {
				in.submit()
			}
			in.place()
		}
		got := forecast.Of(q)
		var waiting []job.ID
		for id, e := range got {
			if e.Placed {
				waiting = append(waiting, id)
			}
		}
		if len(waiting) == 0 {
			continue
		}
		slices.Sort(waiting)
		id := waiting[in.rng.IntN(len(waiting))] // one a world: the jobs of one queue are not independent
		for in.ended[id].IsZero() {
			if load == 0 || in.now.Sub(q.Now) > 1000*time.Hour {
				in.endFirst(time.Time{})
			} else {
				in.live(time.Hour, load)
			}
		}
		e := got[id]
		if e.Start.Expected.IsZero() {
			unsaid++
			continue
		}
		asked++
		if covers(e.Start, in.starts[id]) {
			started++
		}
		if covers(e.End, in.ended[id]) {
			ended++
		}
	}
	t.Logf("%v jobs, and %v without a range: start in the range %.1f %%, end %.1f %%", asked, unsaid, 100*started/asked, 100*ended/asked)
	return started / asked, ended / asked
}

func TestRangesCoverRealStartsAndEnds(t *testing.T) {
	worlds := uint64(400)
	if testing.Short() {
		worlds = 300
	}
	for name, load := range map[string]float64{"no arrivals": 0, "arrivals": 0.65} {
		t.Run(name, func(t *testing.T) {
			starts, ends := coverage(t, worlds, load)
			for _, c := range []float64{starts, ends} {
				if c < 0.85 || c > 0.95 {
					t.Errorf("%.1f %% are in the range", 100*c)
				}
			}
		})
	}
}

// What depends on jobs of which nothing is known has a place and no time.
func TestWhatIsNotKnownHasNoTime(t *testing.T) {
	p := policy.New(policy.Config{Executors: map[string]policy.Resources{"x": {policy.CPUs: 1}}})
	for id := job.ID(1); id <= 3; id++ {
		p.Add("x", policy.Job{ID: id, Owner: "ann", Need: policy.Resources{policy.CPUs: 1}})
	}
	p.Start(1, start)
	known := map[job.ID]time.Duration{1: time.Hour, 3: time.Hour}
	got := forecast.Of(forecast.Question{Policy: p, Executor: "x", Now: start, Duration: func(id job.ID, _ time.Duration, _ float64) (time.Duration, bool) {
		d, ok := known[id]
		return d, ok
	}})
	if e := got[1]; !e.End.Expected.Equal(start.Add(time.Hour)) || !e.Start.Expected.IsZero() || e.Placed {
		t.Errorf("the running job: %+v", e)
	}
	if e := got[2]; !e.Placed || e.Ahead != 0 || !e.Start.Expected.Equal(start.Add(time.Hour)) || !e.End.Expected.IsZero() {
		t.Errorf("the next job: %+v", e)
	}
	if e := got[3]; !e.Placed || e.Ahead != 1 || !e.Start.Expected.IsZero() {
		t.Errorf("the job behind one of which nothing is known: %+v", e)
	}
}

func BenchmarkForecast(b *testing.B) {
	in := newInstallation(3, 0.8)
	for range 256 {
		in.submit()
	}
	in.place()
	q := in.question(1)
	for b.Loop() {
		forecast.Of(q)
	}
}

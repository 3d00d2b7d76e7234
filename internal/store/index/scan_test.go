package index

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// watched counts the calls of a Match and notes whether one was made while the lock was held.
type watched struct {
	ix     *Index
	calls  int
	locked bool
}

func (w *watched) match(*Entry) bool {
	w.calls++
	if w.ix.mu.TryLock() {
		w.ix.mu.Unlock()
	} else {
		w.locked = true
	}
	return w.calls%3 == 0
}

// crowded is an index with 3,000 queued jobs of ada among as many of bob.
func crowded(t *testing.T, cfg Config) *model {
	t.Helper()
	m := newModel(cfg)
	for i := range 6000 {
		m.add(&storev1.Header{
			Owner: []string{"ada", "bob"}[i%2], Service: "A", Executor: "local",
			OutputName: strconv.Itoa(i), State: jobsv1.State_STATE_QUEUED,
		})
	}
	if err := m.apply(); err != nil {
		t.Fatal(err)
	}
	return m
}

// faces are the ways by which a query calls its Match.
var faces = map[string]struct {
	cfg Config
	q   Query
}{
	"a small page":                    {Config{SmallScan: 1 << 20}, Query{Scope: Scope{Owner: "ada"}}},
	"a small page, oldest first":      {Config{SmallScan: 1 << 20}, Query{Scope: everyone, Order: []Order{{Field: ByID}}}},
	"a small page, sorted":            {Config{SmallScan: 1 << 20}, Query{Scope: Scope{Owner: "ada"}, Order: []Order{{Field: ByOutputName}}}},
	"a page within the budget":        {Config{ScanBudget: 5000}, Query{Scope: everyone}},
	"a view of one query":             {Config{SmallScan: -1}, Query{Scope: everyone}},
	"a view that is kept":             {Config{SmallScan: -1}, Query{Scope: everyone, MatchKey: "k"}},
	"a view that is kept, and sorted": {Config{SmallScan: -1}, Query{Scope: everyone, MatchKey: "k", Order: []Order{{Field: ByOutputName}}}},
}

func TestAMatchIsNeverCalledUnderTheLock(t *testing.T) {
	for name, face := range faces {
		t.Run(name, func(t *testing.T) {
			m := crowded(t, face.cfg)
			w := &watched{ix: m.ix}
			q := face.q
			q.Match, q.MatchCost, q.Limit = w.match, 40_000, 5
			page := func() {
				t.Helper()
				if _, err := m.ix.Page(t.Context(), &q); err != nil {
					t.Fatal(err)
				}
			}
			page()
			before := w.calls
			for id := job.ID(1); id <= 200; id++ {
				m.move(id, func(h *storev1.Header) { h.State = jobsv1.State_STATE_RUNNING })
			}
			if err := m.apply(); err != nil {
				t.Fatal(err)
			}
			if w.calls != before {
				t.Errorf("the writer called Match %d times", w.calls-before)
			}
			page()
			if before < 100 || w.locked {
				t.Errorf("%d calls, under the lock: %v", before, w.locked)
			}
		})
	}
}

func TestHowLongTheLockIsHeldIsBoundedInJobs(t *testing.T) {
	for cost, most := range map[int]int{0: maxSlice, 1: maxSlice, 1000: 64, 40_000: 1, 1 << 30: 1} {
		p, _ := New(Config{}).plan(&Query{Scope: everyone, Match: func(*Entry) bool { return true }, MatchCost: cost})
		if n := p.slice(); n < 1 || n > most {
			t.Errorf("cost %d: %d jobs are copied at a time, want at most %d", cost, n, most)
		}
	}
}

func TestAMatchEndsWithItsCaller(t *testing.T) {
	for name, face := range faces {
		t.Run(name, func(t *testing.T) {
			m := crowded(t, face.cfg)
			ctx, hangUp := context.WithCancel(t.Context())
			defer hangUp()
			calls := 0
			q := face.q
			q.MatchCost, q.Limit = 40_000, 5
			q.Match = func(*Entry) bool {
				if calls++; calls == 20 {
					hangUp()
				}
				return calls%3 == 0
			}
			_, err := m.ix.Page(ctx, &q)
			if most := 21 + sliceWork/q.MatchCost; !errors.Is(err, context.Canceled) || calls > most {
				t.Errorf("%v after %d calls, want at most %d", err, calls, most)
			}
		})
	}
}

func TestADearMatchLooksAtFewerJobs(t *testing.T) {
	m := crowded(t, Config{ScanBudget: 5000})
	for cost, exact := range map[int]bool{100: true, 8 * defaultMatchCost: false} {
		p, err := m.ix.Page(t.Context(), &Query{Scope: Scope{Owner: "ada"}, Match: func(*Entry) bool { return false }, MatchCost: cost, Limit: 5})
		if err != nil || p.Exact != exact || (p.Next == nil) != exact {
			t.Errorf("cost %d: %+v %v, want exact %v", cost, p, err, exact)
		}
	}
}

// Until the next query a view holds what changed, each job once.
func TestAViewNotesAJobThatChangesOftenOnce(t *testing.T) {
	m := crowded(t, Config{SmallScan: -1})
	q := Query{Scope: everyone, MatchKey: "k", Match: func(e *Entry) bool { return e.StartTime()%2 == 0 }, Limit: 5}
	if p, err := m.ix.Page(t.Context(), &q); err != nil || p.Total != 6000 || m.ix.Stats().Views != 1 {
		t.Fatalf("%+v, %v, %d views", p, err, m.ix.Stats().Views)
	}
	for n := range int64(20) {
		for id := job.ID(1); id <= 3000; id++ {
			m.move(id, func(h *storev1.Header) { h.StartTimeNs = n })
		}
		if err := m.apply(); err != nil {
			t.Fatal(err)
		}
	}
	if n := m.ix.views[0].stale.len(); n != 3000 {
		t.Errorf("%d jobs are noted", n)
	}
	if p, err := m.ix.Page(t.Context(), &q); err != nil || p.Total != 3000 || m.ix.views[0].stale.len() != 0 {
		t.Errorf("%+v %v", p, err)
	}
}

// Filters run without a pause for a while, then pause behind each batch, and may run on once there were none for a while.
func TestFiltersPauseOnceTheyRanForLong(t *testing.T) {
	var c credit
	now := time.Unix(1_700_000_000, 0)
	batch := func() (pause bool) {
		const took = time.Millisecond
		pause = c.spend(now, took)
		if now = now.Add(took); pause {
			now = now.Add(took)
		}
		return pause
	}
	for n := range 400 {
		// Of each millisecond a quarter comes back until the pauses begin.
		if got, want := batch(), n >= 132; got != want {
			t.Fatalf("batch %d pauses: %v", n, got)
		}
	}
	now = now.Add(4 * maxCredit)
	if batch() {
		t.Error("it pauses though nothing was evaluated for long")
	}
	if c.spend(now.Add(-time.Hour), time.Millisecond); c.spent > 2*time.Millisecond {
		t.Errorf("a batch that began earlier and ends later costs %v", c.spent)
	}
}

// A list by a filter that costs much takes pauses, and has everything in the end.
func TestAPageByACostlyFilterTakesPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := crowded(t, Config{})
		start := time.Now()
		q := &Query{Scope: everyone, Limit: 5, MatchCost: 1 << 14, Match: func(*Entry) bool {
			time.Sleep(time.Millisecond) //nolint:forbidigo // on the fake time of a bubble
			return true
		}}
		p, err := m.ix.Page(t.Context(), q)
		if err != nil || p.Total != int64(len(m.jobs)) {
			t.Fatalf("%+v, %v", p, err)
		}
		evaluated := time.Duration(len(m.jobs)) * time.Millisecond
		if took := time.Since(start); took < 2*evaluated-2*maxCredit || took > 2*evaluated {
			t.Errorf("%v of evaluation took %v", evaluated, took)
		}
	})
}

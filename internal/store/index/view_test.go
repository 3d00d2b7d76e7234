package index

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// keptQuery is a query whose results are kept.
func keptQuery(key string, match func(*Entry) bool) *Query {
	return &Query{Scope: everyone, MatchKey: key, Match: match, MatchCost: 10_000, Limit: 5}
}

// A caller who went away has not evaluated for nothing: the next one goes on behind what was done.
func TestAViewGoesOnWhereACallerLeft(t *testing.T) {
	m := crowded(t, Config{SmallScan: -1})
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	calls := 0
	q := keptQuery("k", func(e *Entry) bool {
		if calls++; calls == 4000 {
			hangUp()
		}
		return e.ID()%3 == 0
	})
	if _, err := m.ix.Page(ctx, q); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if p, err := m.ix.Page(t.Context(), q); err != nil || p.Total != 2000 || calls != 6000 {
		t.Errorf("%+v %v after %d calls, want 6000", p, err, calls)
	}
}

// What a Match was called for when it panicked is evaluated again, and is not in the result twice or never.
func TestAViewGoesOnBehindAPanic(t *testing.T) {
	m := crowded(t, Config{SmallScan: -1})
	calls := 0
	q := keptQuery("k", func(e *Entry) bool {
		if calls++; calls == 1000 {
			panic("once")
		}
		return e.ID()%3 == 0
	})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the page did not panic")
			}
		}()
		_, _ = m.ix.Page(t.Context(), q)
	}()
	p, err := m.ix.Page(t.Context(), q)
	if err != nil || p.Total != 2000 {
		t.Errorf("%+v %v", p, err)
	}
	if d := m.differences(); d != "" {
		t.Errorf("%v", d)
	}
}

// A view that has to go while it is evaluated hears of no change any more.
func TestAPageWhoseViewIsDroppedLooksAtAllJobs(t *testing.T) {
	for _, order := range [][]Order{nil, {{ByOutputName, false}}} {
		m := crowded(t, Config{SmallScan: -1})
		dropped := false
		q := keptQuery("k", func(e *Entry) bool {
			if !dropped {
				dropped = true
				m.ix.mu.Lock()
				m.ix.dropView(m.ix.views[0])
				m.ix.mu.Unlock()
				for id := job.ID(1); id <= 30; id++ {
					m.move(id, func(h *storev1.Header) { h.StartTimeNs = 1 })
				}
				if err := m.apply(); err != nil {
					t.Error(err)
				}
			}
			return e.StartTime() == 1
		})
		q.Order = order
		if p, err := m.ix.Page(t.Context(), q); err != nil || p.Total != 30 || m.ix.Stats().Views != 0 {
			t.Errorf("%v: %+v %v, %d views", order, p, err, m.ix.Stats().Views)
		}
	}
}

// A job that changes between the results of a view and a page in another order counts as it is then.
func TestASortedPageOfAViewLooksAgainAtWhatChanged(t *testing.T) {
	m := crowded(t, Config{SmallScan: -1})
	q := keptQuery("k", func(e *Entry) bool { return e.StartTime() == 0 })
	q.Order, q.Limit = []Order{{ByOutputName, false}}, 6000
	if p, err := m.ix.Page(t.Context(), q); err != nil || p.Total != 6000 {
		t.Fatalf("%+v %v", p, err)
	}
	_, s := m.ix.readView(q, normalOrder(q.Order), m.ix.views[0])
	m.move(7, func(h *storev1.Header) { h.StartTimeNs = 1 })
	m.remove(8)
	if err := m.apply(); err != nil {
		t.Fatal(err)
	}
	p, err := s.page(t.Context(), q, normalOrder(q.Order))
	if err != nil || p.Total != 5998 || slices.ContainsFunc(p.Rows, func(r Row) bool { return r.ID == 7 || r.ID == 8 }) {
		t.Errorf("%d rows of %d, %v", len(p.Rows), p.Total, err)
	}
}

// Facts waits for who evaluates a view, and holds nobody up meanwhile.
func TestFactsWaitsForAViewWithoutTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := crowded(t, Config{SmallScan: -1})
		m.ix.evaluators = make(chan struct{}, 2)
		release := make(chan struct{})
		page := func(q *Query) {
			if _, err := m.ix.Page(t.Context(), q); err != nil {
				t.Error(err)
			}
		}
		go page(keptQuery("slow", func(*Entry) bool { <-release; return true }))
		synctest.Wait()
		compared := make(chan string, 1)
		go func() { compared <- m.differences() }()
		synctest.Wait()
		page(keptQuery("quick", func(*Entry) bool { return true }))
		if len(compared) > 0 {
			t.Error("a view was compared while it was evaluated")
		}
		close(release)
		if d := <-compared; d != "" {
			t.Errorf("%v", d)
		}
	})
}

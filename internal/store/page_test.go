package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

// TestPagesNeitherSkipNorRepeatWhatStays turns pages in every order while other jobs come, change and go.
func TestPagesNeitherSkipNorRepeatWhatStays(t *testing.T) {
	s := storetest.OpenConfig(t, store.Config{}.WithoutSync())
	rng := rand.New(rand.NewPCG(7, 7))
	var jobs []*jobsv1.Job
	for i := range 80 {
		jobs = append(jobs, newJob(services[i%3], fmt.Sprint("n", i%5)))
	}
	var staying, others []job.ID
	for i, j := range submit(t, s, "ada", jobs...) {
		id := idOf(t, j)
		if i%2 == 0 {
			staying = append(staying, id)
		} else {
			others = append(others, id)
		}
		if i%3 != 0 {
			become(t, s, id, running)
		}
		if i%4 == 0 {
			become(t, s, id, completed)
		}
	}
	for _, f := range fields {
		for _, desc := range []bool{false, true} {
			q := store.Query{Scope: store.OwnedBy("ada"), Limit: 7, Order: []store.Order{{Field: f, Desc: desc}}}
			seen := make(map[job.ID]int)
			for {
				page, err := s.Page(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, j := range page.Jobs {
					seen[idOf(t, j)]++
				}
				if q.After = page.Next; q.After == nil {
					break
				}
				others = disturb(t, s, rng, others)
			}
			for _, id := range staying {
				if seen[id] != 1 {
					t.Errorf("by %v, desc %v: job %s was on %d pages", f, desc, id, seen[id])
				}
			}
		}
	}
}

// disturb changes one of the others, deletes one and submits one.
func disturb(t *testing.T, s *store.Store, rng *rand.Rand, others []job.ID) []job.ID {
	t.Helper()
	id := others[rng.IntN(len(others))]
	become(t, s, id, []jobsv1.State{running, failed}[rng.IntN(2)])
	gone := rng.IntN(len(others))
	become(t, s, others[gone], cancelled)
	if _, err := s.Delete(t.Context(), others[gone]); err != nil {
		t.Fatal(err)
	}
	others = slices.Delete(others, gone, gone+1)
	return append(others, idOf(t, submit(t, s, "ada", newJob("B", "new"))[0]))
}

func TestAnUnusablePageRequestIsInvalid(t *testing.T) {
	s := storetest.Open(t)
	submit(t, s, "ada", newJob("A", "a"), newJob("A", "b"))
	first, err := s.Page(t.Context(), store.Query{Scope: store.Everyone, Limit: 1, Order: []store.Order{{Field: store.ByService}}})
	if err != nil || first.Next == nil {
		t.Fatal(first, err)
	}
	for name, q := range map[string]store.Query{
		"no limit":           {Scope: store.Everyone},
		"of the order of id": {Scope: store.Everyone, Limit: 1, After: first.Next},
		"of another field":   {Scope: store.Everyone, Limit: 1, After: first.Next, Order: []store.Order{{Field: store.ByState}}},
		"of more fields":     {Scope: store.Everyone, Limit: 1, After: first.Next, Order: []store.Order{{Field: store.ByService}, {Field: store.ByState}}},
	} {
		var invalid *job.InvalidError
		if _, err := s.Page(t.Context(), q); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBeyondTheBudgetATotalIsALowerBound(t *testing.T) {
	s := storetest.OpenConfig(t, store.Config{}.WithScanBudget(10).WithoutSync())
	var jobs []*jobsv1.Job
	for i := range 100 {
		jobs = append(jobs, newJob("A", strconv.Itoa(i%2)))
	}
	submit(t, s, "ada", jobs...)
	q := store.Query{Scope: store.Everyone, Limit: 7, Match: func(e *store.Entry) bool { return e.OutputName() == "1" }}
	seen := 0
	for {
		page, err := s.Page(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if page.Exact || page.Total > 50 || page.Total < int64(len(page.Jobs)) {
			t.Fatalf("total %d, exact %v, with %d jobs", page.Total, page.Exact, len(page.Jobs))
		}
		seen += len(page.Jobs)
		if q.After = page.Next; q.After == nil {
			break
		}
	}
	if seen != 50 {
		t.Errorf("%d jobs on all pages", seen)
	}
	q = store.Query{Scope: store.Everyone, Limit: 7}
	if page, err := s.Page(t.Context(), q); err != nil || !page.Exact || page.Total != 100 {
		t.Errorf("without a condition: %+v %v", page, err)
	}
}

func TestAnswersOfAConditionAreKeptAndShared(t *testing.T) {
	s := storetest.OpenConfig(t, store.Config{}.WithViews().WithoutSync())
	submit(t, s, "ada", newJob("A", "phage"), newJob("A", "x"))
	asked := 0
	q := store.Query{Scope: store.Everyone, Limit: 5, MatchKey: "phage", Match: func(e *store.Entry) bool {
		asked++
		return strings.HasPrefix(e.OutputName(), "ph")
	}}
	total := func() int64 {
		t.Helper()
		page, err := s.Page(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return page.Total
	}
	for range 3 {
		if n := total(); n != 1 {
			t.Errorf("total %d", n)
		}
	}
	if asked != 2 || s.Views() != 1 {
		t.Errorf("asked %d times of 2 jobs for 3 pages, %d views", asked, s.Views())
	}
	submit(t, s, "bob", newJob("A", "phi"))
	if n := total(); n != 2 || asked != 3 {
		t.Errorf("after another job: total %d, asked %d times", n, asked)
	}
	q.MatchKey = ""
	if n := total(); n != 2 || s.Views() != 1 {
		t.Errorf("without a name: total %d, %d views", n, s.Views())
	}
	for i := range 40 {
		q.MatchKey = fmt.Sprint("k", i)
		total()
	}
	if s.Views() > 16 {
		t.Errorf("%d views are kept", s.Views())
	}
}

func TestMoreConditionsAtOnceThanAreKept(t *testing.T) {
	s := storetest.OpenConfig(t, store.Config{}.WithViews().WithoutSync())
	var jobs []*jobsv1.Job
	for i := range 3000 {
		jobs = append(jobs, &jobsv1.Job{Service: "A", OutputName: strconv.Itoa(i)})
	}
	submit(t, s, "ada", jobs...)
	var callers sync.WaitGroup
	for i := range 60 {
		callers.Go(func() {
			page, err := s.Page(t.Context(), store.Query{
				Scope: store.Everyone, Limit: 1, MatchKey: strconv.Itoa(i),
				Match: func(e *store.Entry) bool { return len(e.OutputName()) > i%4 },
			})
			if want := []int64{3000, 2990, 2900, 2000}[i%4]; err != nil || page.Total != want {
				t.Errorf("%d: %v %v, want %d", i, page, err, want)
			}
		})
	}
	callers.Wait()
}

func TestAConditionThatPanicsHarmsOnlyItsCaller(t *testing.T) {
	s := storetest.OpenConfig(t, store.Config{}.WithViews().WithoutSync())
	submit(t, s, "ada", newJob("A", "a"))
	bad := false
	q := store.Query{Scope: store.Everyone, Limit: 5, MatchKey: "bad", Match: func(*store.Entry) bool {
		if bad {
			panic("bad")
		}
		return true
	}}
	if _, err := s.Page(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	bad = true
	submit(t, s, "ada", newJob("A", "b")) // the kept condition panics in the writer
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the page did not panic")
			}
		}()
		_, _ = s.Page(t.Context(), q)
	}()
	bad = false
	if page, err := s.Page(t.Context(), q); err != nil || page.Total != 2 {
		t.Errorf("afterwards: %v %v", page, err)
	}
}

func TestACancelledPageEnds(t *testing.T) {
	s := storetest.OpenConfig(t, store.Config{}.WithViews().WithoutSync())
	submit(t, s, "ada", newJob("A", "a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	q := store.Query{Scope: store.Everyone, Limit: 5, MatchKey: "all", Match: func(*store.Entry) bool { return true }}
	if _, err := s.Page(ctx, q); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if page, err := s.Page(t.Context(), q); err != nil || page.Total != 1 {
		t.Errorf("the next: %v %v", page, err)
	}
}

// TestARowThatChangedUnderThePageIsLookedAtAgain changes a job between the
// look into the index and the reading of the record.
func TestARowThatChangedUnderThePageIsLookedAtAgain(t *testing.T) {
	s := storetest.Open(t)
	submit(t, s, "ada", newJob("A", "a"), newJob("A", "b"), newJob("A", "c"))
	s.BetweenIndexAndRecords(func() {
		become(t, s, 1, running)
		if _, err := s.Update(t.Context(), store.Everyone, 2, func(r *storev1.Record) error { r.Job.Message = "m"; return nil }); err != nil {
			t.Error(err)
		}
		become(t, s, 3, failed)
		if _, err := s.Delete(t.Context(), 3); err != nil {
			t.Error(err)
		}
	})
	page, err := s.Page(t.Context(), store.Query{Scope: store.Everyone, Limit: 5, States: []jobsv1.State{queued}})
	if err != nil || len(page.Jobs) != 1 || page.Jobs[0].GetMessage() != "m" {
		t.Errorf("%v %v", page, err)
	}
}

func TestAPageOfAStoreThatIsClosedMeanwhileIsRefused(t *testing.T) {
	s := storetest.Open(t)
	submit(t, s, "ada", newJob("A", "a"))
	s.BetweenIndexAndRecords(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if page, err := s.Page(t.Context(), store.Query{Scope: store.Everyone, Limit: 5}); !errors.Is(err, job.ErrUnavailable) {
		t.Errorf("%v, %v", page, err)
	}
}

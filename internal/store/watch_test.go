package store_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

func yield() { runtime.Gosched() }

// step is what a watcher must see of a history entry.
type step struct {
	Revision uint64
	State    jobsv1.State
	Reason   jobsv1.Reason
	Attempt  int32
}

func stepsOf(j *jobsv1.Job) []step {
	var all []step
	for _, h := range j.GetHistory() {
		all = append(all, step{h.GetRevision(), h.GetState(), h.GetReason(), h.GetAttempt()})
	}
	return all
}

// TestWatchersSeeEveryTransitionOnceAndInOrder has watchers follow by signals
// while jobs change, and compares what they saw with the histories.
func TestWatchersSeeEveryTransitionOnceAndInOrder(t *testing.T) {
	s := storetest.OpenConfig(t, store.Config{}.WithRing(32).WithoutSync()) // the slow fall out of the ring
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	all := &follower{what: store.Watch{Scope: store.Everyone}, key: store.KeyAll(), limit: 7}
	ada := &follower{what: store.Watch{Scope: store.OwnedBy("ada")}, key: store.KeyOwner("ada"), limit: 1000}
	three := &follower{what: store.Watch{Scope: store.Everyone, IDs: []job.ID{3}}, key: store.KeyJob(3), limit: 1}
	var watchers, writers sync.WaitGroup
	for _, f := range []*follower{all, ada, three} {
		watchers.Go(func() { f.follow(ctx, t, s) })
	}
	for c := range 4 {
		writers.Go(func() {
			for n := range 25 {
				id := idOf(t, submit(t, s, owners[c%2], newJob("A", fmt.Sprint(c, n)))[0])
				for attempt := range int32(2) {
					change(t, s, id, func(r *storev1.Record) {
						r.Job.Attempts = append(r.Job.Attempts, &jobsv1.Attempt{Number: attempt + 1})
					})
					become(t, s, id, running)
					become(t, s, id, queued)
				}
				become(t, s, id, failed)
			}
		})
	}
	writers.Wait()
	last := s.Revision()
	for _, f := range []*follower{all, ada, three} {
		f.mu.Lock()
		f.until = last
		f.mu.Unlock()
	}
	if _, err := s.Update(t.Context(), store.Everyone, 3, func(r *storev1.Record) error { // wakes them all, if owned by ada
		r.Job.Message = "over"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	submit(t, s, "ada", newJob("A", "last"))
	watchers.Wait()
	for id := job.ID(1); id <= 100; id++ {
		j, err := s.Get(store.Everyone, id)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(stepsOf(j), all.seen[id]); diff != "" {
			t.Errorf("everybody's watcher, job %s:\n%s", id, diff)
		}
		if j.GetOwner() == "ada" {
			if diff := cmp.Diff(stepsOf(j), ada.seen[id]); diff != "" {
				t.Errorf("ada's watcher, job %s:\n%s", id, diff)
			}
		}
		if id == 3 {
			if diff := cmp.Diff(stepsOf(j), three.seen[id]); diff != "" {
				t.Errorf("the job's watcher:\n%s", diff)
			}
		}
	}
}

func change(t *testing.T, s *store.Store, id job.ID, fn func(*storev1.Record)) {
	t.Helper()
	_, err := s.Update(t.Context(), store.Everyone, id, func(r *storev1.Record) error {
		fn(r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// follower does as the API does: subscribe, read, wait.
type follower struct {
	what  store.Watch
	key   store.Key
	limit int
	seen  map[job.ID][]step

	mu    sync.Mutex
	until uint64 // stop when everything up to here was seen; 0 goes on
}

func (f *follower) follow(ctx context.Context, t *testing.T, s *store.Store) {
	t.Helper()
	f.seen = make(map[job.ID][]step)
	sub := s.Hub().Subscribe(f.key)
	defer sub.Close()
	for after := uint64(0); ; {
		got, err := s.Changes(f.what, after, f.limit)
		if err != nil || got.Reset {
			t.Errorf("changes after %d: %+v %v", after, got, err)
			return
		}
		for _, c := range got.List {
			if c.Revision <= after {
				t.Errorf("revision %d came behind %d", c.Revision, after)
			}
			after = c.Revision
			f.take(c)
		}
		after = got.UpTo
		f.mu.Lock()
		over := f.until != 0 && after >= f.until
		f.mu.Unlock()
		if over {
			return
		}
		if got.More {
			continue
		}
		select {
		case <-sub.C():
		case <-ctx.Done():
			return
		}
	}
}

// take notes a change, unless it repeats the standing that was seen last: then only words or progress changed.
func (f *follower) take(c *store.Change) {
	st := step{c.Revision, c.Job.GetState(), c.Job.GetReason(), c.Job.GetAttempt()}
	if before := f.seen[c.ID]; len(before) > 0 {
		last := before[len(before)-1]
		if last.Revision = st.Revision; last == st {
			return
		}
	}
	f.seen[c.ID] = append(f.seen[c.ID], st)
}

func TestAChangeCarriesTheStatusAsOfThen(t *testing.T) {
	s := storetest.Open(t)
	id := idOf(t, submit(t, s, "ada", newJob("A", "a"))[0])
	change(t, s, id, func(r *storev1.Record) { r.Job.Attempts = []*jobsv1.Attempt{{Number: 1}} })
	become(t, s, id, running)
	half := int32(50)
	change(t, s, id, func(r *storev1.Record) { r.Job.Progress = &jobsv1.Progress{Percent: &half} })
	code := int32(3)
	change(t, s, id, func(r *storev1.Record) {
		r.Job.ExitCode = &code
		if err := into(failed)(r); err != nil {
			t.Error(err)
		}
	})
	change(t, s, id, func(r *storev1.Record) { r.Job.ResultFolder = "/jobs/a" })
	got, err := s.Changes(store.Watch{Scope: store.OwnedBy("ada")}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	type look struct {
		Revision         uint64
		State            jobsv1.State
		Attempt          int32
		Start, End, Code bool
	}
	var have []look
	for _, c := range got.List {
		st := c.Job
		have = append(have, look{c.Revision, st.GetState(), st.GetAttempt(), st.GetStartTime() != nil, st.GetCompleteTime() != nil, st.ExitCode != nil})
		if st.GetId() != "1" || st.GetOwner() != "ada" || st.GetService() != "A" || st.GetOutputName() != "a" || st.GetSubmitTime() == nil || st.GetChangeTime() == nil {
			t.Errorf("status %v", st)
		}
	}
	want := []look{
		{1, queued, 0, false, false, false},
		{2, queued, 1, false, false, false},
		{3, running, 1, true, false, false},
		{5, failed, 1, true, true, true}, // 4 was progress, which is gone
		{6, failed, 1, true, true, true},
	}
	if diff := cmp.Diff(want, have); diff != "" || got.UpTo != 6 || got.More {
		t.Errorf("up to %d, more %v:\n%s", got.UpTo, got.More, diff)
	}
}

func TestAGapInAHistoryIsAReset(t *testing.T) {
	s := storetest.Open(t)
	id := idOf(t, submit(t, s, "ada", newJob("A", "a"))[0])
	for n := range int32(60) { // revisions 2 to 61; the history keeps 1 and 22 to 61
		change(t, s, id, func(r *storev1.Record) { r.Job.Attempts = append(r.Job.Attempts, &jobsv1.Attempt{Number: n + 1}) })
	}
	for after, reset := range map[uint64]bool{0: true, 1: true, 20: true, 21: false, 60: false} {
		for _, w := range []store.Watch{{Scope: store.Everyone}, {Scope: store.OwnedBy("ada")}, {Scope: store.Everyone, IDs: []job.ID{id}}} {
			got, err := s.Changes(w, after, 0)
			if err != nil || got.Reset != reset || !reset && len(got.List) != int(61-after) {
				t.Errorf("%v after %d: reset %v, %d changes, %v", w, after, got.Reset, len(got.List), err)
			}
		}
	}
}

func TestWatchersWhoAreAsFarShareTheReading(t *testing.T) {
	s := storetest.Open(t)
	submit(t, s, "ada", newJob("A", "a"))
	w := store.Watch{Scope: store.OwnedBy("ada")}
	first, err1 := s.Changes(w, 0, 0)
	second, err2 := s.Changes(w, 0, 0)
	if err1 != nil || err2 != nil || len(first.List) != 1 || first.List[0] != second.List[0] {
		t.Errorf("%v %v %v %v", first, second, err1, err2)
	}
	become(t, s, 1, running)
	third, err := s.Changes(w, 0, 0)
	if err != nil || len(third.List) != 2 {
		t.Errorf("after a change: %v %v", third, err)
	}
}

func TestChangedSince(t *testing.T) {
	s := storetest.OpenConfig(t, store.Config{}.WithRing(4))
	submit(t, s, "ada", newJob("A", "a"), newJob("A", "b"))
	become(t, s, 1, completed)
	if _, err := s.Delete(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	type answer struct {
		IDs  []job.ID
		UpTo uint64
		OK   bool
	}
	ask := func(after uint64, limit int) answer {
		ids, upTo, ok := s.ChangedSince(after, limit)
		return answer{ids, upTo, ok}
	}
	for _, c := range []struct {
		after uint64
		limit int
		want  answer
	}{
		{0, 10, answer{[]job.ID{2, 1}, 4, true}},
		{0, 1, answer{[]job.ID{1}, 1, true}},
		{2, 10, answer{[]job.ID{1}, 4, true}},
		{4, 10, answer{nil, 4, true}},
		{5, 10, answer{nil, 5, false}},
	} {
		if diff := cmp.Diff(c.want, ask(c.after, c.limit)); diff != "" {
			t.Errorf("after %d: %s", c.after, diff)
		}
	}
	submit(t, s, "ada", newJob("A", "c"))
	if got := ask(0, 10); got.OK {
		t.Errorf("after what left the ring: %+v", got)
	}
}

func TestTooManyChangedJobsAreAReset(t *testing.T) {
	if testing.Short() {
		t.Skip("stores 10,001 jobs")
	}
	s := storetest.OpenConfig(t, store.Config{}.WithRing(64).WithoutSync())
	for range 10 {
		jobs := make([]*jobsv1.Job, 1000)
		for i := range jobs {
			jobs[i] = &jobsv1.Job{Service: "A"}
		}
		submit(t, s, "ada", jobs...)
	}
	w := store.Watch{Scope: store.OwnedBy("ada")}
	got, err := s.Changes(w, 0, 10)
	if err != nil || got.Reset || len(got.List) != 10 || !got.More || got.UpTo != 10 {
		t.Errorf("10,000 changed jobs: %d changes up to %d, %v %v", len(got.List), got.UpTo, got.Reset, err)
	}
	submit(t, s, "ada", &jobsv1.Job{Service: "A"})
	if got, err = s.Changes(w, 0, 10); err != nil || !got.Reset || got.UpTo != 10_001 {
		t.Errorf("10,001 changed jobs: %+v %v", got, err)
	}
}

package store_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

// hold makes the next commit wait; begun yields once it waits, and release lets it and all others go on.
func hold(s *store.Store) (begun <-chan struct{}, release func()) {
	started, goOn := make(chan struct{}, 1), make(chan struct{})
	s.RefuseBatches(func() error {
		select {
		case started <- struct{}{}:
		default:
		}
		<-goOn
		return nil
	})
	return started, sync.OnceFunc(func() { close(goOn) })
}

func TestWhatGathersDuringACommitIsTheNextCommit(t *testing.T) {
	s := storetest.Open(t)
	begun, release := hold(s)
	var callers sync.WaitGroup
	submitOne := func(n int) {
		submit(t, s, "ada", newJob("A", strconv.Itoa(n)))
	}
	callers.Go(func() { submitOne(0) })
	<-begun
	const more = 50
	for n := range more {
		callers.Go(func() { submitOne(n + 1) })
	}
	for s.Stats().Waiting < more { // each is counted as it gets into the queue, and the writer is held
		yield()
	}
	release()
	callers.Wait()
	if got := s.Stats(); got.Commits != 2 || got.Jobs != more+1 {
		t.Errorf("%d jobs in %d commits", got.Jobs, got.Commits)
	}
}

func TestAFullQueueRefusesAtOnce(t *testing.T) {
	s := storetest.OpenConfig(t, store.Config{}.WithQueue(2))
	begun, release := hold(s)
	defer release()
	var callers sync.WaitGroup
	defer callers.Wait()
	defer release()
	callers.Go(func() { submit(t, s, "ada", newJob("A", "a")) })
	<-begun
	for range 2 {
		callers.Go(func() { submit(t, s, "ada", newJob("A", "b")) })
	}
	for s.Stats().Waiting < 2 {
		yield()
	}
	_, _, err := s.Submit(t.Context(), []*jobsv1.Job{newJob("A", "c")}, store.SubmitOptions{Owner: "ada"})
	var words *job.UserError
	if !errors.Is(err, job.ErrOverloaded) || !errors.As(err, &words) || words.RetryAfter == 0 {
		t.Errorf("a write too many: %v", err)
	}
}

func TestALaterWriteOfABatchSeesTheEarlier(t *testing.T) {
	s := storetest.Open(t)
	submit(t, s, "ada", newJob("A", "a"))
	begun, release := hold(s)
	var callers sync.WaitGroup
	callers.Go(func() { become(t, s, 1, running) })
	<-begun
	const n = 20
	for range n {
		callers.Go(func() {
			_, err := s.Update(t.Context(), store.Everyone, 1, func(r *storev1.Record) error {
				p := r.Job.GetProgress().GetPercent() + 1
				r.Job.Progress = &jobsv1.Progress{Percent: &p}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	for s.Stats().Waiting < n {
		yield()
	}
	release()
	callers.Wait()
	j, err := s.Get(store.Everyone, 1)
	if err != nil || j.GetProgress().GetPercent() != n {
		t.Errorf("%v %v", j.GetProgress(), err)
	}
}

func TestTwoOfOneRequestInOneBatchAreOne(t *testing.T) {
	s := storetest.Open(t)
	begun, release := hold(s)
	var callers sync.WaitGroup
	callers.Go(func() { submit(t, s, "ada", newJob("A", "first")) })
	<-begun
	const n = 10
	ids := make([]string, n)
	for i := range n {
		callers.Go(func() {
			got, _, err := s.Submit(t.Context(), []*jobsv1.Job{newJob("A", "same")},
				store.SubmitOptions{Owner: "ada", RequestID: "r", RequestHash: []byte("h"), MaxActivePerOwner: 2})
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = got[0].GetId()
		})
	}
	for s.Stats().Waiting < n {
		yield()
	}
	release()
	callers.Wait()
	if s.Stats().Jobs != 2 || len(slices.Compact(ids)) != 1 {
		t.Errorf("%d jobs, answered %v", s.Stats().Jobs, ids)
	}
}

func TestABatchThatIsRefusedLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := storetest.OpenConfig(t, store.Config{Path: path})
	sub := s.Hub().Subscribe(store.KeyAll())
	defer sub.Close()
	submit(t, s, "ada", newJob("A", "a"))
	<-sub.C() // watchers are woken after the caller was released
	refusal := errors.New("no")
	s.RefuseBatches(func() error { return refusal })
	if _, _, err := s.Submit(t.Context(), []*jobsv1.Job{newJob("A", "b")}, store.SubmitOptions{Owner: "ada"}); !errors.Is(err, refusal) {
		t.Errorf("the write that was refused: %v", err)
	}
	s.RefuseBatches(nil)
	select {
	case <-sub.C():
		t.Error("watchers were woken for nothing")
	default:
	}
	if err := s.Healthy(); err != nil || s.Stats().Jobs != 1 {
		t.Errorf("%d jobs, health %v", s.Stats().Jobs, err)
	}
	if j := submit(t, s, "ada", newJob("A", ""))[0]; j.GetId() != "2" || j.GetOutputName() != "A-2" {
		t.Errorf("the next job is %s, %s", j.GetId(), j.GetOutputName())
	}
}

// fragile opens files that a test can take away from the database.
type fragile struct{ files []*os.File }

func (f *fragile) OpenFile(name string, flag int, mode os.FileMode) (*os.File, error) {
	file, err := os.OpenFile(name, flag, mode)
	if err == nil {
		f.files = append(f.files, file)
	}
	return file, err
}

func (*fragile) Rename(from, to string) error { return os.Rename(from, to) }
func (*fragile) Remove(name string) error     { return os.Remove(name) }
func (*fragile) SyncFolder(string) error      { return nil }

func TestAFaultEndsAllWritingAndNothingElse(t *testing.T) {
	path, fs := filepath.Join(t.TempDir(), "jobs.db"), &fragile{}
	s, err := store.Open(store.Config{Path: path}.WithFiles(fs))
	if err != nil {
		t.Fatal(err)
	}
	sub := s.Hub().Subscribe(store.KeyAll())
	defer sub.Close()
	submit(t, s, "ada", newJob("A", "a"))
	<-sub.C() // watchers are woken after the caller was released
	for _, f := range fs.files {
		_ = f.Close() // every further write and sync of it fails
	}
	if _, _, err := s.Submit(t.Context(), []*jobsv1.Job{newJob("A", "b")}, store.SubmitOptions{Owner: "ada"}); !errors.Is(err, job.ErrUnknown) {
		t.Errorf("the write that failed: %v", err)
	}
	<-s.Failed()
	for range 2 {
		if _, err := s.Update(t.Context(), store.Everyone, 1, into(running)); !errors.Is(err, job.ErrStorage) {
			t.Errorf("a write after it: %v", err)
		}
	}
	if err := s.Healthy(); !errors.Is(err, job.ErrStorage) {
		t.Errorf("health: %v", err)
	}
	if _, err := s.Get(store.Everyone, 1); err != nil {
		t.Errorf("a read after it: %v", err)
	}
	if page, err := s.Page(t.Context(), store.Query{Scope: store.Everyone, Limit: 5}); err != nil || page.Total != 1 {
		t.Errorf("a page after it: %v %v", page, err)
	}
	select {
	case <-sub.C():
		t.Error("watchers were woken for nothing")
	default:
	}
	_ = s.Close() // the file is closed already; what counts is that it returns
	s = storetest.OpenConfig(t, store.Config{Path: path})
	if err := s.Healthy(); err != nil || s.Stats().Jobs != 1 {
		t.Errorf("opened again: %d jobs, %v", s.Stats().Jobs, err)
	}
	become(t, s, 1, running)
}

// TestWhatWasAcknowledgedSurvivesACrash copies the files as they are when the next
// commit is about to be written, as a crash would leave them, and opens the copy.
func TestWhatWasAcknowledgedSurvivesACrash(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "jobs.db")
	s := storetest.OpenConfig(t, store.Config{Path: path})
	type crash struct {
		path string
		jobs map[string]jobsv1.State
	}
	var crashes []crash
	acknowledged := make(map[string]jobsv1.State)
	commits := 0
	s.RefuseBatches(func() error {
		if commits++; commits%9 == 0 {
			c := crash{filepath.Join(dir, strconv.Itoa(commits)), maps.Clone(acknowledged)}
			crashes = append(crashes, c)
			return copyFiles(path, c.path)
		}
		return nil
	})
	for n := range 30 {
		j := submit(t, s, "ada", newJob("A", strconv.Itoa(n)))[0]
		acknowledged[j.GetId()] = queued
		if n%3 == 2 {
			id := idOf(t, j) - 1
			become(t, s, id, completed)
			acknowledged[id.String()] = completed
		}
	}
	for _, c := range crashes {
		after := storetest.OpenConfig(t, store.Config{Path: c.path})
		if got := after.Stats().Jobs; got != len(c.jobs) {
			t.Errorf("%s: %d jobs, want %d", c.path, got, len(c.jobs))
		}
		for text, state := range c.jobs {
			id, _ := job.ParseID(text)
			if j, err := after.Get(store.Everyone, id); err != nil || j.GetState() != state {
				t.Errorf("%s: job %s: %v %v, want %v", c.path, text, j.GetState(), err, state)
			}
		}
		submit(t, after, "ada", newJob("A", "after"))
	}
	if len(crashes) < 3 {
		t.Errorf("only %d crashes", len(crashes))
	}
}

// copyFiles copies a database.
func copyFiles(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

// TestManyCallersAtOnce has everything happen at the same time, for the race
// detector and for the checks at the end.
func TestManyCallersAtOnce(t *testing.T) {
	s := storetest.OpenConfig(t, store.Config{}.WithViews().WithRing(64).WithoutSync())
	const callers, each = 6, 40
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for c := range callers {
		owner := owners[c%len(owners)]
		writers.Go(func() {
			for n := range each {
				j := submit(t, s, owner, newJob(services[n%3], fmt.Sprint(c, "-", n)))[0]
				id := idOf(t, j)
				become(t, s, id, running)
				become(t, s, id, completed)
				if n%4 == 0 {
					if _, err := s.Delete(t.Context(), id); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 3 {
		readers.Go(func() { readUntil(t, s, done) })
	}
	writers.Wait()
	close(done)
	readers.Wait()
	if got := s.Stats(); got.Jobs != callers*each*3/4 || got.Changes != uint64(callers*each*3+callers*each/4) {
		t.Errorf("%+v", got)
	}
}

func readUntil(t *testing.T, s *store.Store, done <-chan struct{}) {
	t.Helper()
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		default:
		}
		q := store.Query{
			Scope: store.Everyone, Limit: 20, Match: conditions[1+n%5].asks, MatchKey: conditions[1+n%5].key,
			States: []jobsv1.State{running, completed}, View: jobsv1.JobView_JOB_VIEW_FULL,
		}
		if n%2 == 0 {
			q.Order = []store.Order{{Field: store.ByCompleteTime}}
		}
		page, err := s.Page(t.Context(), q)
		if err != nil {
			t.Error(err)
			return
		}
		for _, j := range page.Jobs {
			if j.GetState() == queued || !conditions[1+n%5].want(j) {
				t.Errorf("a page has %v", j)
			}
		}
		sum := s.Summarize(store.Everyone).GetTotal()
		if sum.GetQueued() < 0 || sum.GetRunning() < 0 {
			t.Errorf("counts %v", sum)
		}
		if n%50 != 0 {
			continue
		}
		if problems, err := s.Check(t.Context()); err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
	}
}

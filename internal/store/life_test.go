package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

func TestIDsAndRevisionsGoOnAfterAReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := storetest.OpenConfig(t, store.Config{Path: path})
	submit(t, s, "ada", newJob("A", "a"), newJob("A", "b"))
	become(t, s, 2, completed)
	if _, err := s.Delete(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	was := s.Revision()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = storetest.OpenConfig(t, store.Config{Path: path})
	if s.Revision() != was {
		t.Errorf("revision %d became %d", was, s.Revision())
	}
	if j := submit(t, s, "ada", newJob("A", "c"))[0]; j.GetId() != "3" || j.GetRevision() != was+1 {
		t.Errorf("id %s, revision %d after %d", j.GetId(), j.GetRevision(), was)
	}
}

// Times follow ids while the clock is set back by little. A clock that was far ahead once is forgotten: jobs do not keep
// its time, neither in the running store nor after a start.
func TestTimesRunAtMostFiveSecondsAheadOfTheClock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	now := time.Unix(2000, 0)
	cfg := store.Config{Path: path, Now: func() time.Time { return now }}
	s := storetest.OpenConfig(t, cfg)
	step := func(clock, want int64) {
		t.Helper()
		now = time.Unix(clock, 0)
		ctx := store.WithAudit(t.Context(), &storev1.AuditEntry{User: "ada", Method: "test"})
		got, _, err := s.Submit(ctx, []*jobsv1.Job{newJob("A", "a")}, store.SubmitOptions{Owner: "ada"})
		if err != nil {
			t.Fatal(err)
		}
		if at := got[0].GetSubmitTime().GetSeconds(); at != want {
			t.Errorf("submitted at %d when the clock said %d, want %d", at, clock, want)
		}
		rows, _, err := s.AuditEntries(t.Context(), audit.Query{Limit: 1})
		if err != nil || rows[0].Entry.GetTime().GetSeconds() != want {
			t.Errorf("audited at %v, want %d: %v", rows, want, err)
		}
	}
	const decade = 10 * 365 * 24 * 3600
	step(2000, 2000)
	step(1996, 2000)
	step(1994, 1994)
	step(decade, decade)
	step(2001, 2001)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = storetest.OpenConfig(t, cfg)
	step(1999, 2001)
	step(decade, decade)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = storetest.OpenConfig(t, cfg)
	step(2003, 2003)
}

func TestActiveNamesWhatIsNotFinal(t *testing.T) {
	s := storetest.Open(t)
	var jobs []*jobsv1.Job
	var over []job.ID
	for i := range 700 {
		jobs = append(jobs, newJob("A", strconv.Itoa(i)))
		if id := job.ID(i + 1); id%7 != 0 {
			over = append(over, id)
		}
	}
	submit(t, s, "ada", jobs...)
	if _, err := s.UpdateMany(t.Context(), store.Everyone, over, into(cancelled)); err != nil {
		t.Fatal(err)
	}
	become(t, s, 14, running)
	var want []job.ID
	for id := job.ID(7); id <= 700; id += 7 {
		want = append(want, id)
	}
	if diff := cmp.Diff(want, s.Active()); diff != "" {
		t.Error(diff)
	}
}

func TestAfterCloseNothingWorksAndSaysSo(t *testing.T) {
	s := storetest.Open(t)
	submit(t, s, "ada", newJob("A", "a"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, err1 := s.Submit(t.Context(), []*jobsv1.Job{newJob("A", "b")}, store.SubmitOptions{Owner: "ada"})
	_, err2 := s.Get(store.Everyone, 1)
	_, err3 := s.Page(t.Context(), store.Query{Scope: store.Everyone, Limit: 1})
	_, err4 := s.Backup(filepath.Join(t.TempDir(), "backup.db"))
	for i, err := range []error{err1, err2, err3, err4} {
		if !errors.Is(err, job.ErrUnavailable) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestAStoreLivesInABubbleOfFakeTime(t *testing.T) {
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			s, err := store.Open(store.Config{Path: filepath.Join(t.TempDir(), "jobs.db")})
			if err != nil {
				t.Fatal(err)
			}
			sub := s.Hub().Subscribe(store.KeyAll())
			submit(t, s, "ada", newJob("A", "a"))
			<-sub.C()
			time.Sleep(time.Hour) //nolint:forbidigo // the bubble's time, which takes none
			first, second := become(t, s, 1, running), submit(t, s, "ada", newJob("A", "b"))[0]
			if d := second.GetSubmitTime().AsTime().Sub(first.GetSubmitTime().AsTime()); d != time.Hour {
				t.Errorf("an hour took %v", d)
			}
			sub.Close()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestACancelledCallerIsNotServed(t *testing.T) {
	s := storetest.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := s.Submit(ctx, []*jobsv1.Job{newJob("A", "a")}, store.SubmitOptions{Owner: "ada"})
	if !errors.Is(err, context.Canceled) || s.Stats().Jobs != 0 {
		t.Errorf("%v, %d jobs", err, s.Stats().Jobs)
	}
}

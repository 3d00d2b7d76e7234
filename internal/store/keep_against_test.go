package store_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

func TestWhatIsKeptOutlivesRetentionUntilThatIsTakenBack(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	cfg := store.Config{
		Path: filepath.Join(t.TempDir(), "jobs.db"), Now: func() time.Time { return now },
		Retention: store.Retention{failed: {For: time.Hour, AtMost: 1}}, Limits: job.Limits{job.QuotaKeptJobs: 2},
	}
	s := storetest.OpenConfig(t, cfg)
	submit(t, s, "ada", newJob("A", "1"), newJob("A", "2"), newJob("A", "3"), newJob("A", "4"), newJob("A", "5"))
	ada := store.OwnedBy("ada")
	if _, err := s.KeepJob(t.Context(), ada, 1, 10); !errors.Is(err, job.ErrConflict) {
		t.Errorf("a job that has not ended: %v", err)
	}
	for id := job.ID(1); id <= 4; id++ {
		become(t, s, id, failed)
	}
	for id := job.ID(1); id <= 2; id++ {
		j, err := s.KeepJob(t.Context(), ada, id, 10)
		if err != nil || j.GetKeptBytes() != 10 || j.GetKeepTime() == nil || s.ExpireTime(j) != nil {
			t.Fatalf("%v %v", j, err)
		}
	}
	if j, err := s.KeepJob(t.Context(), ada, 2, 99); err != nil || j.GetKeptBytes() != 10 {
		t.Errorf("once more: %v %v", j, err)
	}
	_, err := s.KeepJob(t.Context(), ada, 3, 10)
	full, ok := errors.AsType[*job.UserError](err)
	if !errors.Is(err, job.ErrExhausted) || !ok || full.Reached == nil || full.Reached.Limit != 2 || full.Reached.Subject != "user:ada" {
		t.Errorf("one more than there may be: %v", err)
	}
	if _, err := s.KeepJob(t.Context(), store.OwnedBy("bob"), 4, 1); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("another's job: %v", err)
	}
	if has, err := s.Has("ada"); err != nil || has.Kept != 2 || s.KeptBytes("ada") != 20 || s.KeptBytes("bob") != 0 {
		t.Errorf("%+v, %d bytes", has, s.KeptBytes("ada"))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = storetest.OpenConfig(t, cfg) // all of it is in the file
	now = now.Add(30 * time.Minute)
	if gone, err := s.ApplyRetention(t.Context(), now); err != nil || !slices.Equal(gone, []job.ID{3}) {
		t.Errorf("those that are kept do not count among the one: %v %v", gone, err)
	}
	now = now.Add(time.Hour)
	if gone, err := s.ApplyRetention(t.Context(), now); err != nil || !slices.Equal(gone, []job.ID{4}) {
		t.Errorf("by age: %v %v", gone, err)
	}
	j, err := s.UnkeepJob(t.Context(), ada, 1)
	if err != nil || j.GetKeepTime() != nil || j.GetKeptBytes() != 0 {
		t.Errorf("%v %v", j, err)
	}
	if end := s.ExpireTime(j); end == nil || !end.AsTime().Equal(j.GetCompleteTime().AsTime().Add(time.Hour)) {
		t.Errorf("it ended at %v and is deleted at %v", j.GetCompleteTime().AsTime(), end)
	}
	if again, err := s.UnkeepJob(t.Context(), ada, 1); err != nil || again.GetRevision() != j.GetRevision() {
		t.Errorf("once more: %v %v", again, err)
	}
	if gone, err := s.ApplyRetention(t.Context(), now); err != nil || !slices.Equal(gone, []job.ID{1}) {
		t.Errorf("what is not kept any more: %v %v", gone, err)
	}
	if n, err := s.DeleteJobsOf(t.Context(), "ada"); err != nil || n != 1 || s.KeptBytes("ada") != 0 {
		t.Errorf("erasing a user deletes what they keep, too: %d %v, %d bytes", n, err, s.KeptBytes("ada"))
	}
}

// A job that is asked to be kept while retention has chosen it stays.
func TestWhatIsKeptAtTheLastMomentStays(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s := storetest.OpenConfig(t, store.Config{Now: func() time.Time { return now }, Retention: store.Retention{failed: {For: time.Second}}})
	var jobs []*jobsv1.Job
	for n := range 60 {
		jobs = append(jobs, newJob("A", strconv.Itoa(n)))
	}
	submit(t, s, "ada", jobs...)
	for id := job.ID(1); id <= 60; id++ {
		become(t, s, id, failed)
	}
	now = now.Add(time.Hour)
	kept := make(chan []job.ID)
	go func() {
		var ids []job.ID
		for id := job.ID(60); id >= 1; id-- {
			if _, err := s.KeepJob(t.Context(), store.OwnedBy("ada"), id, 1); err == nil {
				ids = append(ids, id)
			}
		}
		kept <- ids
	}()
	gone, err := s.ApplyRetention(t.Context(), now)
	if err != nil {
		t.Error(err)
	}
	ids := <-kept
	if len(ids)+len(gone) != 60 {
		t.Errorf("%d are kept and %d are deleted of 60", len(ids), len(gone))
	}
	for _, id := range ids {
		if slices.Contains(gone, id) {
			t.Errorf("job %s was kept and deleted", id)
		}
	}
}

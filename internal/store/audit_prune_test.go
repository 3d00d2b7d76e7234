package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/kv"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

// filled opens a store with so many entries of the audit, one a second from 1,700,000,000 on.
func filled(t *testing.T, path string, entries int) (s *store.Store, clock *time.Time) {
	t.Helper()
	now := time.Unix(1_700_000_000, 0)
	s, err := store.Open(store.Config{Path: path, Now: func() time.Time { return now }}.WithoutSync())
	if err != nil {
		t.Fatal(err)
	}
	for n := range entries {
		now = time.Unix(1_700_000_000+int64(n), 0)
		if err := s.Audit(t.Context(), entry("ada", fmt.Sprint("m", n+1), "", 1)); err != nil {
			t.Fatal(err)
		}
	}
	return s, &now
}

func verified(t *testing.T, path string, expect *audit.Head) audit.Report {
	t.Helper()
	report, err := file.VerifyAudit(path, expect)
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("the chain: %v %v", report.Problems, err)
	}
	return report
}

var pruner = &storev1.AuditEntry{User: "root", How: "server", Method: "prune", Reason: "old"}

// Others are served between the steps, each of which is small.
func TestTheAuditIsPrunedInSmallCommitsBesideOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s, now := filled(t, path, 3500)
	kept := s.AuditHead()
	*now = now.Add(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	largest, steps, others := 0, 0, 0
	s.OnCommit(func(commit []byte) {
		deleted := 0
		_ = kv.Replay(commit, func(w kv.Write) error {
			switch {
			case w.Bucket == audit.Bucket && w.Kind == kv.KindDelete:
				deleted++
			case w.Bucket == file.Jobs:
				others++
			}
			return nil
		})
		if largest = max(largest, deleted); deleted > 0 {
			steps++
		}
	})
	submitted := make(chan error, 1)
	go func() {
		var err error
		for ctx.Err() == nil && err == nil {
			_, _, err = s.Submit(context.WithoutCancel(ctx), []*jobsv1.Job{newJob("A", "a")}, store.SubmitOptions{Owner: "ada"})
		}
		submitted <- err
	}()
	begin, pruned, err := s.PruneAudit(t.Context(), time.Unix(1_700_000_000+3000, 0), pruner)
	cancel()
	if err := <-submitted; err != nil {
		t.Error(err)
	}
	if err != nil || pruned != 3000 || begin.Sequence != 3000 {
		t.Errorf("%d pruned, the chain begins behind %v: %v", pruned, begin, err)
	}
	if largest > 1000 || steps < 3 {
		t.Errorf("%d steps, the largest of %d entries", steps, largest)
	}
	if again, n, err := s.PruneAudit(t.Context(), time.Unix(1_700_000_000+3000, 0), pruner); err != nil || n != 0 || again != begin {
		t.Errorf("once more: %v %d %v", again, n, err)
	}
	rows, _, err := s.AuditEntries(t.Context(), audit.Query{Limit: 1})
	if err != nil || len(rows) != 1 || rows[0].Entry.GetMethod() != "prune" || rows[0].Entry.GetReason() != "old" {
		t.Errorf("the last entry is %v, %v", rows, err)
	}
	s.OnCommit(nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if report := verified(t, path, &kept); report.Entries != 501 {
		t.Errorf("%d entries are left", report.Entries)
	}
	storetest.OpenConfig(t, store.Config{Path: path}) // checks it
}

// A commit that fails takes nothing out, and those before it stay: the chain verifies wherever it was cut off.
func TestAPruningThatFailsLeavesAChain(t *testing.T) {
	for failing := range 5 {
		path := filepath.Join(t.TempDir(), "jobs.db")
		s, now := filled(t, path, 3500)
		*now = now.Add(time.Hour)
		refused, commits := errors.New("refused"), 0
		s.RefuseBatches(func() error {
			if commits++; commits > failing {
				return refused
			}
			return nil
		})
		_, pruned, err := s.PruneAudit(t.Context(), *now, pruner)
		want := uint64(min(1000*failing, 3500))
		if whole := failing >= 4; pruned != want || whole != (err == nil) {
			t.Errorf("after %d commits %d are pruned: %v", failing, pruned, err)
		}
		s.RefuseBatches(nil)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		report := verified(t, path, nil)
		if report.Begin.Sequence != pruned {
			t.Errorf("after %d commits it begins behind %v", failing, report.Begin)
		}
		s = storetest.OpenConfig(t, store.Config{Path: path})
		if _, rest, err := s.PruneAudit(t.Context(), *now, pruner); err != nil || pruned+rest != 3500 {
			t.Errorf("the next time %d more are pruned: %v", rest, err)
		}
	}
}

// What somebody changed is evidence, and is not taken out.
func TestWhatDoesNotFollowTheChainIsNotPruned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s, now := filled(t, path, 2500)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(func(tx *bolt.Tx) error { return flip(tx.Bucket([]byte("audit")), 1700, -1) }), db.Close()); err != nil {
		t.Fatal(err)
	}
	s, err = store.Open(store.Config{Path: path}.WithoutSync())
	if err != nil {
		t.Fatal(err)
	}
	_, pruned, err := s.PruneAudit(t.Context(), now.Add(time.Hour), pruner)
	if pruned != 1000 || !errors.Is(err, job.ErrConflict) {
		t.Errorf("%d pruned: %v", pruned, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := file.VerifyAudit(path, nil)
	if err != nil || len(report.Problems) != 1 || report.Problems[0].Where != "audit entry 1700" {
		t.Errorf("%v %v", report.Problems, err)
	}
}

func TestRepeatedReadsAreOneEntryAndACount(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := storetest.OpenConfig(t, store.Config{Path: path, Now: func() time.Time { return now }})
	read := func(user string, jobs ...uint64) {
		t.Helper()
		if err := s.AuditRead(t.Context(), entry(user, "Get", "ada", jobs...)); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 { // a page that asks each minute
		read("op", 1)
		now = now.Add(time.Minute)
	}
	read("op", 2)
	read("eve", 1)
	s.FlushReads(t.Context()) // nothing is over
	first := []*storev1.AuditEntry{entry("op", "Get", "ada", 1), entry("op", "Get", "ada", 2), entry("eve", "Get", "ada", 1)}
	sameAudit(t, s, first...)
	last := now.Add(-time.Minute)
	now = now.Add(store.ReadWindow)
	read("op", 1) // the window is over, so it stands for itself again
	s.FlushReads(t.Context())
	s.FlushReads(t.Context())
	repeated := entry("op", "Get", "ada", 1)
	repeated.Repeats, repeated.LastRepeatTime = 4, timestamppb.New(last)
	want := append(first, repeated, entry("op", "Get", "ada", 1))
	sameAudit(t, s, want...)
	now = now.Add(time.Minute)
	read("op", 1)
	if err := s.Close(); err != nil { // stores what it has counted
		t.Fatal(err)
	}
	again := entry("op", "Get", "ada", 1)
	again.Repeats, again.LastRepeatTime = 1, timestamppb.New(now)
	s = storetest.OpenConfig(t, store.Config{Path: path})
	sameAudit(t, s, append(want, again)...)
}

// An entry that could not be stored is no reason to count the next read with it.
func TestAReadWhoseEntryIsRefusedIsNotShownAndNotCounted(t *testing.T) {
	s := storetest.Open(t)
	refused := errors.New("refused")
	s.RefuseBatches(func() error { return refused })
	for range 2 {
		if err := s.AuditRead(t.Context(), entry("op", "Get", "ada", 1)); !errors.Is(err, refused) {
			t.Errorf("a read without its entry: %v", err)
		}
	}
	s.RefuseBatches(nil)
	if err := s.AuditRead(t.Context(), entry("op", "Get", "ada", 1)); err != nil {
		t.Fatal(err)
	}
	sameAudit(t, s, entry("op", "Get", "ada", 1))
}

// However many different reads there are, memory ends, and each has its entry.
func TestReadsOfEverythingAreNotAllCounted(t *testing.T) {
	s := storetest.OpenConfig(t, store.Config{}.WithoutSync())
	const different = 2010
	for range 2 {
		for n := range uint64(different) {
			if err := s.AuditRead(t.Context(), entry("op", "Get", "ada", n+1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := s.AuditHead().Sequence; got != different+10 {
		t.Errorf("%d entries of %d reads", got, 2*different)
	}
}

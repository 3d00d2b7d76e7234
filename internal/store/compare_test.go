package store

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// A check tells of each part of what is in memory when it is not as the file.
func TestACheckTellsWhichPartOfMemoryIsWrong(t *testing.T) {
	ctx := context.Background()
	s, err := Open(Config{Path: filepath.Join(t.TempDir(), "jobs.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	submitted, _, err := s.Submit(ctx, []*jobsv1.Job{{Service: "A"}, {Service: "A"}}, SubmitOptions{Owner: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	first, err := job.ParseID(submitted[0].GetId())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(ctx, Everyone, first, func(r *storev1.Record) error {
		_, err := job.Transition(r.GetJob(), job.Status{State: jobsv1.State_STATE_CANCELLED, Time: r.GetJob().GetSubmitTime().AsTime()})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		where string
		write func() error // nil spoils the part in memory
		spoil func(*memory)
	}{
		{where: "counters", spoil: func(s *memory) { s.counters.NextID++ }},
		{where: "damaged jobs", spoil: func(s *memory) { s.damaged[first] = errors.New("broken") }},
		{where: "audit", write: func() error { return s.Audit(ctx, &storev1.AuditEntry{User: "ada", Method: "/test"}) }},
		{where: "settings", write: func() error {
			set := proto.CloneOf(s.Settings())
			set.InstallId = "another"
			return s.SetSettings(ctx, set)
		}},
		{where: "standings", write: func() error {
			return s.ChangeUser(ctx, "ada", func(u *storev1.User) { u.SignOutTime = submitted[0].GetSubmitTime() })
		}},
		{where: "index", write: func() error {
			_, err := s.Delete(ctx, first)
			return err
		}},
	}
	for _, c := range tests {
		t.Run(c.where, func(t *testing.T) {
			other := loaded(t, s)
			if got := differences(s, other); len(got) > 0 {
				t.Fatalf("nothing is changed, and they differ in %v", got)
			}
			if c.spoil != nil {
				c.spoil(other)
			} else if err := c.write(); err != nil {
				t.Fatal(err)
			}
			if got := differences(s, other); !slices.Contains(got, c.where) || c.spoil != nil && len(got) != 1 {
				t.Errorf("they differ in %v", got)
			}
		})
	}
}

// loaded returns what a store would have in memory were it opened now.
func loaded(tb testing.TB, s *Store) (m *memory) {
	tb.Helper()
	err := s.view(func(tx *kv.ReadTx) (err error) {
		m, err = load(tx, s.cfg.index)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// differences returns the parts in which a store's memory is not as another.
func differences(s *Store, other *memory) []string {
	parts := make(map[string]bool)
	s.mem.compare(other, func(where, _ string) { parts[where] = true })
	return slices.Sorted(maps.Keys(parts))
}

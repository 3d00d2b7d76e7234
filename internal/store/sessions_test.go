package store_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/credential"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

func TestSessionsOfAUserMakeRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := storetest.OpenConfig(t, store.Config{Path: path})
	put := func(n byte, user string, used int64) []string {
		t.Helper()
		gone, err := s.PutSession(t.Context(), credential.Hash{n}, &storev1.Session{
			Id: string('a' + rune(n)), User: user, LastUseTime: &timestamppb.Timestamp{Seconds: used},
		}, 2)
		if err != nil {
			t.Fatal(err)
		}
		return gone
	}
	put(0, "ada", 10)
	put(1, "ada", 5)
	put(2, "bob", 1)
	if err := s.TouchSession(t.Context(), credential.Hash{1}, time.Unix(20, 0)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a"}, put(3, "ada", 30)); diff != "" {
		t.Errorf("the least recently used of the user goes:\n%s", diff)
	}
	if _, err := s.PutSession(t.Context(), credential.Hash{3}, &storev1.Session{Id: "x", User: "eve"}, 2); !errors.Is(err, job.ErrAlreadyExists) {
		t.Errorf("the same secret again: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = storetest.OpenConfig(t, store.Config{Path: path})
	for n, want := range []string{"", "b", "c", "d"} {
		got, err := s.Session(credential.Hash{byte(n)})
		if want == "" && !errors.Is(err, job.ErrNotFound) || got.GetId() != want {
			t.Errorf("session %d after a restart: %v, %v, want %q", n, got, err, want)
		}
	}
}

func TestSessionsEndForGood(t *testing.T) {
	s := storetest.Open(t)
	for n, used := range []int64{10, 20} {
		session := &storev1.Session{Id: string('a' + rune(n)), User: "ada", LastUseTime: &timestamppb.Timestamp{Seconds: used}}
		if _, err := s.PutSession(t.Context(), credential.Hash{byte(n)}, session, 5); err != nil {
			t.Fatal(err)
		}
	}
	if id, err := s.DeleteSession(t.Context(), credential.Hash{0}); err != nil || id != "a" {
		t.Errorf("%q, %v", id, err)
	}
	if _, err := s.DeleteSession(t.Context(), credential.Hash{0}); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	if err := s.TouchSession(t.Context(), credential.Hash{0}, time.Unix(99, 0)); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a session that is gone was used: %v", err)
	}
	old := func(at int64) func(*storev1.Session) bool {
		return func(one *storev1.Session) bool { return one.GetLastUseTime().GetSeconds() <= at }
	}
	for _, step := range []struct {
		at   int64
		left bool
	}{{19, true}, {20, false}} {
		if err := s.PurgeSessions(t.Context(), old(step.at)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Session(credential.Hash{1}); (err == nil) != step.left {
			t.Errorf("after the purge at %d: %v", step.at, err)
		}
	}
}

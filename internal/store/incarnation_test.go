package store_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/file"
)

// submitN submits jobs of ada and returns their ids.
func submitN(t *testing.T, s *store.Store, n int) []string {
	t.Helper()
	var ids []string
	for range n {
		ids = append(ids, submit(t, s, "ada", newJob("Date", "out"))[0].GetId())
	}
	return ids
}

// restored returns a backup of s, and s after more jobs were submitted and lost, as a new incarnation.
func restored(t *testing.T, in file.Incarnation) (s *store.Store, watcher uint64, lost []string) {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(store.Config{Path: filepath.Join(dir, "a.db")}.WithoutSync())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetSettings(t.Context(), &storev1.Settings{InstallId: "abc", Incarnation: "first"}); err != nil {
		t.Fatal(err)
	}
	submitN(t, s, 10)
	path := filepath.Join(dir, "b.db")
	if _, err := s.Backup(path); err != nil {
		t.Fatal(err)
	}
	lost = submitN(t, s, 5)
	watcher = s.Revision()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	at, err := file.BeginIncarnation(path, in)
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := file.Check(path); err != nil || len(problems) > 0 {
		t.Fatalf("check: %v, %v", problems, err)
	}
	if s, err = store.Open(store.Config{Path: path}.WithoutSync()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if got := s.Position(); got != at {
		t.Errorf("position %+v, and the restore said %+v", got, at)
	}
	return s, watcher, lost
}

func TestAWatcherAcrossARestoreIsReset(t *testing.T) {
	s, watcher, lost := restored(t, file.Incarnation{Name: "second", Gap: 1 << 36, FirstID: 1000, By: &storev1.AuditEntry{User: "local admin", Method: "restore"}})
	fresh := submitN(t, s, 8)
	for _, id := range fresh {
		for _, old := range lost {
			if id == old {
				t.Errorf("id %s was given out again", id)
			}
		}
	}
	for name, w := range map[string]store.Watch{
		"owner":    {Scope: store.OwnedBy("ada")},
		"everyone": {Scope: store.Everyone},
		"one job":  {Scope: store.OwnedBy("ada"), IDs: []job.ID{1}},
	} {
		ch, err := s.Changes(w, watcher, 0)
		if err != nil || !ch.Reset || ch.UpTo != s.Revision() || len(ch.List) > 0 {
			t.Errorf("%s: resumed after %d, a revision of the lost incarnation: %+v, %v", name, watcher, ch, err)
		}
	}
	// Who saw nothing of what was lost hears of what came since, and needs no reset.
	ch, err := s.Changes(store.Watch{Scope: store.OwnedBy("ada")}, 10, 0)
	if err != nil || ch.Reset || len(ch.List) != len(fresh) {
		t.Errorf("resumed after the backup's revision: %d changes, reset %t, %v", len(ch.List), ch.Reset, err)
	}
	// A snapshot taken at the first revision of the new incarnation is a place to resume from.
	gaps := s.Settings().GetGaps()
	if len(gaps) != 1 || gaps[0].GetAfter() != 10 || gaps[0].GetUntil() != 10+1<<36 {
		t.Fatalf("gaps %v", gaps)
	}
	if ch, err := s.Changes(store.Watch{Scope: store.OwnedBy("ada")}, gaps[0].GetUntil(), 0); err != nil || ch.Reset || len(ch.List) != len(fresh) {
		t.Errorf("resumed after the first revision: %+v, %v", ch, err)
	}
}

func TestGapsOfAllRestoresAreKept(t *testing.T) {
	s, _, _ := restored(t, file.Incarnation{Name: "second", Gap: 100})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := s.FilePath()
	if _, err := file.BeginIncarnation(path, file.Incarnation{Name: "third", Gap: 100, Edit: func(set *storev1.Settings) { set.PlaceId = "here" }}); err != nil {
		t.Fatal(err)
	}
	info, err := file.ReadInfo(path)
	if err != nil {
		t.Fatal(err)
	}
	set := info.Settings
	if len(set.GetGaps()) != 2 || set.GetGaps()[1].GetUntil() != 210 || set.GetPlaceId() != "here" || set.GetInstallId() != "abc" || info.Position.Incarnation != "third" {
		t.Errorf("settings %v, position %+v", set, info.Position)
	}
}

func TestBeginIncarnationRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if _, err := file.BeginIncarnation(path, file.Incarnation{Gap: 1}); err == nil {
		t.Error("an incarnation without a name")
	}
	if _, err := file.BeginIncarnation(path, file.Incarnation{Name: "a", Gap: 1}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := file.BeginIncarnation(path, file.Incarnation{Name: "a", Gap: 1}); err == nil {
		t.Error("a file that is no database is accepted")
	}
	open := filepath.Join(t.TempDir(), "open.db")
	s, err := store.Open(store.Config{Path: open})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := file.BeginIncarnation(open, file.Incarnation{Name: "a", Gap: 1}); !errors.Is(err, job.ErrUnavailable) {
		t.Errorf("beside a running server: %v", err)
	}
}

func TestPositionsOfOtherIncarnationsAreNotCompared(t *testing.T) {
	a := file.Position{Incarnation: "a", Revision: 5, AuditSequence: 5}
	for _, c := range []struct {
		other file.Position
		want  bool
	}{
		{file.Position{Incarnation: "a", Revision: 5, AuditSequence: 5}, false},
		{file.Position{Incarnation: "a", Revision: 6, AuditSequence: 5}, true},
		{file.Position{Incarnation: "a", Revision: 5, AuditSequence: 6}, true},
		{file.Position{Incarnation: "b", Revision: 9, AuditSequence: 9}, false},
	} {
		if got := a.Before(c.other); got != c.want {
			t.Errorf("%+v before %+v: %t", a, c.other, got)
		}
	}
}

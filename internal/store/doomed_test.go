package store_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

// doomed lists the folders that are to be removed, in pages.
func doomed(t *testing.T, s *store.Store) (ids []job.ID) {
	t.Helper()
	after := job.ID(0)
	for {
		page, err := s.Doomed(after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		ids, after = append(ids, page...), page[len(page)-1]
	}
	if n := s.Stats().Doomed; n != int64(len(ids)) {
		t.Errorf("%d are counted of %d", n, len(ids))
	}
	return ids
}

// The folder of a deleted job is to be removed until somebody says that it is gone, also after a restart.
func TestFoldersOfDeletedJobsAreDoomed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := storetest.OpenConfig(t, store.Config{Path: path})
	submitN(t, s, 6)
	for id := job.ID(1); id <= 5; id++ {
		become(t, s, id, cancelled)
	}
	if _, err := s.Delete(t.Context(), 1, 6); !errors.Is(err, job.ErrConflict) {
		t.Errorf("a job that is not final: %v", err)
	}
	if got := doomed(t, s); got != nil {
		t.Errorf("nothing was deleted, and %v are doomed", got)
	}
	for _, ids := range [][]job.ID{{2, 3, 99}, {1, 5}} {
		if _, err := s.Delete(t.Context(), ids...); err != nil {
			t.Fatal(err)
		}
	}
	storetest.Close(t, s, path)
	s = storetest.OpenConfig(t, store.Config{Path: path})
	if got := doomed(t, s); !slices.Equal(got, []job.ID{1, 2, 3, 5}) {
		t.Errorf("doomed %v", got)
	}
	if got, err := s.Unclaimed([]job.ID{0, 1, 2, 3, 4, 5, 6, 7, 8}); err != nil || got != nil {
		t.Errorf("unclaimed %v, %v", got, err)
	}
	for range 2 { // twice is the same, as after a crash
		if err := s.FoldersRemoved(t.Context(), 3, 1, 4); err != nil {
			t.Fatal(err)
		}
		if got := doomed(t, s); !slices.Equal(got, []job.ID{2, 5}) {
			t.Errorf("doomed %v", got)
		}
	}
	if got, err := s.Unclaimed([]job.ID{0, 1, 2, 3, 4, 5, 6, 7, 8}); err != nil || !slices.Equal(got, []job.ID{1, 3}) {
		t.Errorf("unclaimed %v, %v", got, err)
	}
}

// A record that cannot be read claims its folder.
func TestADamagedJobClaimsItsFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s, err := store.Open(store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	submitN(t, s, 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, path, put("jobs", job.ID(1).Key(), []byte{0xff}))
	if s, err = store.Open(store.Config{Path: path}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, err := s.Unclaimed([]job.ID{1, 2}); err != nil || got != nil {
		t.Errorf("unclaimed %v, %v", got, err)
	}
}

// What jobs of another incarnation left is unclaimed in none: their records are lost, and their folders are all that is left.
func TestFoldersOfAnotherIncarnationAreNotUnclaimed(t *testing.T) {
	s, _, _ := restored(t, file.Incarnation{Name: "second", Gap: 100, FirstID: 1000})
	fresh := submitN(t, s, 1)
	if fresh[0] != "1000" {
		t.Fatalf("the next job is %s", fresh[0])
	}
	for _, id := range []job.ID{1, 1000} {
		become(t, s, id, cancelled)
		if _, err := s.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if err := s.FoldersRemoved(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Unclaimed([]job.ID{1, 10, 11, 500, 999, 1000, 1001}); err != nil || !slices.Equal(got, []job.ID{1, 1000}) {
		t.Errorf("unclaimed %v, %v", got, err)
	}
}

// Folders that are there when a database that does not know them is opened are left alone, also by the next start.
func TestFoldersAboveTheNextIDAreNotUnclaimed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := storetest.OpenConfig(t, store.Config{Path: path})
	submitN(t, s, 3)
	for _, first := range []job.ID{10, 10, 0} {
		storetest.Close(t, s, path)
		s = storetest.OpenConfig(t, store.Config{Path: path, FirstID: first})
		if got, err := s.Unclaimed([]job.ID{3, 4, 9, 10}); err != nil || got != nil {
			t.Errorf("first id %s: unclaimed %v, %v", first, got, err)
		}
	}
	if n := len(s.Settings().GetForeignIds()); n != 1 {
		t.Errorf("%d ranges of ids are kept", n)
	}
	if got := submitN(t, s, 1); got[0] != "10" {
		t.Errorf("the next job is %s", got[0])
	}
}

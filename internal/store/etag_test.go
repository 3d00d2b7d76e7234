package store_test

import (
	"path/filepath"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/file"
)

// etags are all etags that databases of one installation gave out, each with the change that it stands for.
type etags map[string]string

// change changes a job of a database in one of its lives and notes the etag that the job has then.
func (e etags) change(t *testing.T, s *store.Store, life string, id job.ID, state jobsv1.State) {
	t.Helper()
	e.note(t, become(t, s, id, state), life)
}

func (e etags) note(t *testing.T, j *jobsv1.Job, life string) {
	t.Helper()
	now := life + ": job " + j.GetId() + " " + j.GetState().String()
	if before, ok := e[j.GetEtag()]; ok {
		t.Errorf("etag %s was given out twice: %q, and %q", j.GetEtag(), before, now)
	}
	e[j.GetEtag()] = now
}

// A backup is restored, and restored again after the restored database has lived for a while. Each etag of what was lost
// stays the etag of that alone, and what the backup has keeps its own.
func TestNoEtagOfAnotherLifeIsGivenOut(t *testing.T) {
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "jobs.db"), filepath.Join(dir, "backup.db")
	s, err := store.Open(store.Config{Path: path}.WithoutSync())
	if err != nil {
		t.Fatal(err)
	}
	seen := etags{}
	live := func(life string, old job.ID) {
		t.Helper()
		seen.change(t, s, life, old, running) // a job of the backup
		for range 5 {
			j := submit(t, s, "ada", newJob("A", "a"))[0]
			seen.note(t, j, life)
			seen.change(t, s, life, idOf(t, j), running)
			seen.change(t, s, life, idOf(t, j), completed)
			if _, err := s.Delete(t.Context(), idOf(t, j)); err != nil { // takes a revision, too
				t.Fatal(err)
			}
		}
	}
	kept := submit(t, s, "ada", newJob("A", "a"), newJob("A", "b"))
	for _, j := range kept {
		seen.note(t, j, "the first")
	}
	if _, err := s.Backup(backup); err != nil {
		t.Fatal(err)
	}
	live("the first", 1)
	for _, life := range []struct {
		name string
		gap  uint64
	}{{"the second", 1 << 36}, {"the third", 1 << 37}} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(dir, life.name)
		if err := copyFiles(backup, copied); err != nil {
			t.Fatal(err)
		}
		if _, err := file.BeginIncarnation(copied, file.Incarnation{Name: life.name, Gap: life.gap, FirstID: 1000}); err != nil {
			t.Fatal(err)
		}
		if s, err = store.Open(store.Config{Path: copied}.WithoutSync()); err != nil {
			t.Fatal(err)
		}
		for _, j := range kept { // unchanged, so the etag is, too
			got, err := s.Get(store.Everyone, idOf(t, j))
			if err != nil || got.GetEtag() != j.GetEtag() {
				t.Errorf("job %s of the backup has the etag %s, want %s, %v", j.GetId(), got.GetEtag(), j.GetEtag(), err)
			}
		}
		live(life.name, 1)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

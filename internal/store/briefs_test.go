package store

import (
	"errors"
	"path/filepath"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

func TestBriefsTellWhichJobsAreNotThere(t *testing.T) {
	s, err := Open(Config{Path: filepath.Join(t.TempDir(), "jobs.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for _, owner := range []string{"ada", "bob"} {
		j := &jobsv1.Job{Service: "Date", Executor: "local", Priority: -3}
		if _, _, err := s.Submit(t.Context(), []*jobsv1.Job{j}, SubmitOptions{Owner: owner}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Briefs([]job.ID{2, 7, 1})
	if err != nil || len(got) != 3 {
		t.Fatalf("%d briefs, %v", len(got), err)
	}
	if !errors.Is(got[1].Err, job.ErrNotFound) {
		t.Errorf("job 7: %v, want not found", got[1].Err)
	}
	for i, owner := range map[int]string{0: "bob", 2: "ada"} {
		if b := got[i]; b.Err != nil || b.GetOwner() != owner || b.GetService() != "Date" || b.GetExecutor() != "local" ||
			b.GetState() != jobsv1.State_STATE_QUEUED || b.GetPriority() != -3 || b.GetSubmitTimeNs() == 0 {
			t.Errorf("job %s: %v %v", b.ID, b.Header, b.Err)
		}
	}
}

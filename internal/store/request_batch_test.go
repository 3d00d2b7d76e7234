package store

import (
	"errors"
	"path/filepath"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/kv"
)

func newSubmission(t *testing.T, n int) *submission {
	t.Helper()
	sub := &submission{SubmitOptions: SubmitOptions{Owner: "ada", RequestID: "r", RequestHash: []byte{1}}}
	for range n {
		sub.jobs = append(sub.jobs, &jobsv1.Job{Service: "A", OutputName: "a"})
	}
	if err := sub.encodeSpecs(); err != nil {
		t.Fatal(err)
	}
	return sub
}

// What one commit does to a request is seen within the commit, and a submission writes nothing into the bucket requests.
func TestARequestWithinOneCommit(t *testing.T) {
	s, err := Open(Config{Path: filepath.Join(t.TempDir(), "jobs.db")}.WithoutSync())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cancel := func(r *storev1.Record) error { r.Job.State = jobsv1.State_STATE_CANCELLED; return nil }
	err = s.do(t.Context(), 1, func(b *batch) error {
		if err := newSubmission(t, 3).stage(b); err != nil {
			return err
		}
		for _, w := range writesOf(t, b.tx.Entry()) {
			if w.Bucket == file.Requests || w.Bucket == file.Doomed {
				t.Errorf("a submission writes into the bucket %s", w.Bucket)
			}
		}
		for id := job.ID(1); id <= 3; id++ {
			if _, err := b.update(Everyone, id, cancel); err != nil {
				return err
			}
			if _, err := b.delete([]job.ID{id}); err != nil {
				return err
			}
			again := newSubmission(t, 3)
			err := again.stage(b)
			if left := int(3 - id); left > 0 && (err != nil || len(again.earlier) != left) {
				t.Errorf("%d jobs are left of %d, %v", len(again.earlier), left, err)
			} else if left == 0 && !errors.Is(err, job.ErrRequestIDReused) {
				t.Errorf("none is left: %v", err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := s.Check(t.Context()); err != nil || len(problems) > 0 || s.Stats().Doomed != 3 {
		t.Errorf("%v, %v, %d doomed", problems, err, s.Stats().Doomed)
	}
}

// A request that is refused after it was staged leaves nothing that a later one of the same commit could be taken for.
func TestARequestThatIsTakenBack(t *testing.T) {
	s, err := Open(Config{Path: filepath.Join(t.TempDir(), "jobs.db")}.WithoutSync())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	refused := errors.New("refused")
	err = s.do(t.Context(), 1, func(b *batch) error {
		before := b.counters
		if err := newSubmission(t, 2).stage(b); err != nil {
			return err
		}
		b.counters = before // as run does after an error
		return refused
	})
	if !errors.Is(err, refused) {
		t.Fatal(err)
	}
	for _, again := range []bool{false, true} {
		sub := newSubmission(t, 2)
		if err := s.do(t.Context(), 1, sub.stage); err != nil || (len(sub.earlier) == 2) != again {
			t.Errorf("%d jobs are there, %v", len(sub.earlier), err)
		}
	}
}

func writesOf(t *testing.T, entry []byte) (writes []kv.Write) {
	t.Helper()
	if err := kv.Replay(entry, func(w kv.Write) error { writes = append(writes, w); return nil }); err != nil {
		t.Fatal(err)
	}
	return writes
}

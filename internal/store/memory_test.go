package store

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/credential"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// openWith opens a store with n jobs of ada.
func openWith(t *testing.T, n int) *Store {
	t.Helper()
	s, err := Open(Config{Path: filepath.Join(t.TempDir(), "jobs.db")}.WithoutSync())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	jobs := make([]*jobsv1.Job, n)
	for i := range jobs {
		jobs[i] = &jobsv1.Job{Service: "A"}
	}
	if _, _, err := s.Submit(t.Context(), jobs, SubmitOptions{Owner: "ada"}); err != nil {
		t.Fatal(err)
	}
	return s
}

// badWrites are writes of which memory cannot be made, in each part of the file.
var badWrites = map[string]struct {
	bucket string
	key    []byte
	value  []byte
}{
	"a job's key":            {file.Jobs, []byte("x"), nil},
	"a share's key":          {file.Shares, []byte("x"), nil},
	"a share":                {file.Shares, file.ShareKey(1, "bob"), []byte{0xff}},
	"the counters":           {file.Meta, []byte("counters"), []byte("x")},
	"the settings":           {file.Meta, []byte("settings"), []byte{0xff}},
	"the end of the audit":   {file.Meta, []byte("audit_head"), []byte("x")},
	"a user":                 {credential.UserBucket, []byte("ada"), []byte{0xff}},
	"a job without a header": {file.Jobs, job.ID(9).Key(), []byte{0x0a, 0}},
}

// What is wrong in a commit is an error of apply, and ends all writing, because memory does not follow the file any more.
func TestACommitThatMemoryCannotFollowEndsAllWriting(t *testing.T) {
	for name, bad := range badWrites {
		t.Run(name, func(t *testing.T) {
			s := openWith(t, 1)
			before := s.Revision()
			err := s.do(t.Context(), 1, func(b *batch) error { return b.tx.Put(bad.bucket, bad.key, bad.value) })
			if !errors.Is(err, job.ErrUnknown) {
				t.Fatalf("%v, want unknown", err)
			}
			<-s.Failed()
			if err := s.Healthy(); !errors.Is(err, job.ErrStorage) {
				t.Errorf("healthy: %v", err)
			}
			if s.Revision() != before || s.Stats().Jobs != 1 {
				t.Errorf("revision %d, %d jobs", s.Revision(), s.Stats().Jobs)
			}
		})
	}
	m := openWith(t, 1).mem
	if _, err := m.apply([]byte("no entry")); !errors.Is(err, kv.ErrEntry) {
		t.Errorf("bytes that are no entry: %v", err)
	}
}

// A start is refused with what cannot be read, but for single jobs, which are put aside, and users, who are left out.
func TestAStartSaysWhatItCannotRead(t *testing.T) {
	for name, bad := range badWrites {
		t.Run(name, func(t *testing.T) {
			s := openWith(t, 1)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			db, err := kv.Open(kv.Config{Path: s.cfg.Path})
			if err != nil {
				t.Fatal(err)
			}
			put := func(tx *kv.Tx) error { return tx.Put(bad.bucket, bad.key, bad.value) }
			if err := errors.Join(db.Do(t.Context(), kv.Op{Stage: put}), db.Close()); err != nil {
				t.Fatal(err)
			}
			again, err := Open(Config{Path: s.cfg.Path})
			if err == nil {
				defer again.Close()
			}
			switch {
			case name == "a job without a header":
				if err != nil || len(again.mem.damaged) != 1 || again.mem.damaged[9] == nil || again.Stats().Jobs != 1 {
					t.Errorf("it is not put aside: %v", err)
				}
			case bad.bucket == credential.UserBucket:
				if err != nil {
					t.Errorf("it is not left out: %v", err)
				}
			case !errors.Is(err, job.ErrStorage):
				t.Errorf("%v, want a storage error", err)
			}
		})
	}
}

// The jobs of several blocks are added in their order, whichever block is decoded first, and those that cannot be read are
// put aside.
func TestAllBlocksAreLoadedInOrder(t *testing.T) {
	s := openWith(t, 3*blockSize+7)
	if err := s.do(t.Context(), 1, func(b *batch) error {
		for _, id := range []job.ID{blockSize, blockSize + 1} {
			if _, err := b.update(Everyone, id, func(r *storev1.Record) error { r.Job.State = jobsv1.State_STATE_CANCELLED; return nil }); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	m := loaded(t, s)
	s.mem.compare(m, func(where, what string) { t.Errorf("%s: %s", where, what) })
	active := m.index.Active(jobsv1.State_STATE_UNSPECIFIED, 0, 1<<30).IDs
	if len(active) != 3*blockSize+5 || !slices.IsSorted(active) || slices.Contains(active, blockSize) {
		t.Errorf("%d are active", len(active))
	}
}

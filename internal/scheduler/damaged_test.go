package scheduler_test

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor/executortest"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/workdir"
)

// damage writes a text that is not UTF-8 into a stored job's message.
func damage(t *testing.T, path string, id job.ID) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("jobs"))
		raw := append([]byte(nil), b.Get(id.Key())...)
		bad := protowire.AppendBytes(protowire.AppendTag(nil, 22, protowire.BytesType), []byte{0xff})
		return b.Put(id.Key(), protowire.AppendBytes(protowire.AppendTag(raw, 1, protowire.BytesType), bad))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// One byte of one record changed while the server was down: its job is put aside and named, all
// others are scheduled.
func TestDamagedRecordHoldsBackItsJobAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "jobs.db")
	s, err := store.Open(store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		j := &jobsv1.Job{Service: "Test", Executor: "local", Labels: map[string]string{"do": "nothing"}, Resources: &jobsv1.Resources{Cpus: 1}}
		if _, _, err := s.Submit(t.Context(), []*jobsv1.Job{j}, store.SubmitOptions{Owner: "ann"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, path, 1)
	synctest.Test(t, func(t *testing.T) {
		folders, err := workdir.Open(filepath.Join(dir, "jobs"))
		if err != nil {
			t.Fatal(err)
		}
		defer folders.Close()
		s, err := store.Open(store.Config{Path: path})
		if err != nil {
			t.Fatalf("the store does not open: %v", err)
		}
		defer s.Close()
		w := &world{
			T: t, engine: executortest.NewEngine(), folders: folders, store: s, log: newLines(),
			prepare: func(preparation) error { return nil }, publish: func(*jobsv1.Job) (string, error) { return "/x", nil },
			released: make(map[string]int),
		}
		defer w.engine.Close()
		w.start()
		defer w.crash()
		w.pass(time.Hour)
		for id := job.ID(2); id <= 5; id++ {
			w.want(id, completed, noReason)
		}
		if diff := cmp.Diff([]job.ID{1}, w.s.Quarantined()); diff != "" {
			t.Errorf("put aside: %s", diff)
		}
		if n := w.log.count("put a job aside: its record cannot be read"); n != 1 {
			t.Errorf("named %d times in the log", n)
		}
	})
}

// A follower whose job's record is damaged under it ends, the job is put aside, and scheduled again
// once the record changed.
func TestJobIsScheduledAgainOnceItsRecordChanged(t *testing.T) {
	inWorld(t, func(w *world) {
		f := &faulty{Store: w.store}
		w.jobs = f
		f.damage(1)
		w.start()
		id, other := w.submit("ann", "nothing"), w.submit("bob", "nothing")
		w.pass(time.Hour)
		w.want(id, queued, jobsv1.Reason_REASON_UNSPECIFIED)
		w.want(other, completed, noReason)
		if len(w.s.Quarantined()) != 1 || w.log.count("put a job aside: its record cannot be read") != 1 {
			t.Errorf("put aside: %v, log %v", w.s.Quarantined(), w.log)
		}
		f.damage(0)
		w.touch(id)
		w.pass(time.Minute)
		w.want(id, completed, noReason)
		if got := w.s.Quarantined(); len(got) != 0 {
			t.Errorf("still put aside: %v", got)
		}
	})
}

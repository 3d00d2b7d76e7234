package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

func TestAFileThatIsOpenElsewhereIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	storetest.OpenConfig(t, store.Config{Path: path})
	_, err := store.Open(store.Config{Path: path}.WithLockTimeout(60 * time.Millisecond))
	if !errors.Is(err, job.ErrUnavailable) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("open it twice: %v", err)
	}
}

func TestFilesThatAreNoStoreAreRefused(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other.db")
	raw(t, other, func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("of something else"))
		return err
	})
	for _, path := range []string{text, other, dir, filepath.Join(dir, "no", "folder")} {
		if s, err := store.Open(store.Config{Path: path}); err == nil {
			t.Errorf("%s was opened", path)
			_ = s.Close()
		}
		if problems, err := file.Check(path); err == nil && len(problems) == 0 {
			t.Errorf("%s was found to be right", path)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "absent")); err == nil {
		t.Error("a check made a file")
	}
}

// raw changes a file behind the store's back.
func raw(t *testing.T, path string, fn func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestDatabasesOfOtherFormatsAreRefusedAsTheyAre(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(*bolt.Tx) error
		want error
	}{
		"a newer one":            {put("meta", []byte("format"), []byte("stint.store.v9")), file.ErrNewerFormat},
		"one of another program": {func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Delete([]byte("format")) }, job.ErrStorage},
		"the first edition": {func(tx *bolt.Tx) error {
			return errors.Join(tx.Bucket([]byte("meta")).Delete([]byte("format")), tx.Bucket([]byte("meta")).Put([]byte("schema"), make([]byte, 8)))
		}, file.ErrFirstEdition},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "jobs.db")
			s := storetest.OpenConfig(t, store.Config{Path: path})
			submit(t, s, "ada", newJob("A", "a"))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			other := filepath.Join(t.TempDir(), "other.db")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(other, b, 0o600); err != nil {
				t.Fatal(err)
			}
			raw(t, other, test.do)
			before, err := os.ReadFile(other)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := store.Open(store.Config{Path: other}); !errors.Is(err, test.want) {
				t.Errorf("open: %v", err)
			}
			if _, err := file.Check(other); !errors.Is(err, test.want) {
				t.Errorf("check: %v", err)
			}
			if _, _, err := file.Compact(other); !errors.Is(err, test.want) {
				t.Errorf("compact: %v", err)
			}
			if _, err := file.BeginIncarnation(other, file.Incarnation{Name: "x", Gap: 1}); !errors.Is(err, test.want) {
				t.Errorf("begin an incarnation: %v", err)
			}
			if after, err := os.ReadFile(other); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed, or %v", err)
			}
		})
	}
}

// A record that cannot be read is put aside, and all other jobs are as they were.
func TestADamagedRecordIsPutAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := storetest.OpenConfig(t, store.Config{Path: path})
	submit(t, s, "ada", newJob("A", "a"), newJob("A", "b"), newJob("A", "c"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw(t, path, put("jobs", job.ID(2).Key(), []byte{0xff}))
	s, err = store.Open(store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(maps.Keys(maps.Collect(s.Damaged()))); !slices.Equal(got, []job.ID{2}) || s.Stats().Damaged != 1 {
		t.Errorf("put aside: %v", got)
	}
	if _, err := s.Get(store.Everyone, 2); !errors.Is(err, job.ErrStorage) {
		t.Errorf("the damaged job: %v", err)
	}
	become(t, s, 3, running)
	if page, err := s.Page(t.Context(), store.Query{Scope: store.Everyone, Limit: 5}); err != nil || page.Total != 2 || len(page.Jobs) != 2 {
		t.Errorf("the others: %v %v", page, err)
	}
	if j := submit(t, s, "ada", newJob("A", "d"))[0]; j.GetId() != "4" {
		t.Errorf("the next job is %s", j.GetId())
	}
	if problems, err := s.Check(t.Context()); err != nil || !strings.Contains(fmt.Sprint(problems), "job 2: it is put aside") {
		t.Errorf("check: %v %v", problems, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil { // for the check at the end
		t.Fatal(err)
	}
}

// damage is what may happen to a file, and what a check has to say of it.
var damage = map[string]struct {
	do   func(tx *bolt.Tx) error
	says string
}{
	"a spec is lost":        {func(tx *bolt.Tx) error { return tx.Bucket([]byte("specs")).Delete(job.ID(2).Key()) }, "job 2: its parameters are missing"},
	"a job is lost":         {func(tx *bolt.Tx) error { return tx.Bucket([]byte("jobs")).Delete(job.ID(2).Key()) }, "no job has it"},
	"a spec is garbage":     {put("specs", job.ID(1).Key(), []byte{0xff}), "job 1: its parameters cannot be read"},
	"a record is garbage":   {put("jobs", job.ID(1).Key(), []byte{0xff}), "job 1: its record cannot be read"},
	"a key is short":        {put("jobs", []byte("x"), nil), "its key has 1 bytes"},
	"counters are lost":     {put("meta", []byte("counters"), nil), "counters in the file are damaged"},
	"counters go back":      {put("meta", []byte("counters"), make([]byte, 32)), "job 1: its id was not given out"},
	"a bucket is lost":      {func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte("issues")) }, "the bucket issues is missing"},
	"a revision is twice":   {edit(2, func(r *storev1.Record) { r.Job.Revision, r.Job.History[0].Revision = 1, 1 }), "job 2: it has the revision of job 1"},
	"a history is lost":     {edit(1, func(r *storev1.Record) { r.Job.History = nil }), "job 1: it has 0 history entries"},
	"a history is mixed":    {edit(3, func(r *storev1.Record) { r.Job.History[1].Revision = 2 }), "job 3: history entry 1"},
	"a state is changed":    {edit(1, func(r *storev1.Record) { r.Job.State = running }), "job 1: its history ends with STATE_QUEUED"},
	"a state is none":       {edit(1, func(r *storev1.Record) { r.Job.State = 77 }), "job 1: it is in no state"},
	"an owner is lost":      {edit(1, func(r *storev1.Record) { r.Job.Owner = "" }), "job 1: it has no owner"},
	"a request is twice":    {edit(2, func(r *storev1.Record) { r.RequestHash = []byte{1} }), "job 2: it has the request id of job 1, and did not come with it"},
	"a request is larger":   {edit(3, func(r *storev1.Record) { r.BatchSize = 9 }), "job 3: it has the request id of job 1, and did not come with it"},
	"a request is kept":     {put("requests", []byte("ada\x00r"), nil), `deleted request "ada\x00r": job 1 of it is there`},
	"a request is garbage":  {put("requests", []byte("ada\x00q"), []byte{0xff}), `deleted request "ada\x00q": it cannot be read`},
	"a request is nobody's": {put("requests", []byte("r"), nil), `deleted request "r": its key is not an owner and a request id`},
	"a job is doomed":       {put("doomed", job.ID(2).Key(), nil), "doomed folder 0000000000000002: the job is there"},
	"no job is doomed":      {put("doomed", job.ID(9).Key(), nil), "doomed folder 0000000000000009: the id was not given out"},
	"a doomed is garbage":   {put("doomed", []byte("x"), nil), "doomed folder 78: it cannot be read"},
	"a token is garbage":    {put("tokens", make([]byte, 32), []byte{0xff}), "it cannot be read"},
	"an issue is garbage":   {put("issues", make([]byte, 16), []byte{0xff}), "it cannot be read"},
	"a share is garbage":    {put("shares", append(job.ID(1).Key(), "bob"...), []byte{0xff}), "share of job 1 with bob: it cannot be read"},
	"a share is of no job":  {putShare(9, "bob"), "share of job 9 with bob: there is no such job"},
	"a share has no user":   {put("shares", job.ID(1).Key(), nil), "its key is not a job and a user"},
	"the owner has one":     {putShare(1, "ada"), "share of job 1 with ada: it is with the owner"},
	"settings are garbage":  {put("meta", []byte("settings"), []byte{0xff}), "settings: they cannot be read"},
}

func put(bucket string, k, v []byte) func(*bolt.Tx) error {
	return func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucket)).Put(k, v) }
}

func putShare(id job.ID, user string) func(*bolt.Tx) error {
	return func(tx *bolt.Tx) error {
		b, err := proto.Marshal(&storev1.Share{Rights: []jobsv1.ShareRight{history}, CreateTime: timestamppb.Now()})
		if err != nil {
			return err
		}
		return tx.Bucket([]byte("shares")).Put(append(id.Key(), user...), b)
	}
}

func edit(id job.ID, fn func(*storev1.Record)) func(*bolt.Tx) error {
	return func(tx *bolt.Tx) error {
		r, err := file.Decode(id, tx.Bucket([]byte("jobs")).Get(id.Key()))
		if err != nil {
			return err
		}
		fn(r)
		b, err := file.Encode(nil, r)
		if err != nil {
			return err
		}
		return tx.Bucket([]byte("jobs")).Put(id.Key(), b)
	}
}

func TestACheckFindsDamage(t *testing.T) {
	for name, d := range damage {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "jobs.db")
			s, err := store.Open(store.Config{Path: path})
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = s.Submit(t.Context(), []*jobsv1.Job{newJob("A", "a"), newJob("A", "b"), newJob("A", "c")},
				store.SubmitOptions{Owner: "ada", RequestID: "r"})
			if err != nil {
				t.Fatal(err)
			}
			become(t, s, 3, running)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			raw(t, path, d.do)
			problems, err := file.Check(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range problems {
				if strings.Contains(p.String(), d.says) {
					return
				}
			}
			t.Errorf("%q is not among %v", d.says, problems)
		})
	}
}

func TestADamagedPageIsFound(t *testing.T) {
	for _, jobs := range []int{1, 300} { // on the root page, and on pages of their own
		path := filepath.Join(t.TempDir(), "jobs.db")
		s := storetest.OpenConfig(t, store.Config{Path: path})
		var all []*jobsv1.Job
		for range jobs {
			all = append(all, newJob("A", "a"))
		}
		submit(t, s, "ada", all...)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.LastIndex(b, []byte("phage")) // a label of a job, so this is a page of records
		page := os.Getpagesize()
		clear(b[at/page*page:][:16]) // its header
		damaged := filepath.Join(t.TempDir(), "damaged.db")
		if err := os.WriteFile(damaged, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if problems, err := file.Check(damaged); err == nil && len(problems) == 0 || err != nil && !errors.Is(err, job.ErrStorage) {
			t.Errorf("check: %v %v", problems, err)
		}
		if _, err := store.Open(store.Config{Path: damaged}); !errors.Is(err, job.ErrStorage) {
			t.Errorf("open: %v", err)
		}
		if _, _, err := file.Compact(damaged); !errors.Is(err, job.ErrStorage) {
			t.Errorf("compact: %v", err)
		}
	}
}

func TestACheckOfTheRunningStoreFindsAWrongCounter(t *testing.T) {
	s, err := store.Open(store.Config{Path: filepath.Join(t.TempDir(), "jobs.db")})
	if err != nil {
		t.Fatal(err)
	}
	submit(t, s, "ada", newJob("A", "a"))
	if problems, err := s.Check(t.Context()); err != nil || len(problems) > 0 {
		t.Errorf("before: %v %v", problems, err)
	}
	if err := s.Forge(1, running); err != nil {
		t.Fatal(err)
	}
	problems, err := s.Check(t.Context())
	if err != nil || !strings.Contains(fmt.Sprint(problems), "counts of ada") {
		t.Errorf("%v %v", problems, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

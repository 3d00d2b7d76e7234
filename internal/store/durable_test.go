package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/wal"
)

// contents are all records of all buckets, and their sequences.
func contents(t *testing.T, s *Store) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := s.inTx(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			all[string(name)] = strconv.FormatUint(b.Sequence(), 10)
			return b.ForEach(func(k, v []byte) error {
				all[string(name)+"\x00"+string(k)] = string(v)
				return nil
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// image is what is on a disk: the database and the two files of its log.
type image [3][]byte

func diskFiles(path string) [3]string { return [3]string{path, path + "-wal0", path + "-wal1"} }

func takeImage(t *testing.T, path string) (im image) {
	t.Helper()
	for i, name := range diskFiles(path) {
		b, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		im[i] = b
	}
	return im
}

func (im *image) place(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jobs.db")
	for i, name := range diskFiles(path) {
		if im[i] != nil {
			if err := os.WriteFile(name, im[i], 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return path
}

// check opens a disk after a crash and compares it with what was there.
func (im *image) check(t *testing.T, want map[string]string) {
	t.Helper()
	path := im.place(t)
	s, err := Open(Config{Path: path, noSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := contents(t, s); !maps.Equal(got, want) {
		t.Errorf("%d records, and there were %d", len(got), len(want))
	}
	if problems, err := s.Check(t.Context()); err != nil || len(problems) > 0 {
		t.Errorf("check: %v %v", problems, err)
	}
	if _, _, err := s.Submit(t.Context(), []*jobsv1.Job{{Service: "A"}}, SubmitOptions{Owner: "ada"}); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if wal.Exists(path) {
		t.Error("a log is left after a close")
	}
	if problems, err := CheckFile(path); err != nil || len(problems) > 0 {
		t.Errorf("check the file: %v %v", problems, err)
	}
}

// live has something happen to the store of every kind that is written. n makes it another time.
func live(t *testing.T, s *Store, n int) {
	t.Helper()
	ctx := WithAudit(t.Context(), &storev1.AuditEntry{User: "ada", Method: "/test"})
	name := strconv.Itoa(n)
	jobs, _, err := s.Submit(ctx, []*jobsv1.Job{
		{Service: "A", OutputName: "a" + name, Labels: map[string]string{"n": name}}, {Service: "B", OutputName: "b" + name},
	}, SubmitOptions{Owner: "ada", RequestID: name})
	if err != nil {
		t.Fatal(err)
	}
	first, err := job.ParseID(jobs[0].GetId())
	if err != nil {
		t.Fatal(err)
	}
	into := func(state jobsv1.State) func(*storev1.Record) error {
		return func(r *storev1.Record) error { r.Job.State = state; return nil }
	}
	_, running := s.Update(ctx, Everyone, first, into(jobsv1.State_STATE_RUNNING))
	_, share := s.Share(ctx, Everyone, first, &jobsv1.Share{User: "bob", Rights: []jobsv1.ShareRight{jobsv1.ShareRight_SHARE_RIGHT_RESULTS}})
	_, second := s.UpdateMany(ctx, Everyone, []job.ID{first, first + 1}, into(jobsv1.State_STATE_CANCELLED))
	_, issue := s.AddIssue(ctx, first, &storev1.Issue{Description: name})
	_, session := s.PutSession(ctx, SessionHash{byte(n)}, &storev1.Session{Id: name, User: "ada"}, 3)
	err = errors.Join(running, share, second, issue, session,
		s.TouchSession(ctx, SessionHash{byte(n)}, time.Unix(int64(n), 0)),
		s.PutToken(ctx, TokenHash{byte(n)}, &storev1.Token{Id: name, User: "ada"}, 0),
		s.TouchTokens(ctx, map[TokenHash]time.Time{{byte(n)}: time.Unix(int64(n), 0)}),
		s.SetSettings(ctx, &storev1.Settings{Message: name}))
	if n%3 == 2 {
		_, deleted := s.Delete(ctx, first)
		_, gone := s.DeleteSession(ctx, SessionHash{byte(n)})
		err = errors.Join(err, deleted, gone, s.DeleteToken(ctx, name, ""), s.Unshare(ctx, Everyone, first-2, "bob"))
	}
	if err != nil && !errors.Is(err, job.ErrNotFound) {
		t.Fatal(err)
	}
}

// TestPagesReachTheDiskInAnyOrder is a machine that loses its power. Of each page of the
// database that was written since the base was synced, the disk has any of the versions that there
// were; the log is as it was at the last acknowledgement.
func TestPagesReachTheDiskInAnyOrder(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 1))
		path := filepath.Join(t.TempDir(), "jobs.db")
		s, err := Open(Config{Path: path, noSync: true, moveAt: 40 * 4096})
		if err != nil {
			t.Fatal(err)
		}
		images := []image{takeImage(t, path)}
		moved := 0
		for n := range 12 {
			live(t, s, n)
			im := takeImage(t, path)
			past, err := wal.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			base := ne.Uint64(past.Base[metaTx:])
			for len(images) > 0 && newest(images[0][0]) < base { // what was there before the base is over
				images = images[1:]
				moved++
			}
			images = append(images, im)
			im[0] = mixed(r, images)
			im.check(t, contents(t, s))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if moved == 0 {
			t.Error("the base never moved on")
		}
	}
}

// newest is the last transaction of a database.
func newest(file []byte) uint64 {
	return max(ne.Uint64(file[metaTx:]), ne.Uint64(file[os.Getpagesize()+metaTx:]))
}

// mixed is a database with each page from any of the images, at least as long as the first.
func mixed(r *rand.Rand, images []image) []byte {
	page := os.Getpagesize()
	var file []byte
	for at := 0; at < len(images[len(images)-1][0]); at += page {
		from := images[r.IntN(len(images))][0]
		if at >= len(from) {
			if at >= len(images[0][0]) && r.IntN(50) == 0 {
				break // the file had not grown
			}
			file = append(file, make([]byte, page)...)
			continue
		}
		file = append(file, from[at:at+page]...)
	}
	return file
}

// TestAStoreIsTheSameAfterACrash has every kind of write in the log, and nothing else.
func TestAStoreIsTheSameAfterACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s, err := Open(Config{Path: path, noSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	before := takeImage(t, path)
	for n := range 10 {
		live(t, s, n)
	}
	after := takeImage(t, path)
	if bytes.Equal(before[1], after[1]) {
		t.Fatal("nothing is in the log")
	}
	after[0] = before[0]
	want := contents(t, s)
	after.check(t, want)
	// The tools for a server that does not run see it too.
	var b bytes.Buffer
	p := after.place(t)
	n, err := BackupFile(p, &b)
	if err != nil || n != int64(b.Len()) || wal.Exists(p) {
		t.Fatalf("backup: %d %v", n, err)
	}
	alone := image{b.Bytes()}
	alone.check(t, want)
	if report, err := VerifyAudit(after.place(t), nil); err != nil || len(report.Problems) > 0 || report.End != s.AuditHead() {
		t.Errorf("audit: %+v %v", report, err)
	}
	if _, _, err := Compact(after.place(t), filepath.Join(t.TempDir(), "small.db")); err != nil {
		t.Error(err)
	}
}

// TestAStartMayCrashToo crashes after a crash, at what a start writes first and last.
func TestAStartMayCrashToo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s, err := Open(Config{Path: path, noSync: true})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		live(t, s, n)
	}
	want, im := contents(t, s), takeImage(t, path)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	for name, migrations := range map[string][]migration{
		"before the log of the new start": append(slices.Clip(migrations), func(*bolt.Tx) error { return boom }),
		"behind it":                       migrations,
	} {
		p := im.place(t)
		s, err := openWith(Config{Path: p, noSync: true, moveAt: 4000}, migrations) // many transactions
		if (err != nil) != errors.Is(err, boom) {
			t.Fatalf("%s: %v", name, err)
		}
		again := takeImage(t, p)
		if s != nil {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if again[1] == nil {
			t.Errorf("%s: there is no log", name)
		}
		again.check(t, want)
	}
}

func TestALogOfAnotherFileIsRefused(t *testing.T) {
	var ims [2]image
	for i := range ims {
		path := filepath.Join(t.TempDir(), "jobs.db")
		s, err := Open(Config{Path: path, noSync: true})
		if err != nil {
			t.Fatal(err)
		}
		live(t, s, i)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = Open(Config{Path: path, noSync: true}); err != nil {
			t.Fatal(err)
		}
		live(t, s, 7)
		ims[i] = takeImage(t, path)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, file := range map[string][]byte{"another file": ims[1][0], "a short file": ims[1][0][:2*os.Getpagesize()], "an empty file": {}} {
		im := ims[0]
		im[0] = file
		path := im.place(t)
		if _, err := Open(Config{Path: path}); !errors.Is(err, job.ErrConflict) || !strings.Contains(err.Error(), "move the two -wal files away") {
			t.Errorf("%s: %v", name, err)
		}
		for i, b := range takeImage(t, path) {
			if !bytes.Equal(b, im[i]) {
				t.Errorf("%s: file %d was changed", name, i)
			}
		}
	}
}

func TestALargeFileHasNoLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	cfg := Config{Path: path, noSync: true, moveAt: 4096, most: 300_000}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; wal.Exists(path); n++ {
		if n > 200 {
			t.Fatal("the log does not end")
		}
		live(t, s, n)
	}
	live(t, s, n+1)
	want := contents(t, s)
	im := takeImage(t, path)
	if im[1] != nil || im[2] != nil {
		t.Error("there is a log again")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	im.check(t, want)
	if s, err = Open(cfg); err != nil || wal.Exists(path) {
		t.Fatalf("open a large file: %v", err)
	}
	live(t, s, n+2)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestALogThatCannotBeWrittenEndsAllWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s, err := Open(Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	live(t, s, 1)
	want, im := contents(t, s), takeImage(t, path)
	if err := s.file.log.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Submit(t.Context(), []*jobsv1.Job{{Service: "A"}}, SubmitOptions{Owner: "ada"})
	if !errors.Is(err, job.ErrStorage) || !errors.Is(s.Healthy(), job.ErrStorage) {
		t.Errorf("%v, %v", err, s.Healthy())
	}
	if got := contents(t, s); !maps.Equal(got, want) {
		t.Error("what was not saved is seen")
	}
	_ = s.Close() // its log is closed already
	im.check(t, want)
}

func TestBrokenEntriesAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s, err := Open(Config{Path: path, noSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	good := appendBytes(appendBytes(appendBytes([]byte{writePut}, bucketMeta), []byte("k")), []byte("v"))
	for name, entry := range map[string][]byte{
		"no kind":       append([]byte{9}, good[1:]...),
		"no bucket":     appendBytes(appendBytes([]byte{writeDelete}, []byte("none")), []byte("k")),
		"cut":           good[:len(good)-1],
		"a long length": append([]byte{writePut}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
		"a short count": appendBytes(appendBytes([]byte{writeSequence}, bucketIssues), []byte{1}),
	} {
		boom := fmt.Errorf("not committed")
		err := s.db.Update(func(tx *bolt.Tx) error { return errors.Join(repeat(tx, entry), boom) })
		if !errors.Is(err, job.ErrStorage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

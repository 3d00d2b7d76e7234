package kv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const (
	jobs = "jobs"
	meta = "meta"
)

// testConfig is small: 1 MiB of address space, and probes that come at once.
func testConfig(path string) Config {
	return Config{Path: path, Buckets: []Bucket{{Name: jobs, FillPercent: 0.6}, {Name: meta}}, mapSize: 1 << 20}
}

func openTest(t *testing.T, change func(*Config)) *DB {
	t.Helper()
	cfg := testConfig(filepath.Join(t.TempDir(), "jobs.db"))
	if change != nil {
		change(&cfg)
	}
	return openConfig(t, cfg)
}

func openConfig(t *testing.T, cfg Config) *DB {
	t.Helper()
	db, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if len(db.cfg.Path) > 0 && !db.stuck.Load() {
			checkClean(t, db.cfg.Path)
		}
	})
	return db
}

func checkClean(t *testing.T, path string) {
	t.Helper()
	if err := Check(path, func(s string) { t.Errorf("check: %s", s) }); err != nil {
		t.Errorf("check: %v", err)
	}
}

func put(key, value string) func(*Tx) error {
	return func(tx *Tx) error { return tx.Put(jobs, []byte(key), []byte(value)) }
}

func (db *DB) mustPut(t *testing.T, key, value string) {
	t.Helper()
	if err := db.Do(t.Context(), Op{Stage: put(key, value)}); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

// contents returns the keys and values of a bucket.
func (db *DB) contents(t *testing.T, bucket string) map[string]string {
	t.Helper()
	m := make(map[string]string)
	if err := db.View(func(tx *ReadTx) error {
		for k, v := range tx.Ascend(bucket, nil) {
			m[string(k)] = string(v)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return m
}

func (db *DB) wantContents(t *testing.T, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, db.contents(t, jobs)); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}

// together has operations staged in one batch, in their order, and returns their outcomes.
func (db *DB) together(ctx context.Context, ops ...Op) []error {
	db.mu.Lock()
	errs := make([]error, len(ops))
	var wg sync.WaitGroup
	for i, op := range ops {
		p := &pending{Op: op, ctx: ctx, done: make(chan struct{}, 1)}
		db.queue.mu.Lock() // as push, but without waking the writer
		db.queue.ops = append(db.queue.ops, p)
		db.queue.bytes += int64(op.Bytes)
		db.queue.mu.Unlock()
		wg.Go(func() {
			<-p.done
			errs[i] = p.err
		})
	}
	db.queue.signal()
	db.mu.Unlock()
	wg.Wait()
	return errs
}

func TestAcknowledgedIsThereAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	db, err := Open(testConfig(path))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for i := range 100 {
		k := fmt.Sprint("job", i)
		db.mustPut(t, k, "value")
		want[k] = "value"
	}
	if err := db.Do(t.Context(), Op{Stage: func(tx *Tx) error {
		delete(want, "job7")
		return tx.Delete(jobs, []byte("job7"))
	}}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	openConfig(t, testConfig(path)).wantContents(t, want)
}

func TestReads(t *testing.T) {
	db := openTest(t, nil)
	for _, k := range []string{"a", "b", "c"} {
		db.mustPut(t, k, "v"+k)
	}
	if err := db.View(func(tx *ReadTx) error {
		if got := string(tx.Get(jobs, []byte("b"))); got != "vb" {
			t.Errorf("Get(b) = %q", got)
		}
		if tx.Get(jobs, []byte("x")) != nil || tx.Get("none", []byte("b")) != nil || tx.Has("none") || !tx.Has(jobs) {
			t.Error("what is not there was found")
		}
		if tx.Sequence("none") != 0 {
			t.Error("a bucket that is not there has something")
		}
		for _, c := range []struct {
			keys iter.Seq2[[]byte, []byte]
			want string
		}{
			{tx.Ascend("none", nil), ""},
			{tx.Descend("none", nil), ""},
			{tx.Ascend(jobs, nil), "abc"},
			{tx.Ascend(jobs, []byte("b")), "bc"},
			{tx.Ascend(jobs, []byte("bb")), "c"},
			{tx.Ascend(jobs, []byte("d")), ""},
			{tx.Descend(jobs, nil), "cba"},
			{tx.Descend(jobs, []byte("b")), "a"},
			{tx.Descend(jobs, []byte("bb")), "ba"},
			{tx.Descend(jobs, []byte("d")), "cba"},
			{tx.Descend(jobs, []byte("a")), ""},
		} {
			var got string
			for k, v := range c.keys {
				if got += string(k); string(v) != "v"+string(k) {
					t.Errorf("%s has the value %s", k, v)
				}
			}
			if got != c.want {
				t.Errorf("the keys are %q, want %q", got, c.want)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	own := errors.New("own")
	if err := db.View(func(*ReadTx) error { return own }); !errors.Is(err, own) {
		t.Errorf("View returned %v, want fn's error", err)
	}
	if err := db.View(func(*ReadTx) error { panic("bad page") }); !errors.Is(err, ErrDamaged) {
		t.Errorf("View returned %v after a panic, want ErrDamaged", err)
	}
	db.mustPut(t, "d", "vd") // the panic has left no lock
}

func TestBatchReadsWhatWasStagedBefore(t *testing.T) {
	db := openTest(t, nil)
	var seen, entry string
	errs := db.together(t.Context(), Op{Stage: put("a", "1")}, Op{Stage: func(tx *Tx) error {
		seen, entry = string(tx.Get(jobs, []byte("a"))), string(tx.Entry())
		return nil
	}})
	if err := errors.Join(errs...); err != nil || seen != "1" || entry != string(appendPut(nil, jobs, []byte("a"), []byte("1"))) {
		t.Errorf("second operation saw %q and the entry %q, %v", seen, entry, err)
	}
	if got := db.Stats().Commits; got != 1 {
		t.Errorf("%d commits, want one for the batch", got)
	}
}

func TestSequenceIsPartOfTheEntry(t *testing.T) {
	var applied []Write
	db := openTest(t, func(c *Config) {
		c.Apply = func(entry []byte) {
			_ = Replay(entry, func(w Write) error { applied = append(applied, w); return nil })
		}
	})
	for want := uint64(1); want <= 3; want++ {
		if err := db.Do(t.Context(), Op{Stage: func(tx *Tx) error {
			got, err := tx.NextSequence(jobs)
			if got != want {
				t.Errorf("NextSequence = %d, want %d", got, want)
			}
			return err
		}}); err != nil {
			t.Fatal(err)
		}
	}
	want := []Write{
		{Kind: KindSequence, Bucket: jobs, Sequence: 1},
		{Kind: KindSequence, Bucket: jobs, Sequence: 2},
		{Kind: KindSequence, Bucket: jobs, Sequence: 3},
	}
	if diff := cmp.Diff(want, applied); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
}

func TestHooksOfABatch(t *testing.T) {
	var order []string
	db := openTest(t, func(c *Config) {
		c.Begin = func(tx *Tx) { order = append(order, "begin") }
		c.Finish = func(tx *Tx) error {
			order = append(order, "finish")
			return tx.Put(meta, []byte("counter"), []byte("1"))
		}
		c.Apply = func(entry []byte) {
			order = append(order, fmt.Sprint("apply ", bytes.Contains(entry, []byte("counter"))))
		}
		c.Notify = func() { order = append(order, "notify") }
	})
	db.mustPut(t, "a", "1")
	if err := db.Do(t.Context(), Op{Stage: func(*Tx) error { return nil }}); err != nil {
		t.Fatal(err)
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if diff := cmp.Diff([]string{"begin", "finish", "apply true", "notify", "begin"}, order); diff != "" {
		t.Errorf("calls; one that writes nothing has no Finish and no commit (-want +got):\n%s", diff)
	}
}

func TestFinishRefusesABatch(t *testing.T) {
	own := errors.New("own")
	var fail bool
	db := openTest(t, func(c *Config) {
		c.Finish = func(*Tx) error {
			if fail {
				return own
			}
			return nil
		}
	})
	fail = true
	if err := db.Do(t.Context(), Op{Stage: put("a", "1")}); !errors.Is(err, own) {
		t.Errorf("Do = %v, want Finish's error", err)
	}
	fail = false
	db.mustPut(t, "b", "2")
	db.wantContents(t, map[string]string{"b": "2"})
}

func TestCancelledBeforeItIsTakenUp(t *testing.T) {
	db := openTest(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Do(ctx, Op{Stage: put("a", "1")}); !errors.Is(err, context.Canceled) {
		t.Errorf("Do = %v, want context.Canceled", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	if err := db.Do(ctx, Op{Stage: func(tx *Tx) error { cancel(); return put("b", "2")(tx) }}); err != nil {
		t.Errorf("cancelled after it was taken up: %v, want its outcome", err)
	}
	db.wantContents(t, map[string]string{"b": "2"})
}

func TestClosedRefuses(t *testing.T) {
	db := openTest(t, nil)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"Do":         db.Do(t.Context(), Op{Stage: put("a", "1")}),
		"View":       db.View(func(*ReadTx) error { return nil }),
		"ApplyEntry": db.ApplyEntry(nil),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s = %v, want ErrClosed", name, err)
		}
	}
}

func TestCloseWritesWhatWasAccepted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	db, err := Open(testConfig(path))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	acknowledged := make([]bool, 100)
	for i := range acknowledged {
		wg.Go(func() { acknowledged[i] = db.Do(t.Context(), Op{Stage: put(strconv.Itoa(i), "x")}) == nil })
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	got := openConfig(t, testConfig(path)).contents(t, jobs)
	for i, yes := range acknowledged {
		if _, there := got[strconv.Itoa(i)]; there != yes {
			t.Errorf("operation %d: acknowledged %t, there %t", i, yes, there)
		}
	}
}

func TestUnknownBucketAndKeysThatBboltRefuses(t *testing.T) {
	db := openTest(t, nil)
	if err := db.Do(t.Context(), Op{Stage: func(tx *Tx) error { return tx.Put("none", []byte("k"), nil) }}); !errors.Is(err, ErrNoBucket) {
		t.Errorf("put into no bucket: %v", err)
	}
	if err := db.Do(t.Context(), Op{Stage: func(tx *Tx) error { return tx.Put(jobs, nil, nil) }}); err == nil {
		t.Error("put without a key was acknowledged")
	}
	if err := db.Do(t.Context(), Op{Stage: func(tx *Tx) error {
		_ = tx.Put(jobs, nil, nil)
		return put("a", "1")(tx)
	}}); err != nil {
		t.Errorf("an operation that goes on after an error: %v", err)
	}
	db.wantContents(t, map[string]string{"a": "1"})
}

func TestCommitIsSharedByCallersWhoComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openTest(t, nil)
		const callers, rounds = 64, 20
		var wg sync.WaitGroup
		for c := range callers {
			wg.Go(func() {
				for r := range rounds {
					if err := db.Do(t.Context(), Op{Stage: put(fmt.Sprint(c, "-", r), "x")}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if got := db.Stats().Commits; got >= callers*rounds/4 {
			t.Errorf("%d commits for %d operations", got, callers*rounds)
		}
		if got := len(db.contents(t, jobs)); got != callers*rounds {
			t.Errorf("%d records, want %d", got, callers*rounds)
		}
		_ = db.Close()
	})
}

func TestReplacedFileIsNotTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	old, err := Open(testConfig(path))
	if err != nil {
		t.Fatal(err)
	}
	old.mustPut(t, "a", "old")
	other := path + "2"
	if err := old.Do(t.Context(), Op{Stage: put("b", "both")}); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Snapshot(other); err != nil {
		t.Fatal(err)
	}
	// The file is replaced between the opening and the lock of the second Open.
	hooked := hookFS{open: func() {
		if err := errors.Join(os.Rename(other, path), old.Close()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}}
	cfg := testConfig(path)
	cfg.FS = &hooked
	db := openConfig(t, cfg)
	db.mustPut(t, "c", "new")
	if same, err := isSame(db.file, path); !same || err != nil {
		t.Errorf("the open file is not the one that has the name: %v", err)
	}
	db.wantContents(t, map[string]string{"a": "old", "b": "both", "c": "new"})
}

func isSame(f *os.File, path string) (bool, error) {
	a, err := f.Stat()
	if err != nil {
		return false, err
	}
	b, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	return os.SameFile(a, b), nil
}

// hookFS calls open once, after the first file was opened.
type hookFS struct {
	osFS
	open func()
}

func (h *hookFS) OpenFile(name string, flag int, mode os.FileMode) (*os.File, error) {
	f, err := h.osFS.OpenFile(name, flag, mode)
	if fn := h.open; fn != nil {
		h.open = nil
		fn()
	}
	return f, err
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open.db")
	db := openConfig(t, testConfig(open))
	for i := range 50 {
		db.mustPut(t, strconv.Itoa(i), string(make([]byte, 2000)))
	}
	short := filepath.Join(dir, "short.db")
	if _, err := db.Snapshot(short); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(short, 5*4096); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, bytes.Repeat([]byte("not a database\n"), 2000), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		open: ErrLocked, short: ErrDamaged, text: ErrNotDatabase, filepath.Join(dir, "none", "x.db"): fs.ErrNotExist,
	} {
		cfg := testConfig(path)
		cfg.LockTimeout = 1
		if db, err := Open(cfg); !errors.Is(err, want) {
			t.Errorf("open %s: %v, want %v", filepath.Base(path), err, want)
			if db != nil {
				_ = db.Close()
			}
		}
	}
	for _, path := range []string{short, text} {
		var problems []string
		if err := Check(path, func(s string) { problems = append(problems, s) }); err != nil || len(problems) != 1 {
			t.Errorf("check %s: %q, %v, want one problem", filepath.Base(path), problems, err)
		}
	}
	if err := Check(open, func(string) {}); !errors.Is(err, ErrLocked) {
		t.Errorf("check of an open database: %v, want ErrLocked", err)
	}
}

func TestMapsLessWhereAddressSpaceIsShort(t *testing.T) {
	// More than any process has.
	db := openTest(t, func(c *Config) { c.mapSize = 1 << 47 })
	db.mustPut(t, "a", "1")
	db.wantContents(t, map[string]string{"a": "1"})
}

func TestLeftoversAreRemovedAtOpen(t *testing.T) {
	dir := t.TempDir()
	gone := []string{"jobs.db.partial", "jobs.db.backup.partial", "jobs.db.probe"}
	stay := []string{"other.partial", "jobs.db.backup"}
	for _, name := range append(gone, stay...) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	openConfig(t, testConfig(filepath.Join(dir, "jobs.db")))
	for _, name := range gone {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there: %v", name, err)
		}
	}
	for _, name := range stay {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestErrorsOfNoSpaceAreFoundInTexts(t *testing.T) {
	for _, err := range []error{
		unix.ENOSPC, unix.EDQUOT, &fs.PathError{Op: "write", Err: unix.ENOSPC},
		fmt.Errorf("file resize error: %s", &fs.PathError{Op: "truncate", Path: "x", Err: unix.EDQUOT}), //nolint:errorlint // as bbolt does
	} {
		if !noSpace(err) {
			t.Errorf("%v is not taken for a want of space", err)
		}
	}
	for _, err := range []error{nil, unix.EIO, errors.Join(unix.EIO, fs.ErrClosed)} {
		if noSpace(err) {
			t.Errorf("%v is taken for a want of space", err)
		}
	}
}

package kv

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
)

func TestSnapshotIsTheStateOfOneMoment(t *testing.T) {
	db := openTest(t, nil)
	want := map[string]string{}
	for i := range 50 {
		k := fmt.Sprint("k", i)
		db.mustPut(t, k, strings.Repeat("v", 500))
		want[k] = strings.Repeat("v", 500)
	}
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(path, []byte("an older copy"), 0o600); err != nil {
		t.Fatal(err)
	}
	size, err := db.Snapshot(path)
	if err != nil {
		t.Fatal(err)
	}
	db.mustPut(t, "later", "x")
	if info, err := os.Stat(path); err != nil || info.Size() != size {
		t.Errorf("Snapshot said %d bytes; %v, %v", size, info, err)
	}
	if _, err := os.Stat(path + partialSuffix); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a partial file is left: %v", err)
	}
	openConfig(t, testConfig(path)).wantContents(t, want)
	if _, err := db.Snapshot(filepath.Join(t.TempDir(), "none", "copy.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("snapshot into no folder: %v", err)
	}
}

func TestCompactKeepsEverythingAndGivesBackSpace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	db, err := Open(testConfig(path))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		db.mustPut(t, fmt.Sprintf("k%03d", i), strings.Repeat("v", 1000))
	}
	if err := db.Do(t.Context(), Op{Stage: func(tx *Tx) error {
		for i := range 190 {
			if err := tx.Delete(jobs, []byte(fmt.Sprintf("k%03d", i))); err != nil {
				return err
			}
		}
		_, err := tx.NextSequence(jobs)
		return err
	}}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Compact(testConfig(path)); !errors.Is(err, ErrLocked) {
		t.Errorf("compact of an open database: %v, want ErrLocked", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	want := dump(t, path)
	before, after, err := Compact(testConfig(path))
	if err != nil || after >= before || after < 10_000 {
		t.Errorf("Compact = %d, %d, %v", before, after, err)
	}
	if diff := cmp.Diff(want, dump(t, path)); diff != "" {
		t.Errorf("compact changed something (-before +after):\n%s", diff)
	}
	checkClean(t, path)
	if _, _, err := Compact(testConfig(path + "2")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("compact of nothing: %v", err)
	}
}

// lockedFS reports whether the database is locked at each rename.
type lockedFS struct {
	osFS
	at func()
}

func (l lockedFS) Rename(from, to string) error {
	l.at()
	return l.osFS.Rename(from, to)
}

func (l lockedFS) SyncFolder(name string) error {
	l.at()
	return l.osFS.SyncFolder(name)
}

func TestCompactHoldsTheLockUntilTheNameIsDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	db, err := Open(testConfig(path))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	original, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer original.Close()
	cfg, steps := testConfig(path), 0
	cfg.FS = lockedFS{at: func() {
		steps++
		_, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: 1, OpenFile: func(string, int, os.FileMode) (*os.File, error) {
			return os.Open(fmt.Sprint("/proc/self/fd/", original.Fd())) // the file that a server has waited for
		}})
		if err == nil {
			t.Error("the original is not locked")
		}
	}}
	if _, _, err := Compact(cfg); err != nil || steps != 2 {
		t.Errorf("Compact: %v after %d steps", err, steps)
	}
}

// damage overwrites a page of a bucket.
func damage(t *testing.T, path string, change func(page []byte)) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := os.Getpagesize()
	done := false
	for at := 2 * size; at+size <= len(data); at += size {
		page := data[at : at+size]
		if page[8] == 2 && strings.Contains(string(page), "k05") { // a leaf
			change(page)
			done = true
		}
	}
	if !done {
		t.Fatal("no page was found")
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCheckSaysWhichBucketCannotBeRead(t *testing.T) {
	for name, change := range map[string]func([]byte){
		"zeros":          func(p []byte) { clear(p) },
		"another number": func(p []byte) { p[0]++ },
		"keys in disorder": func(p []byte) {
			i := strings.Index(string(p), "k05")
			copy(p[i:], "zzz")
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "jobs.db")
			db, err := Open(testConfig(path))
			if err != nil {
				t.Fatal(err)
			}
			for i := range 100 {
				db.mustPut(t, fmt.Sprintf("k%03d", i), strings.Repeat("v", 300))
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if err := Check(path, func(s string) { t.Error(s) }); err != nil {
				t.Error(err)
			}
			damage(t, path, change)
			var problems []string
			if err := Check(path, func(s string) { problems = append(problems, s) }); err != nil {
				t.Error(err)
			}
			if len(problems) != 1 || !strings.HasPrefix(problems[0], "bucket jobs cannot be read after ") || strings.Contains(problems[0], " 100 keys") {
				t.Errorf("problems: %q", problems)
			}
		})
	}
}

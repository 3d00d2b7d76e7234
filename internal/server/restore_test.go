package server

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/file"
)

// program writes a shell script that stands for this program.
func program(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	return path
}

// Whatever becomes of the child, the check says what it means.
func TestACheckKnowsHowItsChildEnded(t *testing.T) {
	for _, c := range []struct {
		script, problems, err string
		code                  int
	}{
		{"echo checked", "", "", exitOK},
		{"echo 'job 1: bad'; echo checked", "job 1: bad", "", exitOK},
		{"echo 'job 1: bad'; echo 'panic: page' >&2; exit 2", "job 1: bad; file: it is so damaged that its check ended early: panic: page", "", exitOK},
		{"echo checked; exit 2", "checked; file: it is so damaged that its check ended early: ", "", exitOK},
		{"kill -SEGV $$", "file: it is so damaged that its check ended early: ", "", exitOK},
		{"true", "file: it is so damaged that its check ended early: ", "", exitOK},
		{"echo 'stintd: damaged' >&2; exit 3", "file: damaged", "", exitOK},
		{"echo 'stintd: in use' >&2; exit 4", "", "in use", exitLocked},
		{"echo 'stintd: no file' >&2; exit 1", "", "no file", exitFailed},
	} {
		problems, err := checkInChild(t.Context(), program(t, c.script), "x")
		if got := strings.Join(problems, "; "); got != c.problems || exitCode(err) != c.code || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%s: %q, %v", c.script, got, err)
		}
	}
	if _, err := checkInChild(t.Context(), "/no/such/program", "x"); err == nil {
		t.Error("a program that is not there has checked")
	}
}

// database makes a database file with settings.
func database(t *testing.T, path string, set *storev1.Settings) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.SetSettings(t.Context(), set); err != nil {
		t.Error(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRestoreAndAdoptRefuse(t *testing.T) {
	dir := t.TempDir()
	good, old := filepath.Join(dir, "good.db"), filepath.Join(dir, "old.db")
	database(t, good, &storev1.Settings{InstallId: "good", Incarnation: "i", PlaceId: "p"})
	database(t, old, &storev1.Settings{InstallId: "old"})
	foreign := filepath.Join(dir, "foreign")
	f := foldersOf("", foreign)
	if err := f.make(); err != nil {
		t.Fatal(err)
	}
	if err := writeMarker(f, &storev1.Settings{InstallId: "other", PlaceId: "q"}); err != nil {
		t.Fatal(err)
	}
	first := filepath.Join(dir, "first")
	database(t, filepath.Join(first, databaseName), &storev1.Settings{})
	for _, c := range []struct {
		words string
		code  int
		args  []string
	}{
		{"look at the backup", exitFailed, []string{"restore", filepath.Join(dir, "none"), "--data", filepath.Join(dir, "a")}},
		{"first edition", exitRefused, []string{"restore", old, "--data", filepath.Join(dir, "b")}},
		{"belongs to installation other", exitRefused, []string{"restore", good, "--data", foreign}},
		{"first edition", exitRefused, []string{"restore", good, "--data", first}},
		{"there is no database", exitFailed, []string{"adopt", "--data", filepath.Join(dir, "c")}},
		{"give --data, too", exitUsage, []string{"adopt", "--state", filepath.Join(dir, "c")}},
	} {
		if code, _, said := stintd(t, c.args...); code != c.code || !strings.Contains(said, c.words) {
			t.Errorf("stintd %v: exit code %d, %s", c.args, code, said)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", "state", databaseName+"*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	unlock, err := f.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if code, _, said := stintd(t, "restore", good, "--data", foreign); code != exitLocked {
		t.Errorf("beside a server: exit code %d, %s", code, said)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}

// A folder whose database has another format is refused with what it is and what to do, by a start and by each tool, and
// stays as it is.
func TestFoldersOfOtherFormatsAreRefusedWithWords(t *testing.T) {
	for name, c := range map[string]struct {
		change func(meta *bolt.Bucket) error
		words  []string // of all
		start  []string // of a start alone
	}{
		"the first edition": {
			func(meta *bolt.Bucket) error {
				return errors.Join(meta.Delete([]byte("format")), meta.Put([]byte("schema"), []byte{0, 0, 0, 0, 0, 0, 0, 5}))
			},
			[]string{"first edition", "empty state folder", "workspaces"},
			[]string{"Move it away"},
		},
		"an unknown newer format": {
			func(meta *bolt.Bucket) error { return meta.Put([]byte("format"), []byte("stint.store.v99")) },
			[]string{"newer version", `"stint.store.v99"`, `"stint.store.v1"`},
			[]string{"Start the version that wrote it", "stintd restore"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			path := foldersOf("", data).database()
			database(t, path, &storev1.Settings{InstallId: "old", Incarnation: "i", PlaceId: "p"})
			db, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			change := func(tx *bolt.Tx) error { return c.change(tx.Bucket([]byte("meta"))) }
			if err := errors.Join(db.Update(change), db.Close()); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			code, _, said := stintd(t, "--data", data, "--services", t.TempDir(), "--listen", "127.0.0.1:0")
			if code != exitRefused {
				t.Errorf("a start has the exit code %d", code)
			}
			for _, want := range slices.Concat(c.words, c.start, []string{path}) {
				if !strings.Contains(said, want) {
					t.Errorf("a start does not say %q: %s", want, said)
				}
			}
			for _, args := range [][]string{
				{"check", "--data", data},
				{"backup", "--data", data, "--to", "-"},
				{"compact", "--data", data},
				{"adopt", "--data", data},
				{"audit", "verify", "--data", data},
				{"audit", "prune", "--data", data, "--before", "2000-01-01"},
				{"restore", path, "--data", t.TempDir()},
			} {
				code, _, said := stintd(t, args...)
				for _, want := range c.words {
					if code == exitOK || !strings.Contains(said, want) {
						t.Errorf("stintd %v: exit code %d without %q: %s", args, code, want, said)
					}
				}
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed, or %v", err)
			}
		})
	}
}

// A restore that cannot mark the data folder says so. The database is in place then, and adopting the folders ends what is
// left to do.
func TestARestoreThatCannotMarkTheFolderIsCompletedByAdopt(t *testing.T) {
	dir := t.TempDir()
	good, data := filepath.Join(dir, "good.db"), filepath.Join(dir, "data")
	database(t, good, &storev1.Settings{InstallId: "good", Incarnation: "i", PlaceId: "p"})
	unblock := blockMarker(t, data)
	if code, _, said := stintd(t, "restore", good, "--data", data); code != exitFailed || !strings.Contains(said, "mark the data folder") {
		t.Fatalf("exit code %d, %s", code, said)
	}
	f := foldersOf("", data)
	if m, err := readMarker(data); m != nil || err != nil {
		t.Errorf("the marker is %+v, %v", m, err)
	}
	unblock()
	if code, _, said := stintd(t, "adopt", "--data", data); code != exitOK {
		t.Fatalf("exit code %d, %s", code, said)
	}
	info, err := file.ReadInfo(f.database())
	if err != nil || info.Settings.GetInstallId() != "good" {
		t.Fatalf("%v, %v", info, err)
	}
	if m, err := readMarker(data); err != nil || !m.fits(f, info.Settings) {
		t.Errorf("the marker is %+v, %v", m, err)
	}
}

// Two restores of one backup go on from different ids and revisions, both far above.
func TestGapsAreLargeAndDiffer(t *testing.T) {
	a, b := revisionGap(), revisionGap()
	if a == b || a < minGap || a >= maxGap {
		t.Errorf("gaps %d and %d", a, b)
	}
	for range 100 {
		if id := idBehindGap(17); id < 100_000_000 || id > 1_002_000_000 || id%idStep != 1 {
			t.Fatalf("id %d", id)
		}
	}
}

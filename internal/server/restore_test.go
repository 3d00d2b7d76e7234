package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/store"
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

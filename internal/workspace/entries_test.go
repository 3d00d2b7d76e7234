package workspace

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stint-jobs/stint/internal/job"
)

// usage is what the owner uses, and again what a count from nothing says: both must be equal.
func usage(t *testing.T, w *Workspace, dir string, o Options) (bytes, entries int64) {
	t.Helper()
	u, err := w.Usage(t.Context(), alice)
	must(t, err)
	fresh := openWorkspace(t, dir, o)
	again, err := fresh.Usage(t.Context(), alice)
	must(t, err)
	if again != u {
		t.Errorf("counted step by step %+v, counted at once %+v", u, again)
	}
	return u.UsedBytes, u.UsedEntries
}

func TestEmptyFilesAndFoldersCount(t *testing.T) {
	o := Options{EntryBytes: 4096}
	w, dir := newWorkspace(t, o)
	check := func(what string, wantBytes, wantEntries int64) {
		t.Helper()
		if bytes, entries := usage(t, w, dir, o); bytes != wantBytes || entries != wantEntries {
			t.Errorf("%s: %d bytes, %d entries, want %d and %d", what, bytes, entries, wantBytes, wantEntries)
		}
	}
	put(t, w, "/a/b/c/empty", "")
	check("an empty file in three folders", 4*4096, 4)
	put(t, w, "/a/b/full", "12345")
	check("a file beside them", 5*4096+5, 5)
	_, err := w.Put(t.Context(), alice, "/a/b/full", strings.NewReader("1"), PutOptions{Overwrite: true})
	must(t, err)
	check("it was replaced", 5*4096+1, 5)
	source := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(source, "x", "y"), 0o700))
	must(t, os.WriteFile(filepath.Join(source, "x", "y", "z"), []byte("123"), 0o600))
	root, err := os.OpenRoot(source)
	must(t, err)
	defer root.Close()
	_, err = w.Import(t.Context(), alice, Import{Source: root, Mark: "m", Targets: []string{"/jobs/one"}})
	must(t, err)
	check("results of a job", 10*4096+4, 10)
	_, err = w.Delete(t.Context(), alice, "/a", DeleteOptions{Recursive: true})
	must(t, err)
	check("a folder was deleted", 5*4096+3, 5)
}

func TestEntriesEndAtTheirLimit(t *testing.T) {
	w, _ := newWorkspace(t, Options{QuotaEntries: 4})
	put(t, w, "/a/b/c", "")
	_, err := w.Put(t.Context(), alice, "/d/e", strings.NewReader(""), PutOptions{})
	wantError(t, err, job.ErrExhausted)
	if !strings.Contains(err.Error(), "may have 4 files and folders") {
		t.Error(err)
	}
	put(t, w, "/a/b/d", "")
	_, err = w.Put(t.Context(), alice, "/a/b/d", strings.NewReader("x"), PutOptions{Overwrite: true})
	must(t, err) // takes no more entries
	root, err := os.OpenRoot(t.TempDir())
	must(t, err)
	defer root.Close()
	_, err = w.Import(t.Context(), alice, Import{Source: root, Mark: "m", Targets: []string{"/r"}})
	wantError(t, err, job.ErrExhausted)
	_, err = w.Delete(t.Context(), alice, "/a/b/d", DeleteOptions{})
	must(t, err)
	put(t, w, "/e", "")
}

func TestAPathHasSoManyNamesAndNoMore(t *testing.T) {
	w, dir := newWorkspace(t, Options{MaxDepth: 3})
	put(t, w, "/a/b/c", "")
	_, err := w.Put(t.Context(), alice, "/a/b/d/e", strings.NewReader(""), PutOptions{})
	if err == nil || !strings.Contains(err.Error(), "has 4 names") {
		t.Error(err)
	}
	source := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(source, "x", "y"), 0o700))
	must(t, os.WriteFile(filepath.Join(source, "x", "z"), nil, 0o600))
	root, err := os.OpenRoot(source)
	must(t, err)
	defer root.Close()
	in, err := w.Import(t.Context(), alice, Import{Source: root, Mark: "m", Targets: []string{"/r"}})
	must(t, err)
	if _, err := os.Stat(filepath.Join(dir, alice, "r", "x", "z")); err != nil || in.Skipped.Count != 0 {
		t.Errorf("%v, skipped %+v", err, in.Skipped)
	}
	in, err = w.Import(t.Context(), alice, Import{Source: root, Mark: "n", Targets: []string{"/jobs/r"}})
	must(t, err)
	if in.Skipped.Count != 2 {
		t.Errorf("skipped %+v, want what lies too deep", in.Skipped)
	}
}

package workspace

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/job"
)

const alice = "alice@example.org"

// newWorkspace is an empty workspace and the folder on disk that holds it.
func newWorkspace(t *testing.T, o Options) (*Workspace, string) {
	t.Helper()
	dir := t.TempDir()
	return openWorkspace(t, dir, o), dir
}

func openWorkspace(tb testing.TB, dir string, o Options) *Workspace {
	tb.Helper()
	w, err := Open(dir, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := w.Close(); err != nil {
			tb.Error(err)
		}
	})
	return w
}

func put(t *testing.T, w *Workspace, p, content string) {
	t.Helper()
	if _, err := w.Put(t.Context(), alice, p, strings.NewReader(content), PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, w *Workspace, p string) string {
	t.Helper()
	f, err := w.Open(t.Context(), alice, p)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// shownPaths are all entries of a folder.
func shownPaths(t *testing.T, w *Workspace, folder string) []string {
	t.Helper()
	l, err := w.List(t.Context(), alice, folder, Page{})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, e := range l.Entries {
		paths = append(paths, e.GetPath())
	}
	return paths
}

func used(t *testing.T, w *Workspace) int64 {
	t.Helper()
	u, err := w.Usage(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	return u.UsedBytes
}

// onDisk are the names of everything in a real folder and below, sorted.
func onDisk(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if name, _ := filepath.Rel(dir, p); name != "." {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

// wantInvalid checks that err blames one field of the request.
func wantInvalid(t *testing.T, err error, field string) {
	t.Helper()
	var invalid *job.InvalidError
	if !errors.As(err, &invalid) || len(invalid.Violations) != 1 || invalid.Violations[0].Field != field {
		t.Fatalf("got error %v, want an invalid %s", err, field)
	}
}

func TestAnOwnerNameIsNeverAPath(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	for _, owner := range []string{"", ".", "..", "a/b", "../x", "/etc", ".hidden", "-x", "a\x00b", "a b", "ä", strings.Repeat("a", 129)} {
		_, err := w.Put(t.Context(), owner, "/f", strings.NewReader("x"), PutOptions{})
		wantInvalid(t, err, "owner")
		_, err = w.List(t.Context(), owner, "/", Page{})
		wantInvalid(t, err, "owner")
		_, err = w.Open(t.Context(), owner, "/f")
		wantInvalid(t, err, "owner")
	}
	if found := onDisk(t, dir); len(found) > 0 {
		t.Fatalf("a refused owner left %q", found)
	}
}

func TestOwnersDoNotSeeEachOther(t *testing.T) {
	w, _ := newWorkspace(t, Options{})
	put(t, w, "/secret", "of alice")
	for _, other := range []string{"bob", "Alice@example.org", "alice"} {
		_, err := w.Open(t.Context(), other, "/secret")
		wantError(t, err, job.ErrNotFound)
		l, err := w.List(t.Context(), other, "/", Page{})
		if err != nil || len(l.Entries) > 0 {
			t.Fatalf("%s sees %v, %v", other, l.Entries, err)
		}
	}
}

func TestATreeThatIsALinkIsRefused(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	put(t, w, "/secret", "of alice")
	must(t, os.Symlink(alice, filepath.Join(dir, "mallory")))
	if _, err := w.Open(t.Context(), "mallory", "/secret"); err == nil {
		t.Fatal("read another owner's file through a link")
	}
}

func TestOpenRemovesWhatACrashLeft(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	put(t, w, "/kept", "x")
	temp := filepath.Join(dir, alice, tempDir)
	must(t,
		os.MkdirAll(filepath.Join(temp, "half-an-import", "below"), 0o755),
		os.WriteFile(filepath.Join(temp, "half-an-upload"), []byte("half"), 0o600),
	)
	w = openWorkspace(t, dir, Options{})
	if _, err := os.Stat(temp); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("leftovers are still there: %v", err)
	}
	if got := read(t, w, "/kept"); got != "x" {
		t.Fatalf("kept file reads %q", got)
	}
}

// hostile makes links, a pipe and a device-like socket in alice's tree, as a
// command that runs as the same system user could, and answers the folder outside.
func hostile(t *testing.T, dir string) string {
	t.Helper()
	outside := t.TempDir()
	tree := filepath.Join(dir, alice)
	must(t,
		os.MkdirAll(filepath.Join(tree, "in"), 0o755),
		os.WriteFile(filepath.Join(tree, "in", "file"), []byte("inside"), 0o644),
		os.WriteFile(filepath.Join(outside, "canary"), []byte("outside"), 0o644),
		os.Symlink(filepath.Join(outside, "canary"), filepath.Join(tree, "link-file")),
		os.Symlink(outside, filepath.Join(tree, "link-folder")),
		os.Symlink("../../../../../../../../etc", filepath.Join(tree, "link-up")),
		os.Symlink("/", filepath.Join(tree, "link-root")),
		os.Symlink("nothing", filepath.Join(tree, "link-nowhere")),
		os.Symlink("link-loop", filepath.Join(tree, "link-loop")),
		os.Symlink("in/file", filepath.Join(tree, "good-file")),
		os.Symlink("in", filepath.Join(tree, "good-folder")),
		unix.Mkfifo(filepath.Join(tree, "pipe"), 0o644),
	)
	return outside
}

func TestLinksOutOfTheTreeLeadNowhere(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	outside := hostile(t, dir)
	ctx := t.Context()
	for _, p := range []string{
		"/link-file", "/link-folder", "/link-folder/canary", "/link-up", "/link-up/passwd", "/link-root",
		"/link-root/etc/passwd", "/link-nowhere", "/link-loop", "/link-loop/x", "/pipe", "/pipe/x", "/in/file/x",
	} {
		_, err := w.Open(ctx, alice, p)
		wantError(t, err, job.ErrNotFound)
		_, err = w.Stat(ctx, alice, p)
		wantError(t, err, job.ErrNotFound)
	}
	for _, p := range []string{"/link-folder", "/link-up", "/link-root", "/link-loop"} {
		_, err := w.List(ctx, alice, p, Page{})
		wantError(t, err, job.ErrNotFound)
		for _, o := range []PutOptions{{}, {Overwrite: true}} {
			_, err = w.Put(ctx, alice, p+"/new", strings.NewReader("x"), o)
			wantInvalid(t, err, "path")
		}
		_, err = w.Delete(ctx, alice, p+"/canary", DeleteOptions{Recursive: true})
		wantError(t, err, job.ErrNotFound)
	}
	if got := shownPaths(t, w, "/"); !slices.Equal(got, []string{"/good-folder", "/in", "/good-file"}) {
		t.Fatalf("shown: %q", got)
	}
	if got := read(t, w, "/good-folder/file"); got != "inside" {
		t.Fatalf("a link within the tree reads %q", got)
	}
	if got := onDisk(t, outside); !slices.Equal(got, []string{"canary"}) {
		t.Fatalf("outside there is now %q", got)
	}
}

func TestLinksAreReplacedAndDeletedNotFollowed(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	outside := hostile(t, dir)
	ctx := t.Context()
	_, err := w.Put(ctx, alice, "/link-file", strings.NewReader("mine"), PutOptions{})
	wantError(t, err, job.ErrAlreadyExists)
	_, err = w.Put(ctx, alice, "/link-file", strings.NewReader("mine"), PutOptions{Overwrite: true})
	must(t, err)
	if got := read(t, w, "/link-file"); got != "mine" {
		t.Fatalf("the replaced link reads %q", got)
	}
	for _, p := range []string{"/link-folder", "/link-root", "/link-nowhere", "/link-loop", "/pipe", "/good-folder"} {
		if _, err := w.Delete(ctx, alice, p, DeleteOptions{Recursive: true}); err != nil {
			t.Fatal(err)
		}
	}
	must(t, os.Symlink(outside, filepath.Join(dir, alice, "in", "out")))
	if _, err := w.Delete(ctx, alice, "/in", DeleteOptions{Recursive: true}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(outside, "canary")); err != nil || string(b) != "outside" {
		t.Fatalf("the file outside is %q, %v", b, err)
	}
}

func FuzzPathsStayInsideTheTree(f *testing.F) {
	for _, p := range []string{
		"/reads/a.fq", "reads//a.fq/", "/", "", "..", "/../x", "/a/../../b", "/a/./b", "a\x00b", "/etc/passwd", "\\..\\x", "/.stint-tmp/x",
		"/.stint-import", "/link-folder/new", "/link-root/tmp/new", "/link-up/new", "/in/../../../new", "/\xff", strings.Repeat("a/", 600), strings.Repeat("a", 256), "/a\n", "/../" + alice + "/x",
	} {
		f.Add(p, true)
		f.Add(p, false)
	}
	base := f.TempDir()
	w, err := Open(filepath.Join(base, "ws"), Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { w.Close() })
	f.Fuzz(func(t *testing.T, p string, recursive bool) {
		tree := filepath.Join(base, "ws", alice)
		must(t, os.RemoveAll(tree))
		outside := hostile(t, filepath.Join(base, "ws"))
		before := onDisk(t, filepath.Join(base, "ws"))
		useEverywhere(t, w, p, recursive)
		for _, name := range onDisk(t, filepath.Join(base, "ws")) {
			if !strings.HasPrefix(name, alice) && !slices.Contains(before, name) {
				t.Fatalf("%q made %q", p, name)
			}
		}
		if got := onDisk(t, outside); !slices.Equal(got, []string{"canary"}) {
			t.Fatalf("%q left %q outside", p, got)
		}
		if b, err := os.ReadFile(filepath.Join(outside, "canary")); err != nil || string(b) != "outside" {
			t.Fatalf("%q changed the file outside to %q, %v", p, b, err)
		}
	})
}

// useEverywhere calls everything that takes a path. What is read must be inside.
func useEverywhere(t *testing.T, w *Workspace, p string, recursive bool) {
	t.Helper()
	ctx := context.Background()
	if clean, err := Clean(p); err == nil {
		if again, err := Clean(clean); err != nil || again != clean || !fs.ValidPath(rel(clean)) || strings.Contains(clean, reserved) {
			t.Fatalf("Clean(%q) = %q, and again %q, %v", p, clean, again, err)
		}
	} else {
		wantInvalid(t, err, "path")
	}
	if f, err := w.Open(ctx, alice, p); err == nil {
		if b, err := io.ReadAll(f); err != nil || string(b) != "inside" {
			t.Fatalf("Open(%q) read %q, %v", p, b, err)
		}
		f.Close()
	}
	_, _ = w.Stat(ctx, alice, p)
	if l, err := w.List(ctx, alice, p, Page{}); err == nil {
		for _, e := range l.Entries {
			if strings.Contains(e.GetPath(), "canary") || strings.Contains(e.GetPath(), reserved) {
				t.Fatalf("List(%q) shows %q", p, e.GetPath())
			}
		}
	}
	_, _ = w.Put(ctx, alice, p, strings.NewReader("inside"), PutOptions{Overwrite: recursive})
	_, _ = w.Delete(ctx, alice, p, DeleteOptions{Recursive: recursive})
}

package workdir

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stint-jobs/stint/internal/job"
)

// trap is an attempt whose output/ holds everything that must not be read.
func trap(t *testing.T) Attempt {
	t.Helper()
	a := newAttempt(t)
	out := a.OutputPath()
	secret := filepath.Join(t.TempDir(), "secret")
	writeFile(t, filepath.Join(secret, "key"), "secret")
	writeFile(t, filepath.Join(a.Path(), "shim.json"), "private")
	writeFile(t, filepath.Join(out, "a.txt"), "A")
	writeFile(t, filepath.Join(out, "a/b.txt"), "BB")
	writeFile(t, filepath.Join(out, "a b\n;$(x).txt"), "odd")
	writeFile(t, filepath.Join(out, "bad\xff.txt"), "not UTF-8")
	for link, target := range map[string]string{
		"inside":      "a/b.txt",
		"absolute":    filepath.Join(out, "a.txt"),
		"escape":      filepath.Join(secret, "key"),
		"escape-dir":  secret,
		"up":          "../shim.json",
		"loop":        "loop",
		"dangling":    "nowhere",
		"inside-dir":  "a",
		"a/up-inside": "../a.txt",
	} {
		if err := os.Symlink(target, filepath.Join(out, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(out, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	// A socket's path is short; the test's folder may not be.
	t.Chdir(out)
	l, err := net.Listen("unix", "socket")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return a
}

func TestListResultsStaysInside(t *testing.T) {
	a := trap(t)
	files, truncated, err := a.ListResults(100)
	if err != nil || truncated {
		t.Fatalf("ListResults() = %v, %v", truncated, err)
	}
	got := map[string]int64{}
	paths := make([]string, 0, len(files))
	for _, f := range files {
		got[f.Path] = f.Size
		paths = append(paths, f.Path)
	}
	want := map[string]int64{"a b\n;$(x).txt": 3, "a.txt": 1, "a/b.txt": 2, "a/up-inside": 1, "bad%FF.txt": 9, "inside": 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a b\n;$(x).txt", "a.txt", "a/b.txt", "a/up-inside", "bad%FF.txt", "inside"}, paths); diff != "" {
		t.Errorf("order: %s", diff)
	}
}

func TestListResultsIsBounded(t *testing.T) {
	a := newAttempt(t)
	for i := range 20 {
		writeFile(t, filepath.Join(a.OutputPath(), "f"+string(rune('a'+i))), "x")
	}
	files, truncated, err := a.ListResults(20)
	if err != nil || truncated || len(files) != 20 {
		t.Errorf("ListResults(20) = %d files, %v, %v", len(files), truncated, err)
	}
	if files, truncated, err = a.ListResults(19); err != nil || !truncated || len(files) != 19 {
		t.Errorf("ListResults(19) = %d files, %v, %v", len(files), truncated, err)
	}
	deep := filepath.Join(a.OutputPath(), strings.Repeat("d/", depthMost+2))
	writeFile(t, filepath.Join(deep, "f"), "x")
	if files, truncated, err = a.ListResults(100); err != nil || !truncated || len(files) != 20 {
		t.Errorf("ListResults() of a deep tree = %d files, %v, %v", len(files), truncated, err)
	}
}

func TestListResultsWithoutOutput(t *testing.T) {
	a := newAttempt(t)
	if err := os.Remove(a.OutputPath()); err != nil {
		t.Fatal(err)
	}
	check := func(what string) {
		t.Helper()
		if files, truncated, err := a.ListResults(10); len(files) != 0 || truncated || err != nil {
			t.Errorf("%s: ListResults() = %v, %v, %v", what, files, truncated, err)
		}
		if _, _, err := a.OpenResult("x"); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("%s: OpenResult() = %v", what, err)
		}
	}
	check("no output/")
	if err := syscall.Mkfifo(a.OutputPath(), 0o600); err != nil {
		t.Fatal(err)
	}
	check("a FIFO for output/")
	os.Remove(a.OutputPath())
	if err := os.Symlink("..", a.OutputPath()); err != nil {
		t.Fatal(err)
	}
	check("a link for output/")
}

func TestOpenResult(t *testing.T) {
	a := trap(t)
	for name, want := range map[string]string{"a.txt": "A", "a/b.txt": "BB", "inside": "BB", "a/up-inside": "A", "inside-dir/b.txt": "BB"} {
		f, info, err := a.OpenResult(name)
		if err != nil {
			t.Errorf("OpenResult(%q): %v", name, err)
			continue
		}
		got, err := io.ReadAll(f)
		f.Close()
		if err != nil || string(got) != want || info.Size != int64(len(want)) || info.Path != name {
			t.Errorf("OpenResult(%q) = %q, %+v, %v", name, got, info, err)
		}
	}
	for _, name := range []string{
		"missing", "a.txt/x", "a", "fifo", "socket", "loop", "dangling", "absolute", "escape", "escape-dir/key", "up",
		strings.Repeat("n", 300), "inside-dir",
	} {
		if f, _, err := a.OpenResult(name); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("OpenResult(%q) = %v, %v; want ErrNotFound", name, f, err)
		}
	}
	for _, name := range []string{
		"", ".", "..", "/", "/etc/passwd", "../shim.json", "a/../../shim.json", "a/..", "./a.txt", "a//b.txt", "a/",
		"a\x00b", "a.txt\x00", "bad\xff.txt", strings.Repeat("n/", 3000) + "n",
	} {
		_, _, err := a.OpenResult(name)
		var invalid *job.InvalidError
		if !errors.As(err, &invalid) || len(invalid.Violations) != 1 || invalid.Violations[0].Field != "path" {
			t.Errorf("OpenResult(%q) = %v; want a violation of path", name, err)
		}
	}
}

func FuzzOpenResultStaysInside(f *testing.F) {
	for _, seed := range []string{"a.txt", "../shim.json", "link/key", "dir/../../x", "dir/f", "/etc/passwd", "a\x00", "link"} {
		f.Add(seed)
	}
	base := f.TempDir()
	r, err := Open(filepath.Join(base, "jobs"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { r.Close() })
	a := r.Job(1).Attempt(1)
	if err := a.Create(); err != nil {
		f.Fatal(err)
	}
	for path, content := range map[string]string{
		filepath.Join(base, "key"):                "outside",
		filepath.Join(a.Path(), "shim.json"):      "outside",
		filepath.Join(a.OutputPath(), "a.txt"):    "inside",
		filepath.Join(a.OutputPath(), "dir", "f"): "inside",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			f.Fatal(err)
		}
	}
	if err := os.Symlink(base, filepath.Join(a.OutputPath(), "link")); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		file, info, err := a.OpenResult(name)
		if err != nil {
			var invalid *job.InvalidError
			if !errors.As(err, &invalid) && !errors.Is(err, job.ErrNotFound) {
				t.Fatalf("OpenResult(%q) = %v, which no client can be told", name, err)
			}
			return
		}
		defer file.Close()
		if b, err := io.ReadAll(file); err != nil || string(b) != "inside" || info.Path != name {
			t.Fatalf("OpenResult(%q) read %q, %v", name, b, err)
		}
	})
}

// A name that is no UTF-8 is listed as a made-up one, by which the file is read, too.
func TestResultsWithoutTextForANameAreListed(t *testing.T) {
	a := newAttempt(t)
	out := a.OutputPath()
	files := map[string]string{
		"lat\xe9.fa": "lat%E9.fa", "\xff/\xfe/x": "%FF/%FE/x", "caf\u00e9": "caf\u00e9",
		"a\xe9": "a%E9~", "a%E9": "a%E9", // made up like another's
		"b\xe9": "b%E9~~", "b%E9": "b%E9", "b%E9~": "b%E9~",
	}
	want := map[string]bool{}
	for name, path := range files {
		want[path] = path != name
		file := filepath.Join(out, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(name), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	list, truncated, err := a.ListResults(100)
	if err != nil || truncated {
		t.Fatal(truncated, err)
	}
	got := map[string]bool{}
	for _, f := range list {
		got[f.Path] = f.MadeUp
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, path := range files {
		f, info, err := a.OpenResult(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		b, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil || string(b) != name || info.MadeUp != (path != name) {
			t.Errorf("%s has the content of %q, %+v, %v", path, b, info, err)
		}
	}
	for _, gone := range []string{"c%E9", "caf%C3%A9", "lat%e9.fa", "%FF"} {
		if _, _, err := a.OpenResult(gone); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("%s: %v", gone, err)
		}
	}
}

// What lies deeper than a path can tell is missed by nobody in silence.
func TestResultsThatLieTooDeepAreToldOf(t *testing.T) {
	a := newAttempt(t)
	out := a.OutputPath()
	root, err := os.OpenRoot(out)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // of 255 bytes each
		name := strings.Repeat("d", 255)
		err := root.Mkdir(name, 0o755)
		below, openErr := root.OpenRoot(name)
		if err := errors.Join(err, openErr, root.Close()); err != nil {
			t.Fatal(err)
		}
		root = below
	}
	if err := errors.Join(root.WriteFile("x", nil, 0o644), root.Close()); err != nil {
		t.Fatal(err)
	}
	if list, truncated, err := a.ListResults(100); len(list) != 0 || !truncated || err != nil {
		t.Errorf("%v %v %v", list, truncated, err)
	}
}

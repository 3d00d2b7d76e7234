package workspace

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/job"
)

// transfers are Move and Duplicate, which refuse the same.
var transfers = map[string]func(*testing.T, *Workspace, Transfer) error{
	"move": func(t *testing.T, w *Workspace, m Transfer) error {
		t.Helper()
		_, err := w.Move(t.Context(), alice, m)
		return err
	},
	"copy": func(t *testing.T, w *Workspace, m Transfer) error {
		t.Helper()
		_, _, err := w.Duplicate(t.Context(), alice, m, nil)
		return err
	},
}

func TestWhatIsMovedOrCopiedKeepsItsRules(t *testing.T) {
	long := strings.Repeat("n", 250)
	cases := []struct {
		name  string
		m     Transfer
		check func(*testing.T, error)
	}{
		{"nothing there", Transfer{Path: "/none", To: "/x"}, is(job.ErrNotFound)},
		{"the root", Transfer{Path: "/", To: "/x"}, invalid("path")},
		{"onto the root", Transfer{Path: "/f", To: "/"}, invalid("to")},
		{"onto itself", Transfer{Path: "/f", To: "/f"}, invalid("to")},
		{"onto itself through a link", Transfer{Path: "/d/in", To: "/link/in", Overwrite: true}, invalid("to")},
		{"into itself", Transfer{Path: "/d", To: "/d/sub/d"}, invalid("to")},
		{"onto a file", Transfer{Path: "/f", To: "/old"}, is(job.ErrAlreadyExists)},
		{"onto a folder", Transfer{Path: "/f", To: "/d", Overwrite: true}, is(job.ErrConflict)},
		{"a folder onto a folder", Transfer{Path: "/d", To: "/e"}, is(job.ErrConflict)},
		{"a folder onto a file", Transfer{Path: "/d", To: "/old", Overwrite: true}, is(job.ErrConflict)},
		{"through a file", Transfer{Path: "/f", To: "/old/f"}, invalid("to")},
		{"reserved", Transfer{Path: "/f", To: "/.stint-x/f"}, invalid("to")},
		{"from what is reserved", Transfer{Path: "/.stint-tmp", To: "/f2"}, invalid("path")},
		{"dots", Transfer{Path: "/f", To: "/d/../../x"}, invalid("to")},
		{"too deep", Transfer{Path: "/f", To: "/1/2/3/4/5/f"}, invalid("to")},
		{"too deep below", Transfer{Path: "/d", To: "/1/2/3/4"}, invalid("to")},
		{"too long below", Transfer{Path: "/d", To: "/" + strings.Join([]string{long, long, long}, "/")}, invalid("to")},
		{"a link that leads out", Transfer{Path: "/out", To: "/x"}, is(job.ErrNotFound)},
		{"through a link that leads out", Transfer{Path: "/out/passwd", To: "/x"}, is(job.ErrNotFound)},
		{"to where a link leads out", Transfer{Path: "/f", To: "/out/x"}, invalid("to")},
		{"more folders than there is room for", Transfer{Path: "/f", To: "/1/2/3/f"}, is(job.ErrExhausted)},
	}
	for name, do := range transfers {
		for _, c := range cases {
			t.Run(name+" "+c.name, func(t *testing.T) {
				w, dir := newWorkspace(t, Options{MaxDepth: 5, QuotaEntries: 10})
				put(t, w, "/f", "file")
				put(t, w, "/old", "old")
				put(t, w, "/d/in", "in")
				put(t, w, "/d/"+long+"/"+long, "below")
				put(t, w, "/e/x", "x")
				top := filepath.Join(dir, alice)
				must(t, os.Symlink("/etc", filepath.Join(top, "out")), os.Symlink("d", filepath.Join(top, "link")))
				_ = do(t, w, Transfer{Path: "/none", To: "/x"}) // makes what it needs of its own
				before, usage := onDisk(t, top), used(t, w)
				c.check(t, do(t, w, c.m))
				if diff := cmp.Diff(before, onDisk(t, top)); diff != "" {
					t.Errorf("the refused call changed something: %s", diff)
				}
				if got := used(t, w); got != usage {
					t.Errorf("%d bytes used, %d before", got, usage)
				}
				wantPending(t, w, amount{})
			})
		}
	}
}

func TestMoveRenamesAtOnceAndCountsTheSame(t *testing.T) {
	w, dir := newWorkspace(t, Options{EntryBytes: 10})
	put(t, w, "/a/f", "file")
	put(t, w, "/a/sub/g", "g")
	put(t, w, "/old", "replaced")
	before := used(t, w)
	e, err := w.Move(t.Context(), alice, Transfer{Path: "a", To: "/b/c"})
	must(t, err)
	if e.GetPath() != "/b/c" || !e.GetFolder() || read(t, w, "/b/c/sub/g") != "g" {
		t.Fatalf("moved to %v", e)
	}
	if got := used(t, w); got != before+10 { // of /b
		t.Fatalf("%d bytes used, %d before", got, before)
	}
	e, err = w.Move(t.Context(), alice, Transfer{Path: "/b/c/f", To: "/old", Overwrite: true})
	must(t, err)
	if e.GetSizeBytes() != 4 || read(t, w, "/old") != "file" {
		t.Fatalf("moved to %v", e)
	}
	_, err = w.Stat(t.Context(), alice, "/b/c/f")
	wantError(t, err, job.ErrNotFound)
	want := used(t, w)
	w = openWorkspace(t, dir, Options{EntryBytes: 10})
	if got := used(t, w); got != want {
		t.Fatalf("%d bytes used, and %d when they are counted anew", want, got)
	}
	must(t, os.Symlink("old", filepath.Join(dir, alice, "link")))
	_, err = w.Move(t.Context(), alice, Transfer{Path: "/link", To: "/sub/link"})
	wantInvalid(t, err, "path")
	must(t, os.Symlink("b", filepath.Join(dir, alice, "folder")))
	_, err = w.Move(t.Context(), alice, Transfer{Path: "/b/c", To: "/folder/c/d"})
	wantInvalid(t, err, "to") // into itself, as the disk says
}

func TestACopyIsWholeAndSharesNothing(t *testing.T) {
	w, dir := newWorkspace(t, Options{EntryBytes: 10})
	put(t, w, "/a/f", "file")
	put(t, w, "/a/sub/g", "other")
	top := filepath.Join(dir, alice)
	must(t, os.Symlink("f", filepath.Join(top, "a/link")), os.Symlink("/etc/passwd", filepath.Join(top, "a/out")),
		os.WriteFile(filepath.Join(top, "a", markName), []byte("import 1"), 0o444), os.Chmod(filepath.Join(top, "a/sub/g"), 0o555))
	w = openWorkspace(t, dir, Options{EntryBytes: 10}) // counts what came behind its back
	before := used(t, w)
	e, skipped, err := w.Duplicate(t.Context(), alice, Transfer{Path: "/a", To: "/x/b"}, nil)
	must(t, err)
	if e.GetPath() != "/x/b" || !e.GetFolder() || skipped.Count != 1 || skipped.Names[0] != `"out"` {
		t.Fatalf("copied to %v, skipped %v", e, skipped)
	}
	if diff := cmp.Diff([]string{"f", "link", "sub", "sub/g"}, onDisk(t, filepath.Join(top, "x/b"))); diff != "" {
		t.Fatal(diff)
	}
	for _, name := range []string{"f", "sub/g"} {
		from, err := os.Stat(filepath.Join(top, "a", name))
		must(t, err)
		to, err := os.Stat(filepath.Join(top, "x/b", name))
		must(t, err)
		if os.SameFile(from, to) || from.Mode() != to.Mode() {
			t.Errorf("%s: %v and %v", name, from.Mode(), to.Mode())
		}
	}
	if got := used(t, w); got != before+3*10+2*10+10+4+4+5 { // folders x, b and sub, f and link with 4 bytes, g
		t.Fatalf("%d bytes used, %d before", got, before)
	}
	e, _, err = w.Duplicate(t.Context(), alice, Transfer{Path: "/a/link", To: "/x/b/f", Overwrite: true}, nil)
	must(t, err)
	if e.GetSizeBytes() != 4 || read(t, w, "/x/b/f") != "file" {
		t.Fatalf("copied to %v", e)
	}
	if got := onDisk(t, filepath.Join(top, tempDir)); len(got) != 0 {
		t.Fatalf("left %q", got)
	}
	want := used(t, w)
	if got := used(t, openWorkspace(t, dir, Options{EntryBytes: 10})); got != want {
		t.Fatalf("%d bytes used, and %d when they are counted anew", want, got)
	}
}

func TestACopyThatEndsEarlyLeavesNothing(t *testing.T) {
	full := fmt.Errorf("full: %w", job.ErrNoSpace)
	for name, c := range map[string]struct {
		room error
		stop bool
		want error
	}{"the disk is full": {full, false, job.ErrNoSpace}, "the caller went away": {nil, true, context.Canceled}} {
		t.Run(name, func(t *testing.T) {
			w, dir := newWorkspace(t, Options{Room: func(int64) error { return c.room }})
			put(t, w, "/a/f", strings.Repeat("x", 1000))
			put(t, w, "/a/g", strings.Repeat("y", 1000))
			clones := clonesHere(t, dir)
			if clones {
				t.Skip("this file system has clones, which take no room")
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			told := false
			_, _, err := w.Duplicate(ctx, alice, Transfer{Path: "/a", To: "/b"}, func(done, total int64) {
				told = true
				if done <= 0 || total < 2000 {
					t.Errorf("%d of %d bytes", done, total)
				}
				if c.stop {
					cancel()
				}
			})
			wantError(t, err, c.want)
			if told != c.stop {
				t.Errorf("told of progress: %v", told)
			}
			if got := shownPaths(t, w, "/"); len(got) != 1 {
				t.Fatalf("left %q", got)
			}
			if got := onDisk(t, filepath.Join(dir, alice, tempDir)); len(got) != 0 {
				t.Fatalf("left %q", got)
			}
			wantPending(t, w, amount{})
		})
	}
}

// clonesHere reports whether a file system has clones.
func clonesHere(t *testing.T, dir string) bool {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, "from"), make([]byte, 1<<16), 0o600))
	src, err := os.Open(filepath.Join(dir, "from"))
	must(t, err)
	defer src.Close()
	dst, err := os.Create(filepath.Join(dir, "to"))
	must(t, err)
	defer dst.Close()
	return unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())) == nil
}

func TestMakeFolderMakesWhatIsMissing(t *testing.T) {
	w, dir := newWorkspace(t, Options{QuotaEntries: 4, EntryBytes: 10, MaxDepth: 3})
	e, made, err := w.MakeFolder(t.Context(), alice, "/a/b")
	must(t, err)
	if !made || e.GetPath() != "/a/b" || !e.GetFolder() || used(t, w) != 20 {
		t.Fatalf("made %v: %v", made, e)
	}
	if _, made, err = w.MakeFolder(t.Context(), alice, "/a/b"); made || err != nil {
		t.Fatalf("made it again: %v", err)
	}
	put(t, w, "/a/f", "x")
	for name, c := range map[string]struct {
		path  string
		check func(*testing.T, error)
	}{
		"a file": {"/a/f", is(job.ErrConflict)}, "below a file": {"/a/f/x", invalid("path")}, "the root": {"/", invalid("path")},
		"too deep": {"/1/2/3/4", invalid("path")}, "too many": {"/1/2", is(job.ErrExhausted)}, "reserved": {"/.stint-uploads/x", invalid("path")},
		"out": {"/out/x", invalid("path")},
	} {
		if name == "out" {
			must(t, os.Symlink("/tmp", filepath.Join(dir, alice, "out")))
		}
		_, _, err := w.MakeFolder(t.Context(), alice, c.path)
		t.Run(name, func(t *testing.T) { c.check(t, err) })
	}
	wantPending(t, w, amount{})
}

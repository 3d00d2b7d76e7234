package workspace

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// reflinkDisk is an empty file system that has clones, or skips the test.
func reflinkDisk(t *testing.T) string {
	t.Helper()
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	must(t, os.WriteFile(image, nil, 0o600), os.Truncate(image, 320<<20)) // mkfs.xfs makes none below 300 MB
	for _, args := range [][]string{{"mkfs.xfs", "-q", "-m", "reflink=1", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			if errors.Is(err, exec.ErrNotFound) && slices.Contains(strings.Split(os.Getenv("STINT_TEST_REQUIRE"), ","), "programs") {
				t.Fatal(err)
			}
			t.Skipf("cannot make a disk with clones here: %v\n%s", err, out)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// taken is how many bytes of its disk are taken.
func taken(t *testing.T, dir string) int64 {
	t.Helper()
	f, err := os.Open(dir)
	must(t, err)
	defer f.Close()
	must(t, unix.Syncfs(int(f.Fd()))) // blocks are given out late
	var st unix.Statfs_t
	must(t, unix.Statfs(dir, &st))
	return int64(st.Blocks-st.Bfree) * st.Bsize
}

// copyAll copies a in dir to b and checks that they are equal and share no inode.
func copyAll(t *testing.T, dir string, w Watch) {
	t.Helper()
	root := openRoot(t, dir)
	for range 2 { // the second time it is there already
		must(t, MakeCopy(t.Context(), Copy{Source: root, From: "a", Target: root, Name: "in/b", Watch: w}))
	}
	want := onDisk(t, filepath.Join(dir, "a"))
	if got := onDisk(t, filepath.Join(dir, "in/b")); !slices.Equal(got, want) {
		t.Fatalf("copied %q of %q", got, want)
	}
	for _, name := range want {
		a, err := os.ReadFile(filepath.Join(dir, "a", name))
		must(t, err)
		b, err := os.ReadFile(filepath.Join(dir, "in/b", name))
		must(t, err)
		before, err := os.Stat(filepath.Join(dir, "a", name))
		must(t, err)
		after, err := os.Stat(filepath.Join(dir, "in/b", name))
		must(t, err)
		if string(a) != string(b) || os.SameFile(before, after) || after.Mode() != 0o444|before.Mode()&0o111 {
			t.Errorf("%s: equal content %v, the same file %v, mode %v", name, string(a) == string(b), os.SameFile(before, after), after.Mode())
		}
	}
}

func TestACopyIsACloneWhereTheDiskHasThem(t *testing.T) {
	dir := reflinkDisk(t)
	must(t, os.Mkdir(filepath.Join(dir, "a"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "a/big"), []byte(strings.Repeat("0123456789abcdef", 2<<20)), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "a/run"), []byte("#!/bin/sh"), 0o755), os.WriteFile(filepath.Join(dir, "a/empty"), nil, 0o444))
	before := taken(t, dir)
	copyAll(t, dir, Watch{
		Room:   func(bytes int64) (func(), error) { t.Errorf("a clone asks for %d bytes", bytes); return func() {}, nil },
		Copied: func(done, _ int64) { t.Errorf("%d bytes were copied", done) },
	})
	if more := taken(t, dir) - before; more > 1<<20 {
		t.Errorf("clones of 32 MiB take %d bytes", more)
	}
	f, err := os.OpenFile(filepath.Join(dir, "in/b/big"), os.O_WRONLY, 0) // as root, which no mode stops
	must(t, err)
	_, err = f.WriteAt([]byte("evil"), 1000)
	must(t, err, f.Close())
	if b, err := os.ReadFile(filepath.Join(dir, "a/big")); err != nil || strings.Contains(string(b), "evil") {
		t.Errorf("the original has what was written to its clone, %v", err)
	}
}

func TestACopySaysWhatItTakes(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "a/sub"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "a/sub/big"), []byte(strings.Repeat("0123456789abcdef", 2<<20)), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "a/run"), []byte("#!/bin/sh"), 0o755), os.WriteFile(filepath.Join(dir, "a/empty"), nil, 0o444))
	var asked, done []int64
	held := 0
	copyFiles := func(w Watch) {
		root := openRoot(t, dir)
		must(t, MakeCopy(t.Context(), Copy{Source: root, From: "a", Target: root, Name: "in/b", Watch: w}))
	}
	copyFiles(Watch{
		Room: func(bytes int64) (func(), error) {
			held, asked = held+1, append(asked, bytes)
			return func() { held-- }, nil
		},
		Copied: func(n, total int64) {
			if held != 1 || total != asked[0] || len(done) > 0 && n < done[len(done)-1] {
				t.Errorf("%d of %d bytes after %d, room held %d times", n, total, done, held)
			}
			done = append(done, n)
		},
	})
	const size = 32<<20 + 9
	if len(asked) != 1 || asked[0] < size || asked[0] > size+64<<10 || held != 0 || len(done) < 3 || done[len(done)-1] != size {
		t.Errorf("asked for %d, copied %d, room held %d times", asked, done, held)
	}
}

// Holes take no room, and no time.
func TestACopyHasTheHolesOfTheOriginal(t *testing.T) {
	for name, write := range map[string]map[int64]string{
		"only a hole": {},
		"in front":    {1<<40 - 5: "last\n"},
		"behind":      {0: "first\n"},
		"in between":  {0: "first\n", 1 << 39: "middle", 1<<40 - 5: "last\n"},
		"odd offsets": {4095: "xx", 1<<33 + 1: strings.Repeat("y", 10000)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f, err := os.Create(filepath.Join(dir, "a"))
			must(t, err, f.Truncate(1<<40))
			for at, text := range write {
				_, err := f.WriteAt([]byte(text), at)
				must(t, err)
			}
			must(t, f.Close())
			var asked int64
			root := openRoot(t, dir)
			must(t, MakeCopy(t.Context(), Copy{Source: root, From: "a", Target: root, Name: "b", Watch: Watch{
				Room: func(n int64) (func(), error) { asked = n; return func() {}, nil },
			}}))
			out, err := os.Open(filepath.Join(dir, "b"))
			must(t, err)
			defer out.Close()
			for at, want := range write {
				b := make([]byte, len(want))
				if _, err := out.ReadAt(b, at); err != nil || string(b) != want {
					t.Errorf("at %d it reads %q, %v", at, b, err)
				}
			}
			info, err := out.Stat()
			must(t, err)
			if info.Size() != 1<<40 || blocks(info) > 1<<20 || asked > 1<<20 {
				t.Errorf("the copy has %d bytes and takes %d; it asked for %d", info.Size(), blocks(info), asked)
			}
		})
	}
}

func TestACopyThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "d"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "a"), []byte("x"), 0o644), os.WriteFile(filepath.Join(dir, "d/a"), []byte("x"), 0o644))
	root := openRoot(t, dir)
	refused := errors.New("no room")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		from  string
		ended bool
		room  error
		want  error
	}{
		{"a", false, refused, refused},
		{"d", false, refused, refused},
		{"a", true, nil, context.Canceled},
		{"d", true, nil, context.Canceled},
		{"gone", false, nil, os.ErrNotExist},
	} {
		ctx := t.Context()
		if c.ended {
			ctx = cancelled
		}
		err := MakeCopy(ctx, Copy{Source: root, From: c.from, Target: root, Name: "in/b", Watch: Watch{
			Room: func(int64) (func(), error) { return func() {}, c.room },
		}})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.from, err, c.want)
		}
		if got := onDisk(t, filepath.Join(dir, "in")); len(got) > 0 {
			t.Errorf("%s: left %q", c.from, got)
		}
	}
}

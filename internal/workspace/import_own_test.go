package workspace

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// leftovers are the ways in which a process that a job left running goes on to write to a file of its output folder. Each
// function is called before the import and returns what happens after it.
var leftovers = map[string]func(t *testing.T, file string) func(){
	"through a descriptor": func(t *testing.T, file string) func() {
		t.Helper()
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
		must(t, err)
		return func() {
			_, err := f.WriteString("evil")
			must(t, err, f.Close())
		}
	},
	"by opening it again": func(t *testing.T, file string) func() {
		t.Helper()
		return func() {
			f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
			must(t, err)
			_, err = f.WriteString("evil")
			must(t, err, f.Close())
		}
	},
	"having changed its mode": func(t *testing.T, file string) func() {
		t.Helper()
		return func() { must(t, os.Chmod(file, 0o666), os.WriteFile(file, []byte("evil"), 0o666)) }
	},
	"by cutting it": func(t *testing.T, file string) func() {
		t.Helper()
		return func() { must(t, os.Truncate(file, 1)) }
	},
	"through another link": func(t *testing.T, file string) func() {
		t.Helper()
		must(t, os.Link(file, file+".link"))
		return func() { must(t, os.Chmod(file+".link", 0o666), os.WriteFile(file+".link", []byte("evil"), 0o666)) }
	},
	"through a mapping in memory": func(t *testing.T, file string) func() {
		t.Helper()
		f, err := os.OpenFile(file, os.O_RDWR, 0)
		must(t, err)
		defer f.Close()
		memory, err := unix.Mmap(int(f.Fd()), 0, 4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		must(t, err)
		return func() {
			copy(memory, "evil")
			must(t, unix.Msync(memory, unix.MS_SYNC), unix.Munmap(memory))
		}
	},
}

// otherUser is set in a process that runs a test as a user that is not root.
const otherUser = "STINT_TEST_OTHER_USER"

// asOtherUser runs the test that calls it once more, as a user that is not root.
func asOtherUser(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return // it runs as one already
	}
	const nobody = 65534
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755), os.Chown(dir, nobody, nobody))
	c := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^"+t.Name()+"$", "-test.v")
	c.Dir, c.Env = dir, append(os.Environ(), "TMPDIR="+dir, otherUser+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as another user: %v\n%s", err, out)
	}
}

// What a job left running changes no result in the workspace, as root and as a user.
func TestWhatStillRunsChangesNoPublishedResult(t *testing.T) {
	for name, leftover := range leftovers {
		t.Run(name, func(t *testing.T) {
			w, _ := newWorkspace(t, Options{})
			source, dir := results(t)
			goOn := leftover(t, filepath.Join(dir, "genes.gff"))
			in, err := w.Import(t.Context(), alice, Import{Source: source, Mark: "7", Targets: []string{"/jobs/run"}})
			must(t, err)
			goOn()
			if got, err := os.ReadFile(filepath.Join(dir, "genes.gff")); err != nil || string(got) == "##gff" {
				t.Fatalf("the file in the output folder is %q, %v", got, err)
			}
			if got := read(t, w, in.Path+"/genes.gff"); got != "##gff" {
				t.Errorf("the result is %q", got)
			}
		})
	}
	if os.Getenv(otherUser) == "" {
		asOtherUser(t)
	}
}

// Copies are as links would be: read-only, of the same time, and counted once.
func TestImportedCopiesAreAsTheirOriginals(t *testing.T) {
	w, wdir := newWorkspace(t, Options{})
	source, dir := results(t)
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	must(t, os.Chtimes(filepath.Join(dir, "genes.gff"), old, old))
	var asked, done []int64
	held := 0
	in, err := w.Import(t.Context(), alice, Import{Source: source, Mark: "7", Targets: []string{"/jobs/run"}, Watch: Watch{
		Room: func(bytes int64) (func(), error) {
			held, asked = held+1, append(asked, bytes)
			return func() { held-- }, nil
		},
		Copied: func(n, _ int64) { done = append(done, n) },
	}})
	must(t, err)
	for name, mode := range map[string]os.FileMode{"genes.gff": 0o444, "sub/run.sh": 0o555} {
		a, err := os.Stat(filepath.Join(wdir, alice, in.Path, name))
		must(t, err)
		b, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if os.SameFile(a, b) || a.Mode().Perm() != mode || !a.ModTime().Equal(b.ModTime()) {
			t.Errorf("%s: the same file %v, mode %v, time %v", name, os.SameFile(a, b), a.Mode(), a.ModTime())
		}
	}
	if got := used(t, w); got != 7 || held != 0 {
		t.Errorf("used %d bytes, room held %d times", got, held)
	}
	// On a file system with clones nothing is asked for.
	if len(asked) > 1 || len(asked) == 1 && (asked[0] < 7 || done[len(done)-1] != 7) {
		t.Errorf("asked for %d, copied %d", asked, done)
	}
}

func TestImportsAreClonesWhereTheDiskHasThem(t *testing.T) {
	disk := reflinkDisk(t)
	must(t, os.Mkdir(filepath.Join(disk, "workspace"), 0o755), os.Mkdir(filepath.Join(disk, "output"), 0o755))
	w := openWorkspace(t, filepath.Join(disk, "workspace"), Options{})
	file := filepath.Join(disk, "output", "big")
	must(t, os.WriteFile(file, []byte(strings.Repeat("0123456789abcdef", 2<<20)), 0o644))
	before := taken(t, disk)
	source := openRoot(t, filepath.Join(disk, "output"))
	in, err := w.Import(t.Context(), alice, Import{Source: source, Mark: "7", Targets: []string{"/run"}, Watch: Watch{
		Room: func(bytes int64) (func(), error) { return nil, errors.New("asked for room") },
	}})
	must(t, err)
	if more := taken(t, disk) - before; more > 1<<20 {
		t.Errorf("a clone of 32 MiB takes %d bytes", more)
	}
	must(t, os.WriteFile(file, []byte("evil"), 0o644))
	if got := read(t, w, in.Path+"/big"); !strings.HasPrefix(got, "0123456789abcdef") || len(got) != 32<<20 {
		t.Errorf("the result has %d bytes", len(got))
	}
	must(t, w.Close())
}

// An import that finds no room leaves nothing, and is whole when there is some.
func TestAnImportWithoutRoomLeavesNothing(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	source, _ := results(t)
	full := errors.New("no room")
	im := Import{Source: source, Mark: "7", Targets: []string{"/jobs/run"}, Watch: Watch{Room: func(int64) (func(), error) { return nil, full }}}
	if _, err := w.Import(t.Context(), alice, im); err != nil { // there are no clones here
		wantError(t, err, full)
		if got := onDisk(t, filepath.Join(dir, alice)); len(got) != 1 || got[0] != tempDir || used(t, w) != 0 {
			t.Errorf("left %q, %d bytes used", got, used(t, w))
		}
	}
	im.Watch = Watch{}
	in, err := w.Import(t.Context(), alice, im)
	must(t, err)
	if got := read(t, w, in.Path+"/genes.gff"); got != "##gff" {
		t.Errorf("reads %q", got)
	}
}

package workspace

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/job"
)

// results is a folder as a command may leave it.
func results(t *testing.T) (*os.Root, string) {
	t.Helper()
	dir := t.TempDir()
	must(t,
		os.MkdirAll(filepath.Join(dir, "sub", "empty"), 0o755),
		os.WriteFile(filepath.Join(dir, "genes.gff"), []byte("##gff"), 0o644),
		os.WriteFile(filepath.Join(dir, "sub", "run.sh"), []byte("#!"), 0o755),
	)
	return openRoot(t, dir), dir
}

func openRoot(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	must(t, err)
	t.Cleanup(func() { root.Close() })
	return root
}

func importInto(t *testing.T, w *Workspace, source *os.Root, mark string) Imported {
	t.Helper()
	in, err := w.Import(t.Context(), alice, Import{Source: source, Mark: mark, Targets: []string{"/jobs/run", "/jobs/run-" + mark}, Links: true})
	must(t, err)
	return in
}

func TestImportPutsAFolderIntoTheWorkspace(t *testing.T) {
	w, wdir := newWorkspace(t, Options{})
	source, sdir := results(t)
	in := importInto(t, w, source, "7")
	if in.Path != "/jobs/run" || in.Already || in.Skipped.Count != 0 {
		t.Fatalf("imported %+v", in)
	}
	if got := shownPaths(t, w, "/jobs/run"); !slices.Equal(got, []string{"/jobs/run/sub", "/jobs/run/genes.gff"}) {
		t.Fatalf("shown: %q", got)
	}
	if got := read(t, w, "/jobs/run/genes.gff"); got != "##gff" {
		t.Fatalf("reads %q", got)
	}
	if got := used(t, w); got != 7 {
		t.Fatalf("used %d bytes", got)
	}
	for name, mode := range map[string]os.FileMode{"genes.gff": 0o444, "sub/run.sh": 0o555} {
		a, err := os.Stat(filepath.Join(wdir, alice, "jobs/run", name))
		must(t, err)
		b, err := os.Stat(filepath.Join(sdir, name))
		must(t, err)
		if !os.SameFile(a, b) || a.Mode().Perm() != mode {
			t.Fatalf("%s is linked: %v, mode %v", name, os.SameFile(a, b), a.Mode())
		}
	}
}

func TestTheSameImportIsDoneOnce(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	source, _ := results(t)
	first := importInto(t, w, source, "7")
	w = openWorkspace(t, dir, Options{}) // after a crash that lost the answer
	again := importInto(t, w, source, "7")
	if again.Path != first.Path || !again.Already || used(t, w) != 7 {
		t.Fatalf("first %+v, again %+v, %d bytes used", first, again, used(t, w))
	}
	other := importInto(t, w, source, "8")
	if other.Path != "/jobs/run-8" || other.Already {
		t.Fatalf("another import went to %+v", other)
	}
	_, err := w.Delete(t.Context(), alice, "/jobs/run", DeleteOptions{Recursive: true})
	must(t, err)
	if again := importInto(t, w, source, "8"); again.Path != "/jobs/run-8" || !again.Already {
		t.Fatalf("when a better path became free the import was doubled to %+v", again)
	}
	put(t, w, "/jobs/run", "the user's own")
	put(t, w, "/jobs/run-9/x", "the user's own")
	_, err = w.Import(t.Context(), alice, Import{Source: source, Mark: "9", Targets: []string{"/jobs/run", "/jobs/run-9"}})
	wantError(t, err, job.ErrAlreadyExists)
}

func TestImportsSideBySideAreOne(t *testing.T) {
	w, _ := newWorkspace(t, Options{})
	source, _ := results(t)
	var group sync.WaitGroup
	paths := make([]string, 8)
	for i := range paths {
		group.Go(func() {
			in, err := w.Import(context.Background(), alice, Import{Source: source, Mark: "7", Targets: []string{"/r", "/r-7"}})
			paths[i] = fmt.Sprint(in.Path, err)
		})
	}
	group.Wait()
	if got := slices.Compact(paths); !slices.Equal(got, []string{"/r<nil>"}) {
		t.Fatalf("imported to %q", got)
	}
	if got := shownPaths(t, w, "/"); !slices.Equal(got, []string{"/r"}) || used(t, w) != 7 {
		t.Fatalf("shown: %q, %d bytes used", got, used(t, w))
	}
}

func TestImportTakesNothingFromOutside(t *testing.T) {
	w, wdir := newWorkspace(t, Options{})
	source, dir := results(t)
	must(t,
		os.Symlink("genes.gff", filepath.Join(dir, "latest.gff")),
		os.Symlink("/etc/passwd", filepath.Join(dir, "a1")),
		os.Symlink("../../../../../etc/passwd", filepath.Join(dir, "a2")),
		os.Symlink("/etc", filepath.Join(dir, "a3")),
		os.Symlink("sub", filepath.Join(dir, "a4")),
		os.Symlink("a5", filepath.Join(dir, "a5")),
		unix.Mkfifo(filepath.Join(dir, "a6"), 0o644),
		os.WriteFile(filepath.Join(dir, "a7\n"), nil, 0o644),
		os.WriteFile(filepath.Join(dir, "a8\xff"), nil, 0o644),
		os.MkdirAll(filepath.Join(dir, ".stint-a9"), 0o755),
		os.WriteFile(filepath.Join(dir, markName), []byte("8"), 0o644), // forged
	)
	in := importInto(t, w, source, "7")
	if in.Skipped.Count != 6 || in.Skipped.Renamed != 3 {
		t.Fatalf("skipped %+v", in.Skipped)
	}
	want := []string{markName, "_stint-a9", "a7%0A", "a8%FF", "genes.gff", "latest.gff", "sub", "sub/empty", "sub/run.sh"}
	if got := onDisk(t, filepath.Join(wdir, alice, "jobs/run")); !slices.Equal(got, want) {
		t.Fatalf("imported %q", got)
	}
	if got := read(t, w, "/jobs/run/latest.gff"); got != "##gff" {
		t.Fatalf("a link within the folder reads %q", got)
	}
	if again := importInto(t, w, source, "8"); again.Path != "/jobs/run-8" {
		t.Fatalf("a forged mark was believed: %+v", again)
	}
}

func TestImportOfADeepTreeKeepsPathsShort(t *testing.T) {
	w, _ := newWorkspace(t, Options{})
	source, dir := results(t)
	deep := dir
	for range 8 {
		deep = filepath.Join(deep, strings.Repeat("d", 200))
		must(t, os.Mkdir(deep, 0o755), os.WriteFile(filepath.Join(deep, "f"), []byte("x"), 0o644))
	}
	in := importInto(t, w, source, "7")
	if in.Skipped.Count != 1 { // the fifth folder, with all below
		t.Fatalf("skipped %+v", in.Skipped)
	}
	p := "/jobs/run" + strings.Repeat("/"+strings.Repeat("d", 200), 4)
	if got := read(t, w, p+"/f"); got != "x" {
		t.Fatalf("reads %q", got)
	}
}

func TestImportOfManyFiles(t *testing.T) {
	w, _ := newWorkspace(t, Options{})
	source, dir := results(t)
	for i := range syncEach + 50 {
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%d", i)), []byte("x"), 0o644))
	}
	importInto(t, w, source, "7")
	if got := used(t, w); got != syncEach+50+7 {
		t.Fatalf("used %d bytes", got)
	}
}

func TestAnImportThatDoesNotFitLeavesNothing(t *testing.T) {
	w, dir := newWorkspace(t, Options{QuotaBytes: 6})
	source, sdir := results(t)
	_, err := w.Import(t.Context(), alice, Import{Source: source, Mark: "7", Targets: []string{"/jobs/run"}})
	wantError(t, err, job.ErrExhausted)
	if got := onDisk(t, filepath.Join(dir, alice)); !slices.Equal(got, []string{tempDir}) {
		t.Fatalf("left %q", got)
	}
	if got := onDisk(t, sdir); !slices.Contains(got, "genes.gff") {
		t.Fatalf("the source has only %q", got)
	}
	put(t, w, "/fits", "123456")
}

func TestImportIntoWhatIsNoFolder(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	source, _ := results(t)
	put(t, w, "/file", "x")
	must(t, os.Symlink(t.TempDir(), filepath.Join(dir, alice, "out")))
	for _, target := range []string{"/file/run", "/out/run", "/../run", "/"} {
		_, err := w.Import(t.Context(), alice, Import{Source: source, Mark: "7", Targets: []string{target}})
		wantInvalid(t, err, "path")
	}
}

func TestExportLinksAFile(t *testing.T) {
	w, wdir := newWorkspace(t, Options{})
	put(t, w, "/reads/a.fq", "ACGT")
	dir := t.TempDir()
	ex := Export{Path: "reads/a.fq", Kind: KindFile, Target: openRoot(t, dir), Name: "input/read1/a.fq"}
	for range 2 { // the second time it is there already
		if _, err := w.Export(t.Context(), alice, ex); err != nil {
			t.Fatal(err)
		}
	}
	a, err := os.Stat(filepath.Join(wdir, alice, "reads/a.fq"))
	must(t, err)
	b, err := os.Stat(filepath.Join(dir, "input/read1/a.fq"))
	must(t, err)
	if !os.SameFile(a, b) {
		t.Fatal("the file was copied, not linked")
	}
}

func TestExportCopiesToAnotherDisk(t *testing.T) {
	w, wdir := newWorkspace(t, Options{})
	put(t, w, "/reads/a.fq", "ACGT")
	dir := otherDisk(t, wdir)
	must(t, os.WriteFile(filepath.Join(dir, partOf("a.fq")), []byte("half of an earlier copy"), 0o600))
	target := openRoot(t, dir)
	_, err := w.Export(t.Context(), alice, Export{Path: "/reads/a.fq", Kind: KindFile, Target: target, Name: "a.fq"})
	must(t, err)
	long := strings.Repeat("l", 255)
	for _, name := range []string{"all", long} {
		_, err = w.Export(t.Context(), alice, Export{Path: "/reads", Kind: KindFolder, Target: target, Name: name})
		must(t, err)
	}
	for _, name := range []string{"a.fq", "all/a.fq", long + "/a.fq"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(b) != "ACGT" {
			t.Fatalf("%s is %q, %v", name, b, err)
		}
	}
	if got := onDisk(t, dir); !slices.Equal(got, []string{"a.fq", "all", "all/a.fq", long, long + "/a.fq"}) {
		t.Fatalf("there is %q", got)
	}
}

func TestImportCopiesFromAnotherDisk(t *testing.T) {
	w, wdir := newWorkspace(t, Options{})
	dir := otherDisk(t, wdir)
	must(t, os.WriteFile(filepath.Join(dir, "a"), []byte("ACGT"), 0o644))
	in := importInto(t, w, openRoot(t, dir), "7")
	if got := read(t, w, in.Path+"/a"); got != "ACGT" {
		t.Fatalf("reads %q", got)
	}
	if got := onDisk(t, filepath.Join(wdir, alice, "jobs/run")); !slices.Equal(got, []string{markName, "a"}) {
		t.Fatalf("there is %q", got)
	}
}

// otherDisk is a folder on another disk than dir.
func otherDisk(t *testing.T, dir string) string {
	t.Helper()
	other, err := os.MkdirTemp("/dev/shm", "stint-test-") //nolint:usetesting // t.TempDir is on the same disk
	if err != nil {
		t.Skipf("there is no other disk: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(other) })
	var a, b unix.Stat_t
	must(t, unix.Stat(dir, &a), unix.Stat(other, &b))
	if a.Dev == b.Dev {
		t.Skip("there is no other disk")
	}
	return other
}

func TestExportOfAFolder(t *testing.T) {
	w, wdir := newWorkspace(t, Options{})
	source, _ := results(t)
	importInto(t, w, source, "7")
	hostile(t, wdir)
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, partOf("all"), "half"), 0o755)) // of a crash
	skipped, err := w.Export(t.Context(), alice, Export{Path: "/", Kind: KindFolder, Target: openRoot(t, dir), Name: "all"})
	must(t, err)
	want := []string{
		"all", "all/good-file", "all/in", "all/in/file", "all/jobs", "all/jobs/run", "all/jobs/run/genes.gff",
		"all/jobs/run/sub", "all/jobs/run/sub/empty", "all/jobs/run/sub/run.sh",
	}
	if got := onDisk(t, dir); !slices.Equal(got, want) {
		t.Fatalf("exported %q, skipped %+v", got, skipped)
	}
}

func TestExportOfWhatIsNotThere(t *testing.T) {
	w, wdir := newWorkspace(t, Options{})
	hostile(t, wdir)
	dir := t.TempDir()
	target := openRoot(t, dir)
	for _, c := range []struct {
		path string
		kind Kind
		want error
	}{
		{"/none", KindFile, job.ErrNotFound},
		{"/none", KindFolder, job.ErrNotFound},
		{"/pipe", KindFile, job.ErrNotFound},
		{"/link-file", KindFile, job.ErrNotFound},
		{"/link-folder", KindFolder, job.ErrNotFound},
		{"/link-root/etc/passwd", KindFile, job.ErrNotFound},
		{"/in", KindFile, job.ErrConflict},
		{"/in/file", KindFolder, job.ErrConflict},
	} {
		_, err := w.Export(t.Context(), alice, Export{Path: c.path, Kind: c.kind, Target: target, Name: "x"})
		wantError(t, err, c.want)
	}
	if got := onDisk(t, dir); len(got) > 0 {
		t.Fatalf("left %q", got)
	}
	_, err := w.Export(t.Context(), "bob", Export{Path: "/in/file", Kind: KindFile, Target: target, Name: "x"})
	wantError(t, err, job.ErrNotFound)
}

func TestExportNeverWritesOutsideItsTarget(t *testing.T) {
	w, _ := newWorkspace(t, Options{})
	put(t, w, "/a", "x")
	dir, outside := t.TempDir(), t.TempDir()
	must(t, os.Symlink(outside, filepath.Join(dir, "input"))) // by the command of an earlier attempt
	_, err := w.Export(t.Context(), alice, Export{Path: "/a", Kind: KindFile, Target: openRoot(t, dir), Name: "input/a"})
	if err == nil {
		t.Fatal("wrote through a link")
	}
	if got := onDisk(t, outside); len(got) > 0 {
		t.Fatalf("left %q outside", got)
	}
}

package workdir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/stint-jobs/stint/internal/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newRoot(t *testing.T) *Root {
	t.Helper()
	r, err := Open(filepath.Join(t.TempDir(), "jobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func newAttempt(t *testing.T) Attempt {
	t.Helper()
	a := newRoot(t).Job(1234567).Attempt(1)
	if err := a.Create(); err != nil {
		t.Fatal(err)
	}
	return a
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLayoutIsAsDocumented(t *testing.T) {
	r := newRoot(t)
	d := r.Job(1234567)
	if err := d.Create(); err != nil {
		t.Fatal(err)
	}
	a := d.Attempt(2)
	if err := errors.Join(a.Create(), a.Create(), d.Attempt(11).Create(), d.WriteParams([]byte(`{"x":1}`))); err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		d.Path():         "1234/1234567",
		d.InputPath():    "1234/1234567/input",
		d.ParamsPath():   "1234/1234567/params.json",
		a.Path():         "1234/1234567/attempts/2",
		a.OutputPath():   "1234/1234567/attempts/2/output",
		a.TmpPath():      "1234/1234567/attempts/2/tmp",
		a.ProgressPath(): "1234/1234567/attempts/2/progress",
	} {
		if got != filepath.Join(r.Path(), want) {
			t.Errorf("got %s, want it to end in %s", got, want)
		}
		if _, err := os.Stat(got); err != nil && !strings.HasSuffix(want, "progress") && !strings.HasSuffix(want, "input") {
			t.Error(err)
		}
	}
	if info, err := os.Stat(r.Path()); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the root is %v, %v; want it closed to others", info.Mode(), err)
	}
	if b, err := d.ReadParams(); err != nil || string(b) != `{"x":1}` {
		t.Errorf("ReadParams() = %q, %v", b, err)
	}
	numbers, err := d.Attempts()
	if err != nil || !cmp.Equal(numbers, []int{2, 11}) {
		t.Errorf("Attempts() = %v, %v", numbers, err)
	}
	if numbers, err := r.Job(5).Attempts(); err != nil || numbers != nil {
		t.Errorf("Attempts() of a job without folder = %v, %v", numbers, err)
	}
}

func TestAttemptNamesAreDurable(t *testing.T) {
	r := newRoot(t)
	a := r.Job(17).Attempt(3)
	got, err := r.AttemptByName(a.Name())
	if err != nil || got != a {
		t.Errorf("AttemptByName(%q) = %v, %v", a.Name(), got, err)
	}
	for _, bad := range []string{"", "17", "17/", "17/0", "17/-1", "17/01", "017/1", "17/1/2", "../1", "17/..", "17/1x"} {
		if _, err := r.AttemptByName(bad); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("AttemptByName(%q) = %v, want ErrNotFound", bad, err)
		}
	}
}

func TestRemoveTakesWhatTheCommandProtected(t *testing.T) {
	d := newRoot(t).Job(8)
	a := d.Attempt(1)
	if err := a.Create(); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "keep")
	writeFile(t, outside, "mine")
	for _, dir := range []string{a.OutputPath(), a.TmpPath()} {
		writeFile(t, filepath.Join(dir, "cache/deep/file"), "x")
		if err := os.Symlink(filepath.Dir(outside), filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		for _, closed := range []string{"cache/deep", "cache"} {
			if err := os.Chmod(filepath.Join(dir, closed), 0o000); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := a.EmptyTmp(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(a.TmpPath()); err != nil || len(entries) != 0 {
		t.Errorf("tmp/ after EmptyTmp holds %v, %v", entries, err)
	}
	if err := errors.Join(d.Remove(), d.Remove()); err != nil {
		t.Fatal(err)
	}
	if a.Exists() {
		t.Error("the folder is still there")
	}
	if _, err := os.Stat(outside); err != nil {
		t.Errorf("removing followed a link out of the folder: %v", err)
	}
	if err := a.EmptyTmp(); err != nil {
		t.Errorf("EmptyTmp() of a removed attempt = %v", err)
	}
}

func TestPrivateFiles(t *testing.T) {
	a := newAttempt(t)
	if _, err := a.ReadFile("state"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadFile() of a missing file = %v", err)
	}
	if err := errors.Join(a.WriteFile("state", []byte("one")), a.WriteFile("state", []byte("two"))); err != nil {
		t.Fatal(err)
	}
	if b, err := a.ReadFile("state"); err != nil || string(b) != "two" {
		t.Errorf("ReadFile() = %q, %v", b, err)
	}
	if err := a.Mark("started"); err != nil || !a.Has("started") {
		t.Errorf("Mark() = %v", err)
	}
	if err := a.Mark("started"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Mark() = %v, want ErrExist", err)
	}
	if err := errors.Join(a.RemoveFile("started"), a.RemoveFile("started")); err != nil || a.Has("started") {
		t.Errorf("RemoveFile() = %v", err)
	}
	for _, bad := range []string{"", ".", "..", "../x", "a/b", "/etc/passwd"} {
		if err := a.WriteFile(bad, nil); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("WriteFile(%q) = %v", bad, err)
		}
		if _, err := a.ReadFile(bad); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("ReadFile(%q) = %v", bad, err)
		}
		if there, err := a.Marked(bad); there || err == nil {
			t.Errorf("Marked(%q) = %v, %v", bad, there, err)
		}
		if a.Mark(bad) == nil || a.Has(bad) || a.RemoveFile(bad) == nil {
			t.Errorf("%q was taken for a file of the attempt", bad)
		}
	}
	if err := os.Truncate(filepath.Join(a.Path(), "state"), 17<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := a.ReadFile("state"); err == nil {
		t.Error("ReadFile() took a file of 17 MiB into memory")
	}
}

func TestExitRecordRoundTrip(t *testing.T) {
	a := newAttempt(t)
	if _, ok, err := a.ReadExit(); ok || err != nil {
		t.Errorf("ReadExit() before the end = %v, %v", ok, err)
	}
	want := ExitRecord{
		Code: -1, Signal: 15, Reason: "TIME_LIMIT", Message: "too long", Node: "n1", EngineID: "77",
		Start: time.Unix(1000, 5).UTC(), End: time.Unix(2000, 0).UTC(),
		Usage: &ExitUsage{MaxRSSBytes: 1 << 20, CPUSeconds: 1.5, ElapsedSeconds: 1000, CPUs: 2, MemoryBytes: 1 << 30},
	}
	f, err := a.ReserveExit()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := a.ReadExit(); ok || err != nil {
		t.Errorf("ReadExit() of a reserved record = %v, %v", ok, err)
	}
	if err := f.Commit(want); err != nil {
		t.Fatal(err)
	}
	got, ok, err := a.ReadExit()
	if diff := cmp.Diff(want, got); !ok || err != nil || diff != "" {
		t.Errorf("ReadExit() = %v, %v, %s", ok, err, diff)
	}
	want.Message = strings.Repeat("\x01ä", 5000)
	if err := a.WriteExit(want); err != nil {
		t.Fatal(err)
	}
	if got, ok, err = a.ReadExit(); !ok || err != nil || len(got.Message) > 1100 || got.Signal != 15 {
		t.Errorf("ReadExit() after an overlong message = %d bytes, %v, %v", len(got.Message), ok, err)
	}
	writeFile(t, filepath.Join(a.Path(), "exit.json"), "{torn")
	if _, _, err := a.ReadExit(); err == nil {
		t.Error("ReadExit() took what is no record")
	}
}

func TestLastIsTheLargestIDWithAFolder(t *testing.T) {
	root, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	want := func(id job.ID) {
		t.Helper()
		if got, err := root.Last(); err != nil || got != id {
			t.Errorf("Last() = %v, %v; want %v", got, err, id)
		}
	}
	want(0)
	for _, id := range []job.ID{7, 999, 1000, 20_001, 3, 9_999} {
		if err := root.Job(id).Create(); err != nil {
			t.Fatal(err)
		}
	}
	want(20_001)
	for _, name := range []string{"notes", "20/0020999", "20/x", "07"} { // no folders of jobs
		if err := os.MkdirAll(filepath.Join(root.Path(), name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	want(20_001)
	if err := root.Job(20_001).Remove(); err != nil {
		t.Fatal(err)
	}
	want(9_999)
}

func TestAHeldJobReachesItsFiles(t *testing.T) {
	r := newRoot(t)
	if _, err := r.Job(7).Hold(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Hold() of no folder = %v, want fs.ErrNotExist", err)
	}
	if err := r.Job(7).Create(); err != nil {
		t.Fatal(err)
	}
	d, err := r.Job(7).Hold()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Release()
	a, err := d.CreateAttempt(1)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Release()
	if err := errors.Join(d.WriteParams([]byte("{}")), a.WriteFile("private", []byte("x"))); err != nil {
		t.Fatal(err)
	}
	if b, err := r.Job(7).ReadParams(); err != nil || string(b) != "{}" {
		t.Errorf("ReadParams() = %q, %v", b, err)
	}
	if b, err := r.Job(7).Attempt(1).ReadFile("private"); err != nil || string(b) != "x" {
		t.Errorf("ReadFile() = %q, %v", b, err)
	}
}

func TestAnAttemptIsNotMadeThroughALink(t *testing.T) {
	r := newRoot(t)
	outside := t.TempDir()
	if err := r.Job(7).Create(); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(r.Job(7).Path(), "attempts")); err != nil {
		t.Fatal(err)
	}
	if err := r.Job(7).Attempt(1).Create(); err == nil {
		t.Error("an attempt was made where a link leads out of the folder of jobs")
	}
	d, err := r.Job(7).Hold()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Release()
	if _, err := d.CreateAttempt(1); err == nil {
		t.Error("an attempt was made where a link leads out of the job's folder")
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) != 0 {
		t.Errorf("outside there is %v, %v", left, err)
	}
}

func TestAPipeInPlaceOfAnAttemptIsNotWaitedFor(t *testing.T) {
	r := newRoot(t)
	a := r.Job(7).Attempt(1)
	if err := a.Create(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(a.Path()), syscall.Mkfifo(a.Path(), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Hold(); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("Hold() = %v", err)
	}
	if _, err := a.ReadFile("private"); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("ReadFile() = %v", err)
	}
	if err := a.Create(); err == nil {
		t.Error("a pipe was taken for the folder of an attempt")
	}
}

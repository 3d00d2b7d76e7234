package workspace

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/testing/protocmp"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
)

func TestPutStoresAFileReadOnlyWithTheFoldersAboveIt(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	size := int64(4)
	e, err := w.Put(t.Context(), alice, "reads//run 1/a.fq", strings.NewReader("ACGT"), PutOptions{Size: &size})
	must(t, err)
	want := &workspacev1.WorkspaceEntry{Path: "/reads/run 1/a.fq", SizeBytes: 4, ContentType: "text/x-fastq; charset=utf-8"}
	if diff := cmp.Diff(want, e, protocmp.Transform(), protocmp.IgnoreFields(e, "modify_time")); diff != "" {
		t.Fatal(diff)
	}
	stat, err := w.Stat(t.Context(), alice, "/reads/run 1/a.fq")
	must(t, err)
	if diff := cmp.Diff(e, stat, protocmp.Transform()); diff != "" {
		t.Fatalf("Stat differs from what Put answered: %s", diff)
	}
	if got := read(t, w, "/reads/run 1/a.fq"); got != "ACGT" {
		t.Fatalf("stored %q", got)
	}
	info, err := os.Stat(filepath.Join(dir, alice, "reads/run 1/a.fq"))
	must(t, err)
	if info.Mode().Perm() != 0o444 {
		t.Fatalf("mode is %v", info.Mode())
	}
	if got := onDisk(t, filepath.Join(dir, alice, tempDir)); len(got) > 0 {
		t.Fatalf("temporary files left: %q", got)
	}
}

func TestPutReplacesOnlyWhenAskedTo(t *testing.T) {
	w, _ := newWorkspace(t, Options{})
	put(t, w, "/a", "first")
	_, err := w.Put(t.Context(), alice, "/a", iotest.ErrReader(errors.New("must not be read")), PutOptions{})
	wantError(t, err, job.ErrAlreadyExists)
	reader, err := w.Open(t.Context(), alice, "/a")
	must(t, err)
	defer reader.Close()
	_, err = w.Put(t.Context(), alice, "/a", strings.NewReader("second one"), PutOptions{Overwrite: true})
	must(t, err)
	if got := read(t, w, "/a"); got != "second one" {
		t.Fatalf("stored %q", got)
	}
	if b, err := io.ReadAll(reader); err != nil || string(b) != "first" {
		t.Fatalf("who had it open reads %q, %v", b, err)
	}
	if got := used(t, w); got != 10 {
		t.Fatalf("used %d bytes", got)
	}
}

func TestPutIsWholeOrNotAtAll(t *testing.T) {
	negative, three, five := int64(-1), int64(3), int64(5)
	broken := errors.New("connection broke")
	cases := []struct {
		name    string
		path    string
		content io.Reader
		options PutOptions
		check   func(*testing.T, error)
	}{
		{"short", "/new/a", strings.NewReader("ACGT"), PutOptions{Size: &five}, invalid("sizeBytes")},
		{"long", "/new/a", strings.NewReader("ACGT"), PutOptions{Size: &three}, invalid("sizeBytes")},
		{"negative size", "/new/a", strings.NewReader("ACGT"), PutOptions{Size: &negative}, invalid("sizeBytes")},
		{"broken", "/new/a", io.MultiReader(strings.NewReader("AC"), iotest.ErrReader(broken)), PutOptions{}, is(broken)},
		{"over quota", "/new/a", strings.NewReader(strings.Repeat("A", 200)), PutOptions{}, is(job.ErrExhausted)},
		{"root", "/", strings.NewReader("A"), PutOptions{}, invalid("path")},
		{"through a file", "/old/a", strings.NewReader("A"), PutOptions{}, invalid("path")},
		{"onto a folder", "/folder", strings.NewReader("A"), PutOptions{Overwrite: true}, is(job.ErrConflict)},
		{"reserved", "/" + tempDir + "/a", strings.NewReader("A"), PutOptions{}, invalid("path")},
		{"dots", "/folder/../../a", strings.NewReader("A"), PutOptions{}, invalid("path")},
		{"NUL", "/a\x00b", strings.NewReader("A"), PutOptions{}, invalid("path")},
		{"invalid UTF-8", "/a\xffb", strings.NewReader("A"), PutOptions{}, invalid("path")},
		{"long name", "/" + strings.Repeat("a", 256), strings.NewReader("A"), PutOptions{}, invalid("path")},
		{"long path", strings.Repeat("/a", 600), strings.NewReader("A"), PutOptions{}, invalid("path")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w, dir := newWorkspace(t, Options{QuotaBytes: 100})
			put(t, w, "/old", "x")
			put(t, w, "/folder/b", "y")
			before := onDisk(t, dir)
			_, err := w.Put(t.Context(), alice, c.path, c.content, c.options)
			c.check(t, err)
			if diff := cmp.Diff(before, onDisk(t, dir)); diff != "" {
				t.Fatalf("the refused upload left something: %s", diff)
			}
			if got := used(t, w); got != 2 {
				t.Fatalf("used %d bytes", got)
			}
			put(t, w, "/fits", strings.Repeat("z", 98)) // no room stayed reserved
		})
	}
}

func invalid(field string) func(*testing.T, error) {
	return func(t *testing.T, err error) { t.Helper(); wantInvalid(t, err, field) }
}

func is(want error) func(*testing.T, error) {
	return func(t *testing.T, err error) { t.Helper(); wantError(t, err, want) }
}

func TestPutStopsWithItsContext(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	endless := readerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil })
	_, err := w.Put(ctx, alice, "/a", endless, PutOptions{})
	wantError(t, err, context.Canceled)
	if got := onDisk(t, filepath.Join(dir, alice)); !slices.Equal(got, []string{tempDir}) {
		t.Fatalf("left %q", got)
	}
}

func TestOfRacingUploadsOneWins(t *testing.T) {
	w, _ := newWorkspace(t, Options{})
	const racers = 16
	errs := make([]error, racers)
	start := make(chan struct{})
	var ready, done sync.WaitGroup
	for i := range racers {
		ready.Add(1)
		done.Go(func() {
			content := readerFunc(func() func([]byte) (int, error) { // all are past the first look at the path before any goes on
				r := strings.NewReader(fmt.Sprintf("content of %d", i))
				return func(p []byte) (int, error) {
					if r.Size() == int64(r.Len()) {
						ready.Done()
						<-start
					}
					return r.Read(p)
				}
			}())
			_, errs[i] = w.Put(context.Background(), alice, "/same", content, PutOptions{})
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	won := -1
	for i, err := range errs {
		switch {
		case err == nil && won >= 0:
			t.Fatalf("both %d and %d stored the file", won, i)
		case err == nil:
			won = i
		default:
			wantError(t, err, job.ErrAlreadyExists)
		}
	}
	if got := read(t, w, "/same"); got != fmt.Sprintf("content of %d", won) {
		t.Fatalf("%d won, but the file is %q", won, got)
	}
	if got, want := used(t, w), int64(len(read(t, w, "/same"))); got != want {
		t.Fatalf("used %d bytes, want %d", got, want)
	}
}

func TestQuotaHoldsAgainstUploadsSideBySide(t *testing.T) {
	w, _ := newWorkspace(t, Options{QuotaBytes: 1000})
	var group sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		group.Go(func() {
			_, errs[i] = w.Put(context.Background(), alice, fmt.Sprintf("/f%d", i), strings.NewReader(strings.Repeat("x", 300)), PutOptions{})
		})
	}
	group.Wait()
	stored := 0
	for _, err := range errs {
		if err == nil {
			stored++
		} else {
			wantError(t, err, job.ErrExhausted)
		}
	}
	if stored == 0 || stored > 3 || used(t, w) != int64(stored)*300 {
		t.Fatalf("%d files stored, %d bytes used", stored, used(t, w))
	}
}

func TestAFullWorkspaceTakesAReplacementOfTheSameSize(t *testing.T) {
	w, _ := newWorkspace(t, Options{QuotaBytes: 100})
	put(t, w, "/a", strings.Repeat("x", 100))
	for _, size := range []int64{100, 60, 100} {
		_, err := w.Put(t.Context(), alice, "/a", strings.NewReader(strings.Repeat("y", int(size))), PutOptions{Overwrite: true, Size: &size})
		must(t, err)
		if got := used(t, w); got != size {
			t.Fatalf("used %d bytes, want %d", got, size)
		}
	}
	_, err := w.Put(t.Context(), alice, "/a", strings.NewReader(strings.Repeat("y", 101)), PutOptions{Overwrite: true})
	wantError(t, err, job.ErrExhausted)
}

//nolint:forbidigo // fake time: a synctest bubble
func TestARefusalCountsAgainWhenTheCountIsOld(t *testing.T) {
	w, dir := newWorkspace(t, Options{QuotaBytes: 100})
	synctest.Test(t, func(t *testing.T) {
		put(t, w, "/a", strings.Repeat("x", 100))
		must(t, os.Remove(filepath.Join(dir, alice, "a"))) // by somebody with a shell
		_, err := w.Put(t.Context(), alice, "/b", strings.NewReader("y"), PutOptions{})
		wantError(t, err, job.ErrExhausted)
		time.Sleep(2 * recountAfter)
		put(t, w, "/b", "y")
		if got := used(t, w); got != 1 {
			t.Fatalf("used %d bytes", got)
		}
	})
}

func TestUsageIsCountedWhenTheServerStarts(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	put(t, w, "/a/b", "four")
	put(t, w, "/c", "three")
	w = openWorkspace(t, dir, Options{QuotaBytes: 10})
	if got := used(t, w); got != 9 {
		t.Fatalf("used %d bytes", got)
	}
	_, err := w.Put(t.Context(), alice, "/d", strings.NewReader("xx"), PutOptions{})
	wantError(t, err, job.ErrExhausted)
}

func TestAFullDiskIsSaidPlainly(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("a disk of its own cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	w := openWorkspace(t, dir, Options{})
	put(t, w, "/a", "x")
	_, err := w.Put(t.Context(), alice, "/big", strings.NewReader(strings.Repeat("x", 1<<20)), PutOptions{})
	wantError(t, err, job.ErrStorage)
	wantError(t, err, unix.ENOSPC)
	var said *job.UserError
	if !errors.As(err, &said) || !strings.Contains(said.Message, "full") {
		t.Fatalf("the user is told %v", err)
	}
	if got := shownPaths(t, w, "/"); !slices.Equal(got, []string{"/a"}) {
		t.Fatalf("shown: %q", got)
	}
}

func sumOf(content string) []byte {
	sum := sha256.Sum256([]byte(content))
	return sum[:]
}

// What is there is taken for what is to come only after it was read.
func TestPutKeepsAFileOfTheSameContent(t *testing.T) {
	const content = ">a\nACGT\n"
	size := int64(len(content))
	for name, c := range map[string]struct {
		there     string
		overwrite bool
		reads     bool
		err       error
	}{
		"the same":                       {there: content},
		"the same, to overwrite":         {there: content, overwrite: true},
		"changed in place":               {there: ">a\nACGA\n", overwrite: true, reads: true},
		"cut":                            {there: ">a\n", overwrite: true, reads: true},
		"longer":                         {there: content + ">b\n", overwrite: true, reads: true},
		"changed, not to be overwritten": {there: ">a\nACGA\n", err: job.ErrAlreadyExists},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := newWorkspace(t, Options{})
			put(t, w, "/uploads/x/a", c.there)
			read1 := false
			r := readerFunc(func(b []byte) (int, error) {
				if read1 {
					return 0, io.EOF
				}
				read1 = true
				return copy(b, content), nil
			})
			e, err := w.Put(t.Context(), alice, "/uploads/x/a", r, PutOptions{Size: &size, SHA256: sumOf(content), Overwrite: c.overwrite})
			if c.err != nil {
				wantError(t, err, c.err)
				return
			}
			must(t, err)
			if read1 != c.reads || e.GetSizeBytes() != size || read(t, w, "/uploads/x/a") != content || used(t, w) != size {
				t.Errorf("read %v, %v, %q, %d bytes", read1, e, read(t, w, "/uploads/x/a"), used(t, w))
			}
		})
	}
}

func TestPutRefusesContentOfAnotherSum(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	put(t, w, "/a", "old")
	for _, sum := range [][]byte{sumOf("other"), {}, []byte("short")} {
		_, err := w.Put(t.Context(), alice, "/a", strings.NewReader("new"), PutOptions{SHA256: sum, Overwrite: true})
		wantInvalid(t, err, "sha256")
	}
	put(t, w, "/d/x", "x")
	_, err := w.Put(t.Context(), alice, "/d", strings.NewReader("new"), PutOptions{SHA256: sumOf("new"), Overwrite: true})
	wantError(t, err, job.ErrConflict)
	if got := read(t, w, "/a"); got != "old" {
		t.Errorf("it reads %q", got)
	}
	if left := onDisk(t, filepath.Join(dir, alice, tempDir)); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}

package workspace

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
)

func sized(n int) UploadOptions {
	size := int64(n)
	return UploadOptions{PutOptions: PutOptions{Size: &size}}
}

func begin(t *testing.T, w *Workspace, p string, o UploadOptions) *workspacev1.Upload {
	t.Helper()
	u, err := w.CreateUpload(t.Context(), alice, p, o)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func appendTo(t *testing.T, w *Workspace, id string, offset int64, content string) (*workspacev1.Upload, error) {
	t.Helper()
	return w.AppendUpload(t.Context(), alice, id, Part{Offset: offset, Content: strings.NewReader(content)})
}

// wantOffset checks that err says where the upload goes on.
func wantOffset(t interface {
	Helper()
	Fatalf(string, ...any)
}, err error, offset int64,
) {
	t.Helper()
	user, ok := errors.AsType[*job.UserError](err)
	if !ok || !errors.Is(err, job.ErrOffset) || user.Metadata["offset"] != strconv.FormatInt(offset, 10) {
		t.Fatalf("got error %v, want one that says offset %d", err, offset)
	}
}

func offsetOf(t *testing.T, w *Workspace, id string) int64 {
	t.Helper()
	u, err := w.GetUpload(t.Context(), alice, id)
	if err != nil {
		t.Fatal(err)
	}
	return u.GetOffset()
}

func TestAnUploadKeepsWhatCameBeforeItBrokeOffAndIsWholeAtItsEnd(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	u := begin(t, w, "/reads/a.fq", sized(10))
	broken := errors.New("connection broke")
	_, err := w.AppendUpload(t.Context(), alice, u.GetId(), Part{Content: io.MultiReader(strings.NewReader("ACGT"), iotest.ErrReader(broken))})
	wantError(t, err, broken)
	if got := offsetOf(t, w, u.GetId()); got != 4 {
		t.Fatalf("offset is %d", got)
	}
	_, err = appendTo(t, w, u.GetId(), 0, "ACGTACGTAC")
	wantOffset(t, err, 4)
	_, err = appendTo(t, w, u.GetId(), 9, "C")
	wantOffset(t, err, 4)
	half, err := appendTo(t, w, u.GetId(), 4, "TT")
	must(t, err)
	if half.GetOffset() != 6 || half.GetEntry() != nil {
		t.Fatalf("half of it: %v", half)
	}
	if got := shownPaths(t, w, "/"); got != nil {
		t.Fatalf("what is not finished shows %q", got)
	}
	_, err = appendTo(t, w, u.GetId(), 6, "GGGGG")
	wantInvalid(t, err, "data") // one too many
	done, err := appendTo(t, w, u.GetId(), 6, "GGGG")
	must(t, err)
	if done.GetEntry().GetPath() != "/reads/a.fq" || done.GetEntry().GetSizeBytes() != 10 || read(t, w, "/reads/a.fq") != "ACGTTTGGGG" {
		t.Fatalf("stored %v", done)
	}
	again, err := appendTo(t, w, u.GetId(), 10, "")
	must(t, err)
	if diff := cmp.Diff(done.GetEntry().GetPath(), again.GetEntry().GetPath()); diff != "" {
		t.Fatal(diff)
	}
	_, err = appendTo(t, w, u.GetId(), 4, "TT")
	wantOffset(t, err, 10)
	info, err := os.Stat(filepath.Join(dir, alice, "reads/a.fq"))
	must(t, err)
	if info.Mode().Perm() != fileMode || used(t, w) != 10 {
		t.Fatalf("mode %v, %d bytes used", info.Mode(), used(t, w))
	}
	if got := onDisk(t, filepath.Join(dir, alice, uploadsDir)); len(got) != 1 {
		t.Fatalf("left beside the record: %q", got)
	}
	if l := w.ListUploads(alice, Page{Size: 10}); len(l.Uploads) != 0 {
		t.Fatalf("a finished one is listed: %v", l)
	}
}

// waitsAt is a reader that says when it is asked for more than it has, and then blocks until it is
// let go.
type waitsAt struct {
	r       io.Reader
	reached chan struct{}
	release chan struct{}
}

func newWaitsAt(content string) *waitsAt {
	return &waitsAt{r: strings.NewReader(content), reached: make(chan struct{}), release: make(chan struct{})}
}

func (r *waitsAt) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if errors.Is(err, io.EOF) {
		close(r.reached)
		<-r.release
	}
	return n, err
}

// Whatever breaks off and whenever the process ends: the file is what was sent.
func TestUploadsAreWholeWhateverBreaks(t *testing.T) {
	top, runs := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		dir := filepath.Join(top, strconv.Itoa(runs))
		runs++
		w, err := Open(dir, Options{})
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = w.Close() }()
		content := rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(rt, "content")
		o := UploadOptions{}
		size := int64(len(content))
		if rapid.Bool().Draw(rt, "size is told") {
			o.Size = &size
		}
		u, err := w.CreateUpload(context.Background(), alice, "/a/b", o)
		if err != nil {
			rt.Fatal(err)
		}
		durable := int64(0)
		for range rapid.IntRange(0, 12).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"append", "break", "crash", "wrong"}).Draw(rt, "step") {
			case "crash":
				_ = w.Close()
				if w, err = Open(dir, Options{}); err != nil {
					rt.Fatal(err)
				}
			case "wrong":
				wrong := rapid.Int64Range(0, 70).Filter(func(n int64) bool { return n != durable }).Draw(rt, "offset")
				_, err := w.AppendUpload(context.Background(), alice, u.GetId(), Part{Offset: wrong, Content: strings.NewReader("x")})
				wantOffset(rt, err, durable)
			case "append", "break":
				n := min(rapid.Int64Range(0, 20).Draw(rt, "bytes"), max(0, size-1-durable)) // the last byte comes below
				_, err := w.AppendUpload(context.Background(), alice, u.GetId(), Part{
					Offset: durable, Content: io.MultiReader(bytes.NewReader(content[durable:durable+n]), iotest.ErrReader(io.ErrUnexpectedEOF)),
				})
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					rt.Fatal(err)
				}
				durable += n
			}
			got, err := w.GetUpload(context.Background(), alice, u.GetId())
			if err != nil || got.GetOffset() != durable {
				rt.Fatalf("offset %d, want %d, %v", got.GetOffset(), durable, err)
			}
		}
		sum := sha256.Sum256(content)
		done, err := w.AppendUpload(context.Background(), alice, u.GetId(), Part{
			Offset: durable, Size: &size, Content: bytes.NewReader(content[durable:]), SHA256: func() []byte { return sum[:] },
		})
		if err != nil || done.GetEntry() == nil {
			rt.Fatalf("%v, %v", done, err)
		}
		stored, err := os.ReadFile(filepath.Join(dir, alice, "a/b"))
		if err != nil || !bytes.Equal(stored, content) {
			rt.Fatalf("stored %q for %q, %v", stored, content, err)
		}
	})
}

func TestOfTwoAppendsOneWinsAndTheOtherIsToldTheOffset(t *testing.T) {
	w, _ := newWorkspace(t, Options{})
	u := begin(t, w, "/a", sized(6))
	first := newWaitsAt("AC")
	ended := make(chan error)
	go func() {
		_, err := w.AppendUpload(context.Background(), alice, u.GetId(), Part{Content: first})
		ended <- err
	}()
	<-first.reached
	_, err := appendTo(t, w, u.GetId(), 0, "xx") // it has begun after the first byte of another one came
	wantOffset(t, err, 2)
	done, err := appendTo(t, w, u.GetId(), 2, "GTTT") // it begins where the other one stands still
	must(t, err)
	if done.GetEntry() == nil || read(t, w, "/a") != "ACGTTT" {
		t.Fatalf("stored %v", done)
	}
	close(first.release)
	wantOffset(t, <-ended, 6)

	for range 20 {
		race(t, w)
	}
}

// race has many appends begin at the same byte.
func race(t *testing.T, w *Workspace) {
	t.Helper()
	u := begin(t, w, "/r", UploadOptions{PutOptions: PutOptions{Overwrite: true}})
	var all sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 8 {
		all.Go(func() {
			_, err := appendTo(t, w, u.GetId(), 0, strings.Repeat(strconv.Itoa(i), 100))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, job.ErrOffset) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	size := int64(100)
	if got := offsetOf(t, w, u.GetId()); got != size || won != 1 {
		t.Fatalf("%d appends succeeded, and %d bytes are there", won, got)
	}
	done, err := w.AppendUpload(t.Context(), alice, u.GetId(), Part{Offset: size, Size: &size, Content: strings.NewReader("")})
	must(t, err)
	if stored := read(t, w, "/r"); strings.Count(stored, stored[:1]) != 100 {
		t.Fatalf("a mixture was stored: %q, %v", stored, done)
	}
}

func TestAnUploadReplacesNothingUnasked(t *testing.T) {
	w, dir := newWorkspace(t, Options{EntryBytes: 4096})
	put(t, w, "/there", "old")
	_, err := w.CreateUpload(t.Context(), alice, "/there", sized(3))
	wantError(t, err, job.ErrAlreadyExists)
	o := sized(3)
	o.ResumeKey = "k"
	u := begin(t, w, "/x/late", o)
	put(t, w, "/x/late", "old") // while it was on its way
	before, err := w.Usage(t.Context(), alice)
	must(t, err)
	for range 2 {
		_, err = appendTo(t, w, u.GetId(), offsetOf(t, w, u.GetId()), "new"[offsetOf(t, w, u.GetId()):])
		wantError(t, err, job.ErrAlreadyExists)
	}
	if got := read(t, w, "/x/late"); got != "old" {
		t.Fatalf("stored %q", got)
	}
	_, err = w.CreateUpload(t.Context(), alice, "/x/late", o)
	wantError(t, err, job.ErrAlreadyExists)
	w = openWorkspace(t, dir, Options{EntryBytes: 4096}) // it stays whole over a restart
	o.Overwrite = true
	again := begin(t, w, "/x/late", o)
	if again.GetId() != u.GetId() || again.GetOffset() != 3 {
		t.Fatalf("it was not found again: %v", again)
	}
	done, err := appendTo(t, w, u.GetId(), 3, "")
	must(t, err)
	if done.GetEntry() == nil || read(t, w, "/x/late") != "new" {
		t.Fatalf("stored %v", done)
	}
	after, err := w.Usage(t.Context(), alice)
	must(t, err)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Fatalf("the same size in the same place: %s", diff)
	}
	wantPending(t, w, amount{})
}

func wantPending(t *testing.T, w *Workspace, want amount) {
	t.Helper()
	a := w.account(alice)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pending != want {
		t.Fatalf("pending is %v, want %v", a.pending, want)
	}
}

func TestContentWithAnotherSumIsThrownAway(t *testing.T) {
	sum := sha256.Sum256([]byte("right"))
	for name, c := range map[string]struct{ atBegin, atEnd []byte }{"told before": {sum[:], nil}, "told at the end": {nil, sum[:]}} {
		t.Run(name, func(t *testing.T) {
			w, dir := newWorkspace(t, Options{QuotaBytes: 100})
			o := sized(5)
			o.SHA256 = c.atBegin
			u := begin(t, w, "/a", o)
			_, err := w.AppendUpload(t.Context(), alice, u.GetId(), Part{Content: strings.NewReader("wrong"), SHA256: func() []byte { return c.atEnd }})
			wantInvalid(t, err, "sha256")
			_, err = w.GetUpload(t.Context(), alice, u.GetId())
			wantError(t, err, job.ErrNotFound)
			if got := onDisk(t, filepath.Join(dir, alice, uploadsDir)); len(got) != 0 {
				t.Fatalf("left %q", got)
			}
			wantPending(t, w, amount{})
			u = begin(t, w, "/a", o)
			_, err = w.AppendUpload(t.Context(), alice, u.GetId(), Part{Content: strings.NewReader("right"), SHA256: func() []byte { return c.atEnd }})
			must(t, err)
			o.Overwrite = true
			o.SHA256 = sum[:]
			there := begin(t, w, "/a", o)
			if there.GetEntry() == nil || there.GetOffset() != 5 || offsetOf(t, w, there.GetId()) != 5 {
				t.Fatalf("the same content is there, and is to be sent: %v", there)
			}
		})
	}
	w, _ := newWorkspace(t, Options{})
	u := begin(t, w, "/b", sized(5))
	_, err := w.AppendUpload(t.Context(), alice, u.GetId(), Part{Content: strings.NewReader("rig"), SHA256: func() []byte { return sum[:] }})
	wantOffset(t, err, 3) // the client believes that it sent all
	_, err = w.AppendUpload(t.Context(), alice, u.GetId(), Part{Offset: 3, Content: strings.NewReader("ht"), SHA256: func() []byte { return sum[:7] }})
	wantInvalid(t, err, "sha256")
}

func TestUploadsTakeRoomOfTheQuotaUntilTheyEnd(t *testing.T) {
	limits := Options{QuotaBytes: 100, QuotaEntries: 5}
	w, dir := newWorkspace(t, limits)
	u := begin(t, w, "/new/a", sized(60))
	wantPending(t, w, amount{60, 2})
	_, err := w.CreateUpload(t.Context(), alice, "/b", sized(41))
	wantError(t, err, job.ErrExhausted)
	_, err = w.CreateUpload(t.Context(), alice, "/1/2/3/b", sized(1))
	wantError(t, err, job.ErrExhausted)
	_, err = w.Put(t.Context(), alice, "/b", strings.NewReader(strings.Repeat("x", 41)), PutOptions{})
	wantError(t, err, job.ErrExhausted)
	grows := begin(t, w, "/b", UploadOptions{})
	_, err = appendTo(t, w, grows.GetId(), 0, strings.Repeat("x", 40))
	must(t, err)
	_, err = appendTo(t, w, grows.GetId(), 40, "x")
	wantError(t, err, job.ErrExhausted)

	w = openWorkspace(t, dir, limits)
	wantPending(t, w, amount{100, 3})
	for _, size := range []int64{39, 41} {
		_, err = w.AppendUpload(t.Context(), alice, grows.GetId(), Part{Offset: 40, Size: &size, Content: strings.NewReader("")})
		if size < 40 {
			wantInvalid(t, err, "sizeBytes")
		} else {
			wantError(t, err, job.ErrExhausted)
		}
	}
	must(t, w.EndUpload(t.Context(), alice, u.GetId()))
	wantPending(t, w, amount{40, 1})
	wantError(t, w.EndUpload(t.Context(), alice, u.GetId()), job.ErrNotFound)
	size := int64(41)
	_, err = w.AppendUpload(t.Context(), alice, grows.GetId(), Part{Offset: 40, Size: &size, Content: strings.NewReader("x")})
	must(t, err)
	other := int64(42)
	_, err = w.AppendUpload(t.Context(), alice, begin(t, w, "/c", sized(1)).GetId(), Part{Size: &other, Content: strings.NewReader("x")})
	wantInvalid(t, err, "sizeBytes")
	wantPending(t, w, amount{1, 1})
	if got := used(t, w); got != 41 {
		t.Fatalf("%d bytes used", got)
	}
}

func TestUploadsLeaveTheDiskItsFloor(t *testing.T) {
	room := int64(20 << 20)
	w, _ := newWorkspace(t, Options{Room: func(n int64) error {
		if n > room {
			return fmt.Errorf("%d of %d: %w", n, room, job.ErrNoSpace)
		}
		return nil
	}})
	_, err := w.CreateUpload(t.Context(), alice, "/a", sized(21<<20))
	wantError(t, err, job.ErrNoSpace)
	wantPending(t, w, amount{})
	u := begin(t, w, "/a", sized(20<<20))
	room = 0
	content := strings.Repeat("x", 20<<20)
	_, err = appendTo(t, w, u.GetId(), 0, content)
	wantError(t, err, job.ErrNoSpace)
	offset := offsetOf(t, w, u.GetId())
	if offset < uploadSync || offset > uploadSync+1<<20 {
		t.Fatalf("%d bytes were taken without room", offset)
	}
	room = 20 << 20
	_, err = appendTo(t, w, u.GetId(), offset, content[offset:])
	must(t, err)
}

func TestUploadsHaveANumberAndALife(t *testing.T) {
	w, dir := newWorkspace(t, Options{MaxUploads: 3, UploadLife: time.Hour})
	var ids []string
	for i := range 3 {
		ids = append(ids, begin(t, w, fmt.Sprintf("/f%d", i), sized(5)).GetId())
	}
	_, err := w.CreateUpload(t.Context(), alice, "/more", sized(1))
	wantError(t, err, job.ErrExhausted)
	if _, err := w.CreateUpload(t.Context(), "bob", "/f", sized(1)); err != nil {
		t.Fatalf("another owner: %v", err)
	}
	for _, call := range []func() error{
		func() error { _, err := w.GetUpload(t.Context(), "bob", ids[0]); return err },
		func() error { _, err := w.AppendUpload(t.Context(), "bob", ids[0], Part{}); return err },
		func() error { return w.EndUpload(t.Context(), "bob", ids[0]) },
		func() error { _, err := w.GetUpload(t.Context(), alice, "../"+ids[0]); return err },
	} {
		wantError(t, call(), job.ErrNotFound)
	}
	w = openWorkspace(t, dir, Options{MaxUploads: 3, UploadLife: time.Hour})
	first := w.ListUploads(alice, Page{Size: 2})
	rest := w.ListUploads(alice, Page{Size: 2, After: first.Next})
	var listed []string
	for _, u := range append(first.Uploads, rest.Uploads...) {
		listed = append(listed, u.GetId())
	}
	if diff := cmp.Diff(ids, listed); diff != "" || first.Next == "" || rest.Next != "" {
		t.Fatal(diff, first.Next, rest.Next)
	}
	_, err = appendTo(t, w, ids[1], 0, "whole")
	must(t, err)
	if n, err := w.ExpireUploads(t.Context(), time.Now().Add(59*time.Minute)); n != 0 || err != nil {
		t.Fatalf("%d dropped, %v", n, err)
	}
	if n, err := w.ExpireUploads(t.Context(), time.Now().Add(2*time.Hour)); n != 3 || err != nil { // with bob's
		t.Fatalf("%d dropped, %v", n, err)
	}
	if got := offsetOf(t, w, ids[1]); got != 5 {
		t.Fatal("the finished one was forgotten too early")
	}
	if n, err := w.ExpireUploads(t.Context(), time.Now().Add(25*time.Hour)); n != 0 || err != nil {
		t.Fatalf("%d dropped, %v", n, err)
	}
	_, err = w.GetUpload(t.Context(), alice, ids[1])
	wantError(t, err, job.ErrNotFound)
	if got := onDisk(t, filepath.Join(dir, alice, uploadsDir)); len(got) != 0 {
		t.Fatalf("left %q", got)
	}
	wantPending(t, w, amount{})
	if got := read(t, w, "/f1"); got != "whole" {
		t.Fatalf("stored %q", got)
	}
}

func TestOnlySomeFinishedUploadsAreKnown(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	for range maxFinished + 3 {
		_, err := appendTo(t, w, begin(t, w, "/a", UploadOptions{PutOptions: PutOptions{Overwrite: true, Size: new(int64)}}).GetId(), 0, "")
		must(t, err)
	}
	if got := onDisk(t, filepath.Join(dir, alice, uploadsDir)); len(got) != maxFinished {
		t.Fatalf("%d are known", len(got))
	}
}

func TestAResumeKeyFindsTheUploadOfTheSameContent(t *testing.T) {
	w, _ := newWorkspace(t, Options{})
	o := sized(5)
	o.ResumeKey = "a.fq 5 today"
	u := begin(t, w, "/a", o)
	if again := begin(t, w, "/a", o); again.GetId() != u.GetId() {
		t.Fatal("it was not found")
	}
	other := sized(6)
	other.ResumeKey = o.ResumeKey
	for name, found := range map[string]*workspacev1.Upload{
		"another path": begin(t, w, "/b", o), "another size": begin(t, w, "/a", other), "no key": begin(t, w, "/a", sized(5)),
	} {
		if found.GetId() == u.GetId() {
			t.Errorf("%s finds it", name)
		}
	}
	o.ResumeKey = strings.Repeat("k", maxResumeKey+1)
	_, err := w.CreateUpload(t.Context(), alice, "/a", o)
	wantInvalid(t, err, "resumeKey")
}

func TestAnEndedUploadTakesNothingMore(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	u := begin(t, w, "/a", sized(10))
	r := newWaitsAt("AC")
	ended := make(chan error)
	go func() {
		_, err := w.AppendUpload(context.Background(), alice, u.GetId(), Part{Content: r})
		ended <- err
	}()
	<-r.reached
	n, err := w.Erase(t.Context(), alice)
	must(t, err)
	if n != 0 {
		t.Fatalf("%d files and folders", n)
	}
	close(r.release)
	wantError(t, <-ended, job.ErrNotFound)
	if got := onDisk(t, dir); len(got) != 0 {
		t.Fatalf("left %q", got)
	}
}

// What a lost connection has brought is mostly still being read when its client asks where to go
// on.
func TestTheOffsetCountsWhatIsStillBeingRead(t *testing.T) {
	w, _ := newWorkspace(t, Options{})
	u := begin(t, w, "/a", sized(10))
	r := newWaitsAt("ACGT")
	ended := make(chan error)
	go func() {
		_, err := w.AppendUpload(context.Background(), alice, u.GetId(), Part{Content: io.MultiReader(r, strings.NewReader("TT"))})
		ended <- err
	}()
	<-r.reached
	asked := make(chan int64)
	go func() { asked <- offsetOf(t, w, u.GetId()) }()
	close(r.release)
	must(t, <-ended)
	if got := <-asked; got != 6 && got != 4 { // 4 on a machine that stands still for longer than the wait
		t.Fatalf("offset %d", got)
	}
	if got := offsetOf(t, w, u.GetId()); got != 6 {
		t.Fatalf("offset %d", got)
	}
	stuck := newWaitsAt("G")
	go func() {
		_, err := w.AppendUpload(context.Background(), alice, u.GetId(), Part{Offset: 6, Content: stuck})
		ended <- err
	}()
	<-stuck.reached
	if got := offsetOf(t, w, u.GetId()); got != 7 { // of one that stands still what is there counts
		t.Fatalf("offset %d", got)
	}
	close(stuck.release)
	must(t, <-ended)
}

package workdir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// sparse is what a reader got: the kept bytes at their offsets.
type sparse map[int64]byte

func readAll(t *testing.T, a Attempt, o LogOptions) (sparse, string) {
	t.Helper()
	got, text := sparse{}, strings.Builder{}
	end := int64(0)
	err := a.ReadLog(t.Context(), Stdout, o, func(c LogChunk) error {
		if len(c.Data) == 0 || len(c.Data) > ChunkMost {
			return fmt.Errorf("a chunk of %d bytes", len(c.Data))
		}
		if c.Offset < end {
			return fmt.Errorf("chunk at %d after the end %d of the one before", c.Offset, end)
		}
		end = c.Offset + int64(len(c.Data))
		if c.Size < end {
			return fmt.Errorf("size %d is less than %d", c.Size, end)
		}
		for i, b := range c.Data {
			got[c.Offset+int64(i)] = b
		}
		text.Write(c.Data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, text.String()
}

func segmentFiles(t *testing.T, a Attempt) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(a.Path(), "stdout*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// Whatever is written in whatever pieces, and whatever the disk refuses
// meanwhile: what a reader gets is at its true offset, the head and the end are kept, and the
// files stay within the cap.
func TestLogModel(t *testing.T) {
	root := newRoot(t)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		a := root.Job(1).Attempt(run)
		if err := a.Create(); err != nil {
			rt.Fatal(err)
		}
		limits := LogLimits{HeadBytes: rapid.Int64Range(1, 40).Draw(rt, "head"), TailBytes: rapid.Int64Range(1, 40).Draw(rt, "tail")}
		w, err := a.CreateLog(Stdout, limits)
		if err != nil {
			rt.Fatal(err)
		}
		disk := &faultyDisk{w: w, open: w.open}
		w.open = disk.openFile
		var all []byte
		lost := map[int64]bool{}
		for range rapid.IntRange(0, 12).Draw(rt, "writes") {
			p := rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(rt, "data")
			disk.room = rapid.SampledFrom([]int{-1, -1, -1, 0, 1, 7}).Draw(rt, "room")
			before, _ := w.Lost()
			if n, err := w.Write(p); n != len(p) || err != nil {
				rt.Fatalf("Write() = %d, %v", n, err)
			}
			all = append(all, p...)
			after, cause := w.Lost()
			if (after > 0) != (cause != nil) {
				rt.Fatalf("Lost() = %d, %v", after, cause)
			}
			for i := range after - before {
				lost[int64(len(all))-1-i] = true
			}
		}
		if err := w.Close(); err != nil {
			rt.Fatal(err)
		}
		got, _ := readAll(t, a, LogOptions{})
		for offset, b := range got {
			if offset >= int64(len(all)) || all[offset] != b {
				rt.Fatalf("byte %d is not what was written there", offset)
			}
		}
		if len(lost) == 0 {
			for i := range all {
				fromEnd := int64(len(all) - i)
				if _, kept := got[int64(i)]; !kept && (int64(i) < limits.HeadBytes || fromEnd <= limits.TailBytes) {
					rt.Fatalf("byte %d of %d is in the head or the tail, but was not kept", i, len(all))
				}
			}
		}
		if n := int64(len(got)); n > limits.HeadBytes+2*limits.TailBytes {
			rt.Fatalf("%d bytes kept with limits %+v", n, limits)
		}
		if files := segmentFiles(t, a); len(files) > 1+tailSegments {
			rt.Fatalf("segments: %v", files)
		}
		if w.Size() != int64(len(all)) {
			rt.Fatalf("Size() = %d of %d", w.Size(), len(all))
		}
	})
}

// faultyDisk has room for so many more bytes; -1 is any number.
type faultyDisk struct {
	w    *LogWriter
	open func(string) (segmentFile, error)
	room int
}

type faultyFile struct {
	segmentFile
	disk *faultyDisk
}

func (d *faultyDisk) openFile(name string) (segmentFile, error) {
	f, err := d.open(name)
	return &faultyFile{f, d}, err
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if f.disk.room < 0 || f.disk.room >= len(p) {
		if f.disk.room >= 0 {
			f.disk.room -= len(p)
		}
		return f.segmentFile.Write(p)
	}
	n, err := f.segmentFile.Write(p[:f.disk.room])
	f.disk.room = 0
	return n, errors.Join(err, syscall.ENOSPC)
}

func TestTailModel(t *testing.T) {
	root := newRoot(t)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		a := root.Job(2).Attempt(run)
		if err := a.Create(); err != nil {
			rt.Fatal(err)
		}
		text := rapid.StringMatching(`([a-z]{0,3}\n){0,20}[a-z]{0,3}`).Draw(rt, "text")
		w, err := a.CreateLog(Stdout, LogLimits{HeadBytes: rapid.Int64Range(1, 30).Draw(rt, "head"), TailBytes: 100})
		if err != nil {
			rt.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			rt.Fatal(err)
		}
		if err := w.Close(); err != nil {
			rt.Fatal(err)
		}
		n := rapid.IntRange(1, 25).Draw(rt, "lines")
		lines := strings.SplitAfter(text, "\n")
		if lines[len(lines)-1] == "" {
			lines = lines[:len(lines)-1]
		}
		want := strings.Join(lines[max(0, len(lines)-n):], "")
		if _, got := readAll(t, a, LogOptions{TailLines: n}); got != want {
			rt.Fatalf("last %d lines of %q = %q, want %q", n, text, got, want)
		}
	})
}

func TestReadLogParts(t *testing.T) {
	a := newAttempt(t)
	if _, got := readAll(t, a, LogOptions{}); got != "" {
		t.Errorf("a missing log reads as %q", got)
	}
	if size, err := a.LogSize(Stdout); size != 0 || err != nil {
		t.Errorf("LogSize() of a missing log = %d, %v", size, err)
	}
	writeFile(t, filepath.Join(a.Path(), "stdout"), "0123456789\nabc\n")
	writeFile(t, filepath.Join(a.Path(), "stdout.x"), "not ours")
	writeFile(t, filepath.Join(a.Path(), "stdout.007"), "not ours")
	writeFile(t, filepath.Join(a.Path(), "stderr.0"), "not ours")
	for _, tt := range []struct {
		o    LogOptions
		want string
	}{
		{LogOptions{}, "0123456789\nabc\n"},
		{LogOptions{Offset: 8}, "89\nabc\n"},
		{LogOptions{Offset: 8, Limit: 4}, "89\na"},
		{LogOptions{Offset: 15}, ""},
		{LogOptions{Offset: 1 << 50}, ""},
		{LogOptions{Offset: -3, Limit: 1}, "0"},
		{LogOptions{TailLines: 1}, "abc\n"},
		{LogOptions{TailLines: 1, Limit: 2}, "ab"},
		{LogOptions{TailLines: 9}, "0123456789\nabc\n"},
	} {
		if _, got := readAll(t, a, tt.o); got != tt.want {
			t.Errorf("ReadLog(%+v) = %q, want %q", tt.o, got, tt.want)
		}
	}
	if size, err := a.LogSize(Stdout); size != 15 || err != nil {
		t.Errorf("LogSize() = %d, %v", size, err)
	}
	stop := errors.New("enough")
	if err := a.ReadLog(t.Context(), Stdout, LogOptions{}, func(LogChunk) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("ReadLog() with a send that fails = %v", err)
	}
	if err := a.root.Job(99).Attempt(1).ReadLog(t.Context(), Stdout, LogOptions{TailLines: 3}, nil); err != nil {
		t.Errorf("ReadLog() without a folder = %v", err)
	}
}

func TestReadLogIgnoresWhatIsNoFile(t *testing.T) {
	a := newAttempt(t)
	outside := filepath.Join(t.TempDir(), "outside")
	writeFile(t, outside, "secret")
	if err := errors.Join(
		syscall.Mkfifo(filepath.Join(a.Path(), "stdout"), 0o600),
		os.Symlink(outside, filepath.Join(a.Path(), "stdout.0")),
		os.Mkdir(filepath.Join(a.Path(), "stdout.5"), 0o755),
	); err != nil {
		t.Fatal(err)
	}
	if _, got := readAll(t, a, LogOptions{}); got != "" {
		t.Errorf("read %q", got)
	}
}

func TestHugeLogsAreNotLoaded(t *testing.T) {
	a := newAttempt(t)
	path := filepath.Join(a.Path(), "stdout")
	writeFile(t, path, "")
	const size = 8 << 30 // sparse
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("\nlast\n"), size); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, got := readAll(t, a, LogOptions{TailLines: 1}); got != "last\n" {
		t.Errorf("last line = %q", got)
	}
	if _, got := readAll(t, a, LogOptions{Offset: size - 2, Limit: 4}); got != "\x00\x00\nl" {
		t.Errorf("middle = %q", got)
	}
	// One line of 8 GiB: the begin of the tail is not looked for to the end of time.
	first := int64(-1)
	stop := errors.New("enough")
	err = a.ReadLog(t.Context(), Stdout, LogOptions{TailLines: 2}, func(c LogChunk) error { first = c.Offset; return stop })
	if !errors.Is(err, stop) || first != size+6-tailScanMost {
		t.Errorf("the last two lines begin at %d, %v", first, err)
	}
}

// pass lets time pass in a synctest bubble.
func pass(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // the time of a synctest bubble is fake

// follower runs ReadLog with Done in a synctest bubble.
type follower struct {
	text   strings.Builder
	empty  int // chunks without data
	lastAt time.Time
	err    error
	ended  chan struct{}
}

func follow(ctx context.Context, a Attempt, o LogOptions) *follower {
	f := &follower{ended: make(chan struct{})}
	go func() {
		defer close(f.ended)
		f.err = a.ReadLog(ctx, Stdout, o, func(c LogChunk) error {
			if len(c.Data) == 0 {
				f.empty++
			}
			f.text.Write(c.Data)
			f.lastAt = time.Now()
			return nil
		})
	}()
	return f
}

func TestFollowSeesAllAndEnds(t *testing.T) {
	root := newRoot(t)
	synctest.Test(t, func(t *testing.T) {
		a := root.Job(3).Attempt(1)
		done := make(chan struct{})
		f := follow(t.Context(), a, LogOptions{Done: done})
		pass(time.Minute) // the attempt has no folder yet
		if err := a.Create(); err != nil {
			t.Fatal(err)
		}
		w, err := a.CreateLog(Stdout, LogLimits{HeadBytes: 100, TailBytes: 50})
		if err != nil {
			t.Fatal(err)
		}
		var want strings.Builder
		for i := range 200 {
			line := fmt.Sprintf("line %d\n", i)
			want.WriteString(line)
			if _, err := w.Write([]byte(line)); err != nil {
				t.Fatal(err)
			}
			at := time.Now()
			pass(time.Duration(i%7) * 60 * time.Millisecond)
			synctest.Wait()
			if i%7 == 6 && f.lastAt.Sub(at) > pollMost {
				t.Fatalf("line %d came after %v", i, f.lastAt.Sub(at))
			}
		}
		if _, err := w.Write([]byte("the end\n")); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		close(done)
		at := time.Now()
		<-f.ended
		if f.err != nil || f.text.String() != want.String()+"the end\n" {
			t.Errorf("followed %d bytes of %d, %v", f.text.Len(), want.Len(), f.err)
		}
		if wait := time.Since(at); wait != 0 {
			t.Errorf("the follower ended %v after the log", wait)
		}
	})
}

// A reader that is slower than the writer finds segments gone: it goes on behind the gap.
func TestFollowAcrossDroppedSegments(t *testing.T) {
	a := newAttempt(t)
	synctest.Test(t, func(t *testing.T) {
		w, err := a.CreateLog(Stdout, LogLimits{HeadBytes: 10, TailBytes: 10})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		f := follow(t.Context(), a, LogOptions{Done: done})
		if _, err := w.Write([]byte("0123456789abcde")); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if _, err := w.Write(bytes.Repeat([]byte("x"), 200)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("end")); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		close(done)
		<-f.ended
		if got := f.text.String(); f.err != nil || got != "0123456789abcde"+strings.Repeat("x", 15)+"end" {
			t.Errorf("got %q, %v", got, f.err)
		}
	})
}

func TestFollowOfAFileThatOthersWrite(t *testing.T) {
	a := newAttempt(t)
	path := filepath.Join(a.Path(), "stdout")
	synctest.Test(t, func(t *testing.T) {
		done := make(chan struct{})
		f := follow(t.Context(), a, LogOptions{Done: done, KeepAlive: 10 * time.Second})
		writeFile(t, path, "one\n")
		pass(time.Minute)
		writeFile(t, path, "1\n") // truncated: nothing new
		pass(time.Minute)
		writeFile(t, path, "one\ntwo\n")
		pass(time.Second)
		os.Remove(path)
		pass(time.Second)
		close(done)
		<-f.ended
		if got := f.text.String(); f.err != nil || got != "one\ntwo\n" {
			t.Errorf("got %q, %v", got, f.err)
		}
		if f.empty < 10 || f.empty > 13 {
			t.Errorf("%d chunks kept a stream of two minutes alive, every 10 s", f.empty)
		}
	})
}

func TestFollowEndsWithItsContext(t *testing.T) {
	a := newAttempt(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := follow(ctx, a, LogOptions{Done: make(chan struct{})})
		pass(time.Hour)
		cancel()
		at := time.Now()
		<-f.ended
		if !errors.Is(f.err, context.Canceled) || time.Since(at) != 0 {
			t.Errorf("ended with %v after %v", f.err, time.Since(at))
		}
	})
}

package wal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stint-jobs/stint/internal/store/wal"
)

const block = 4096

// world is a log and what is in it. Its data are the texts that were appended, and a base is how many.
type world struct {
	*wal.Log
	path string
	all  []string
	sync bool
}

func create(t *testing.T) *world {
	t.Helper()
	w := &world{path: filepath.Join(t.TempDir(), "data"), sync: true}
	w.create(t, nil)
	return w
}

func (w *world) create(t *testing.T, past *wal.Past) {
	t.Helper()
	var err error
	if w.Log, err = wal.Create(w.path, past, w.base(), w.sync); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
}

func (w *world) base() []byte { return []byte(strconv.Itoa(len(w.all))) }

func (w *world) append(t *testing.T, text string) {
	t.Helper()
	if err := w.Append([]byte(text)); err != nil {
		t.Fatal(err)
	}
	w.all = append(w.all, text)
}

func (w *world) moveOn(t *testing.T) {
	t.Helper()
	w.Switch()
	if err := w.Settle(w.base()); err != nil {
		t.Fatal(err)
	}
}

// crash copies the files as they are.
func (w *world) crash(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data")
	for _, end := range []string{"-wal0", "-wal1"} {
		b, err := os.ReadFile(w.path + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+end, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// entries reads a log: what goes on from which base.
func entries(path string) (base int, texts []string, past *wal.Past, err error) {
	if past, err = wal.Read(path); err != nil || past == nil {
		return 0, nil, past, err
	}
	if base, err = strconv.Atoi(string(past.Base)); err != nil {
		return 0, nil, nil, err
	}
	err = past.Each(func(b []byte) error {
		texts = append(texts, string(b))
		return nil
	})
	return base, texts, past, err
}

func (w *world) want(t *testing.T, path string, all []string) *wal.Past {
	t.Helper()
	base, texts, past, err := entries(path)
	if err != nil {
		t.Fatal(err)
	}
	if base > len(all) || !slices.Equal(texts, all[base:]) {
		t.Fatalf("%d entries behind base %d, and %d were appended", len(texts), base, len(all))
	}
	return past
}

func text(r *rand.Rand) string {
	size := []int{0, 1, 100, block - 24, block - 23, 3 * block, 70 * block}[r.IntN(7)]
	return string(bytes.Repeat([]byte{byte(r.Uint32())}, size))
}

func TestNothingAppendedIsLost(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 0))
		w := create(t)
		w.sync = seed == 0
		for range 30 {
			switch r.IntN(8) {
			case 0:
				w.moveOn(t)
			case 1: // a crash between the two, and a start that does what the log says
				w.Switch()
				w.append(t, text(r))
				past := w.want(t, w.path, w.all)
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				w.create(t, past)
			default:
				w.append(t, text(r))
			}
			w.want(t, w.crash(t), w.all)
		}
	}
}

func TestATornEntryEndsTheLog(t *testing.T) {
	w := create(t)
	w.append(t, "first")
	w.moveOn(t)
	w.append(t, "second")
	before := w.Size()
	w.append(t, "third, of two blocks"+string(make([]byte, block)))
	for at := before; at < w.Size(); at += 397 {
		path := w.crash(t)
		// Everything from some byte of the last entry on is as it was before.
		b, err := os.ReadFile(path + "-wal1")
		if err != nil {
			t.Fatal(err)
		}
		clear(b[2*block+at:])
		if err := os.WriteFile(path+"-wal1", b, 0o600); err != nil {
			t.Fatal(err)
		}
		base, texts, _, err := entries(path)
		whole := bytes.Equal(b[2*block+before:2*block+w.Size()], readAt(t, w.path+"-wal1", 2*block+before, w.Size()-before))
		if err != nil || base != 1 || !whole && !slices.Equal(texts, []string{"second"}) {
			t.Fatalf("torn at %d: base %d, %d entries, %v", at-before, base, len(texts), err)
		}
	}
	// A file that ends in the middle of an entry is torn too.
	path := w.crash(t)
	if err := os.Truncate(path+"-wal1", 2*block+before+100); err != nil {
		t.Fatal(err)
	}
	if _, texts, _, err := entries(path); err != nil || !slices.Equal(texts, []string{"second"}) {
		t.Errorf("cut: %v %v", texts, err)
	}
}

func readAt(t *testing.T, name string, at, n int64) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b[at : at+n]
}

func flip(t *testing.T, name string, at int64) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 0x10
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestALostEntryIsDamage(t *testing.T) {
	w := create(t)
	for _, s := range []string{"one", "two", "three"} {
		w.append(t, s)
	}
	w.Switch()
	w.append(t, "four")
	for at := range int64(3) {
		path := w.crash(t)
		flip(t, path+"-wal0", (2+at)*block+25)
		if _, texts, _, err := entries(path); !errors.Is(err, wal.ErrDamaged) {
			t.Errorf("entry %d cannot be read: %v %v", at+1, texts, err)
		}
	}
	path := w.crash(t)
	flip(t, path+"-wal0", block+5) // the only base
	if _, _, _, err := entries(path); !errors.Is(err, wal.ErrDamaged) {
		t.Errorf("without a base: %v", err)
	}
}

func TestATornHeadIsAFileThatWasNotBegun(t *testing.T) {
	w := create(t)
	w.append(t, "one")
	w.moveOn(t)
	w.append(t, "two")
	path := w.crash(t)
	flip(t, path+"-wal0", 9)
	w.want(t, path, w.all)
}

// forged is what an entry of a file would be, number 4 of a log.
func forged(mark uint64) []byte {
	e := binary.LittleEndian.AppendUint32(nil, 6)
	e = binary.LittleEndian.AppendUint64(e, mark)
	e = append(binary.LittleEndian.AppendUint64(e, 4), "forged"...)
	return append(binary.LittleEndian.AppendUint32(nil, crc32.Checksum(e, crc32.MakeTable(crc32.Castagnoli))), e...)
}

// TestBytesThatLookLikeAnEntryAreNone has a user's text contain an entry as the
// file's next use would have it at that place, as far as anybody can know it.
func TestBytesThatLookLikeAnEntryAreNone(t *testing.T) {
	w := create(t)
	mark := func() uint64 { return binary.LittleEndian.Uint64(readAt(t, w.path+"-wal0", 24, 8)) }
	first := mark()
	w.append(t, string(append(make([]byte, block-24), forged(first)...))) // at the begin of the next block
	w.moveOn(t)
	w.append(t, "two")
	w.moveOn(t)
	w.append(t, "three")
	if mark() == first {
		t.Error("a file that is used again has the mark that it had")
	}
	path := w.crash(t)
	if got := readAt(t, path+"-wal0", 3*block, 30); !bytes.Equal(got, forged(first)) {
		t.Fatalf("behind the last entry is %q", got)
	}
	w.want(t, path, w.all)
	// Whoever could know the mark would get it in.
	b, err := os.ReadFile(path + "-wal0")
	if err != nil {
		t.Fatal(err)
	}
	copy(b[3*block:], forged(mark()))
	if err := os.WriteFile(path+"-wal0", b, 0o600); err != nil {
		t.Fatal(err)
	}
	w.want(t, path, append(w.all, "forged"))
}

func TestALogOfANewerProgramIsRefused(t *testing.T) {
	w := create(t)
	path := w.crash(t)
	b, err := os.ReadFile(path + "-wal0")
	if err != nil {
		t.Fatal(err)
	}
	b[12]++
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:32], crc32.MakeTable(crc32.Castagnoli)))
	if err := os.WriteFile(path+"-wal0", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := wal.Read(path); !errors.Is(err, wal.ErrNewer) {
		t.Error(err)
	}
}

func TestAfterAFailureNothingIsAppended(t *testing.T) {
	w := create(t)
	w.append(t, "one")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Append([]byte("two")); !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	}
	w.want(t, w.path, w.all)
}

func TestRemove(t *testing.T) {
	w := create(t)
	if !wal.Exists(w.path) {
		t.Error("it does not exist")
	}
	w.append(t, "one")
	w.moveOn(t)
	if err := errors.Join(w.Close(), wal.Remove(w.path), wal.Remove(w.path)); err != nil {
		t.Error(err)
	}
	if past, err := wal.Read(w.path); wal.Exists(w.path) || past != nil || err != nil {
		t.Errorf("it is there: %v %v", past, err)
	}
	if _, err := wal.Create(w.path, nil, make([]byte, wal.MaxBase+1), true); err == nil || wal.Exists(w.path) {
		t.Errorf("a base that is too long: %v", err)
	}
	if _, err := wal.Create(filepath.Join(w.path, "no", "folder"), nil, nil, true); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

func TestAnErrorOfTheCallerEndsTheReading(t *testing.T) {
	w := create(t)
	w.append(t, "one")
	w.append(t, "two")
	past, err := wal.Read(w.path)
	if err != nil {
		t.Fatal(err)
	}
	boom, n := errors.New("boom"), 0
	if err := past.Each(func([]byte) error { n++; return boom }); !errors.Is(err, boom) || n != 1 {
		t.Errorf("%d %v", n, err)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1000, 300_000} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			l, err := wal.Create(filepath.Join(b.TempDir(), "data"), nil, nil, true)
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			content := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := l.Append(content); err != nil {
					b.Fatal(err)
				}
				if l.Size() > 16<<20 {
					l.Switch()
					if err := l.Settle(nil); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

package kv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"
)

var errOwn = errors.New("own")

func TestFailedOperationIsCutOutOfItsBatch(t *testing.T) {
	for name, bad := range map[string]func(*Tx) error{
		"error before a write": func(*Tx) error { return errOwn },
		"error after a write":  func(tx *Tx) error { return errors.Join(put("bad", "x")(tx), errOwn) },
		"error after a sequence": func(tx *Tx) error {
			_, err := tx.NextSequence(jobs)
			return errors.Join(err, errOwn)
		},
		"error after a removal": func(tx *Tx) error { return errors.Join(tx.Delete(jobs, []byte("a")), errOwn) },
		"panic":                 func(*Tx) error { panic(errOwn) },
		"panic after a write":   func(tx *Tx) error { panic(put("bad", "x")(tx)) },
	} {
		for at := range 3 {
			t.Run(fmt.Sprint(name, at), func(t *testing.T) {
				db := openTest(t, nil)
				ops := []Op{{Stage: put("a", "1")}, {Stage: put("b", "2")}}
				ops = append(ops[:at], append([]Op{{Stage: bad}}, ops[at:]...)...)
				for i, err := range db.together(t.Context(), ops...) {
					var p *PanicError
					switch {
					case i != at && err != nil:
						t.Errorf("operation %d: %v", i, err)
					case i == at && !errors.Is(err, errOwn) && !errors.As(err, &p):
						t.Errorf("the failed one returned %v", err)
					}
				}
				db.wantContents(t, map[string]string{"a": "1", "b": "2"})
				if err := db.View(func(tx *ReadTx) error {
					if n := tx.Sequence(jobs); n != 0 {
						t.Errorf("sequence %d is left", n)
					}
					return nil
				}); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestOperationsAreNeitherLostNorDoubledByCuts(t *testing.T) {
	db := openTest(t, nil)
	// Each adds one to a counter; every third fails after it has done so.
	ops := make([]Op, 30)
	for i := range ops {
		ops[i].Stage = func(tx *Tx) error {
			n := len(tx.Get(jobs, []byte("n")))
			if err := tx.Put(jobs, []byte("n"), []byte(strings.Repeat("x", n+1))); err != nil || i%3 == 0 {
				return errors.Join(err, errOwn)
			}
			return nil
		}
	}
	for i, err := range db.together(t.Context(), ops...) {
		if (err != nil) != (i%3 == 0) {
			t.Errorf("operation %d: %v", i, err)
		}
	}
	db.wantContents(t, map[string]string{"n": strings.Repeat("x", 20)})
}

func TestCutOperationOfAnUnstableStage(t *testing.T) {
	db := openTest(t, nil)
	runs := 0
	unstable := func(tx *Tx) error { // fails the second time only, which the cut of the next one causes
		if runs++; runs == 2 {
			return errors.Join(put("unstable", "x")(tx), errOwn)
		}
		return put("unstable", "x")(tx)
	}
	errs := db.together(t.Context(), Op{Stage: put("a", "1")}, Op{Stage: unstable},
		Op{Stage: func(tx *Tx) error { return errors.Join(put("c", "3")(tx), errOwn) }}, Op{Stage: put("d", "4")})
	if errs[0] != nil || !errors.Is(errs[1], errOwn) || !errors.Is(errs[2], errOwn) || errs[3] != nil {
		t.Errorf("outcomes: %v", errs)
	}
	db.wantContents(t, map[string]string{"a": "1", "d": "4"})
}

func TestTooLarge(t *testing.T) {
	db := openTest(t, func(c *Config) { c.MaxEntry = 1000 })
	large, half := strings.Repeat("x", 1001), strings.Repeat("x", 600)
	errs := db.together(t.Context(), Op{Stage: put("a", half)}, Op{Stage: put("large", large)}, Op{Stage: put("b", half)},
		Op{Stage: func(tx *Tx) error { _ = put("c", half)(tx); return nil }}, // it ignores that it has to be cut
		Op{Stage: func(tx *Tx) error { _ = put("d", large)(tx); return nil }})
	var tooLarge *TooLargeError
	if !errors.As(errs[1], &tooLarge) || tooLarge.Size < 1001 || tooLarge.Max != 1000 {
		t.Errorf("too large alone: %v", errs[1])
	}
	if errs[0] != nil || errs[2] != nil || errs[3] != nil {
		t.Errorf("those that fit alone: %v", errs)
	}
	if !errors.As(errs[4], &tooLarge) {
		t.Errorf("too large alone, error ignored: %v", errs[4])
	}
	db.wantContents(t, map[string]string{"a": half, "b": half, "c": half})
}

func TestQueueIsBounded(t *testing.T) {
	db := openTest(t, func(c *Config) { c.QueueLength, c.QueueBytes = 3, 1000 })
	var wg sync.WaitGroup
	begun, release := make(chan struct{}), make(chan struct{})
	wg.Go(func() { // holds the writer
		if err := db.Do(t.Context(), Op{Stage: func(*Tx) error { close(begun); <-release; return nil }}); err != nil {
			t.Error(err)
		}
	})
	<-begun
	queued := make(chan error, 10)
	push := func(op Op) error {
		op.Stage = func(*Tx) error { return nil }
		p := &pending{Op: op, ctx: t.Context(), done: make(chan struct{}, 1)}
		err := db.queue.push(p)
		if err == nil {
			wg.Go(func() { <-p.done; queued <- p.err })
		}
		return err
	}
	for i, c := range []struct {
		op   Op
		want error
	}{
		{Op{Bytes: 5000}, nil},               // alone
		{Op{Bytes: 1}, ErrOverloaded},        // by bytes
		{Op{Bytes: 1, Internal: true}, nil},  // the server's own
		{Op{}, ErrOverloaded},                // 5001 bytes wait
		{Op{Bytes: 99, Internal: true}, nil}, // the third
		{Op{}, ErrOverloaded},
		{Op{Internal: true}, nil},
	} {
		if err := push(c.op); !errors.Is(err, c.want) {
			t.Errorf("operation %d: %v, want %v", i, err, c.want)
		}
	}
	if s := db.Stats(); s.Waiting != 4 || s.WaitingBytes != 5100 {
		t.Errorf("waiting: %+v", s)
	}
	close(release)
	wg.Wait()
	for range 4 {
		if err := <-queued; err != nil {
			t.Error(err)
		}
	}
	if s := db.Stats(); s.Waiting != 0 || s.WaitingBytes != 0 {
		t.Errorf("waiting at the end: %+v", s)
	}
}

// failing fails commits with an error as long as it has one.
type failing struct {
	mu  sync.Mutex
	err error
}

func (f *failing) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *failing) hook() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func TestNoSpaceRefusesClientsAndHoldsTheServersOwn(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENOSPC, unix.EDQUOT} {
		synctest.Test(t, func(t *testing.T) {
			var f failing
			db := openTest(t, func(c *Config) { c.commitHook = f.hook })
			db.mustPut(t, "a", "1")
			f.set(errno)
			if err := db.Do(t.Context(), Op{Stage: put("b", "2")}); !errors.Is(err, ErrNoSpace) {
				t.Fatalf("Do = %v, want ErrNoSpace", err)
			}
			var wg sync.WaitGroup
			for i := range 3 {
				wg.Go(func() {
					if err := db.Do(t.Context(), Op{Internal: true, Stage: func(tx *Tx) error {
						return put("order", string(tx.Get(jobs, []byte("order")))+strconv.Itoa(i))(tx)
					}}); err != nil {
						t.Errorf("the server's own: %v", err)
					}
				})
				synctest.Wait()
			}
			ctx, cancel := context.WithCancel(t.Context())
			wg.Go(func() {
				if err := db.Do(ctx, Op{Internal: true, Stage: put("gone", "x")}); !errors.Is(err, context.Canceled) {
					t.Errorf("cancelled while it waits for space: %v", err)
				}
			})
			synctest.Wait()
			cancel()
			if err := errors.Join(db.Do(t.Context(), Op{Stage: put("b", "2")}), db.Healthy()); !errors.Is(err, ErrNoSpace) {
				t.Errorf("while it is full: %v, want ErrNoSpace", err)
			}
			db.wantContents(t, map[string]string{"a": "1"})
			f.set(nil)
			wg.Wait() // a probe comes within a second
			if err := db.Healthy(); err != nil {
				synctest.Wait()
			}
			if err := db.Healthy(); err != nil {
				t.Errorf("with space: %v", err)
			}
			db.mustPut(t, "b", "2")
			db.wantContents(t, map[string]string{"a": "1", "b": "2", "order": "012"})
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCloseRefusesWhatWaitsForSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f failing
		db := openTest(t, func(c *Config) { c.commitHook = f.hook })
		f.set(unix.ENOSPC)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := db.Do(t.Context(), Op{Internal: true, Stage: put("a", "1")}); !errors.Is(err, ErrClosed) {
				t.Errorf("Do = %v, want ErrClosed", err)
			}
		})
		synctest.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

func TestFaultEndsAllWriting(t *testing.T) {
	for name, change := range map[string]func(*Config, *failing){
		"error":          func(c *Config, f *failing) { c.commitHook = f.hook },
		"panic":          func(c *Config, f *failing) { c.commitHook = func() error { panicOn(f.hook()); return nil } },
		"panic in Apply": func(c *Config, f *failing) { c.Apply = func([]byte) { panicOn(f.hook()) } },
	} {
		t.Run(name, func(t *testing.T) {
			var f failing
			db := openTest(t, func(c *Config) { change(c, &f) })
			db.mustPut(t, "a", "1")
			f.set(unix.EIO)
			errs := db.together(t.Context(), Op{Stage: put("b", "2")}, Op{Stage: put("c", "3"), Internal: true}, Op{Stage: func(*Tx) error { return errOwn }})
			if !errors.Is(errs[0], ErrUnknown) || !errors.Is(errs[1], ErrUnknown) || !errors.Is(errs[2], errOwn) {
				t.Errorf("outcomes: %v, want ErrUnknown twice and its own error", errs)
			}
			<-db.Failed()
			f.set(nil)
			for _, internal := range []bool{false, true} {
				if err := db.Do(t.Context(), Op{Stage: put("d", "4"), Internal: internal}); !errors.Is(err, ErrFailed) {
					t.Errorf("afterwards: %v, want ErrFailed", err)
				}
			}
			if err := db.Healthy(); !errors.Is(err, ErrFailed) {
				t.Errorf("Healthy = %v", err)
			}
			path := db.cfg.Path
			if err := db.Close(); err != nil { // it must not hang
				t.Errorf("Close: %v", err)
			}
			got := openConfig(t, testConfig(path)).contents(t, jobs)
			if got["a"] != "1" || got["d"] != "" || (got["b"] == "") != (got["c"] == "") {
				t.Errorf("after reopening: %v", got)
			}
		})
	}
}

// A read that finds no meta page leaves bbolt locked. The writer, which is in the middle of a commit, then waits for ever,
// and neither its callers nor Close wait with it.
func TestUnreadableMetaPagesHangNobody(t *testing.T) {
	db := openTest(t, nil)
	db.mustPut(t, "a", "1")
	file, err := os.OpenFile(db.cfg.Path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	pages := make([]byte, 2*os.Getpagesize())
	if _, err := file.ReadAt(pages, 0); err != nil {
		t.Fatal(err)
	}
	queued, asked := make(chan error, 1), make(chan error, 1)
	err = db.Do(t.Context(), Op{Stage: func(tx *Tx) error {
		go func() { queued <- db.Do(t.Context(), Op{Stage: put("c", "3")}) }()
		for n, _ := db.queue.size(); n == 0; n, _ = db.queue.size() {
			runtime.Gosched()
		}
		_, err := file.WriteAt(make([]byte, len(pages)), 0)
		asked <- db.View(func(*ReadTx) error { return nil })
		_, back := file.WriteAt(pages, 0) // what bbolt writes is not part of the matter
		return errors.Join(err, back, put("b", "2")(tx))
	}})
	if !errors.Is(err, ErrUnknown) {
		t.Errorf("the operation under way: %v, want ErrUnknown", err)
	}
	if err := <-queued; !errors.Is(err, ErrUnknown) && !errors.Is(err, ErrFailed) {
		t.Errorf("the operation that waits: %v, want ErrUnknown or ErrFailed", err)
	}
	if err := <-asked; !errors.Is(err, ErrFailed) {
		t.Errorf("View: %v, want ErrFailed", err)
	}
	<-db.Failed()
	for name, err := range map[string]error{
		"View": db.View(func(*ReadTx) error { return nil }), "Do": db.Do(t.Context(), Op{Stage: put("d", "4"), Internal: true}), "Healthy": db.Healthy(),
	} {
		if !errors.Is(err, ErrFailed) {
			t.Errorf("%s afterwards: %v, want ErrFailed", name, err)
		}
	}
	if _, err := db.Snapshot(filepath.Join(t.TempDir(), "copy.db")); !errors.Is(err, ErrFailed) {
		t.Errorf("Snapshot afterwards: %v, want ErrFailed", err)
	}
	if err := db.Close(); !errors.Is(err, ErrFailed) {
		t.Errorf("Close: %v, want ErrFailed", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	cfg := testConfig(db.cfg.Path) // the writer may still write to it
	cfg.LockTimeout = 1
	if _, err := Open(cfg); !errors.Is(err, ErrLocked) {
		t.Errorf("open it again: %v, want ErrLocked", err)
	}
	left, err := os.ReadFile(db.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "left.db")
	if err := os.WriteFile(path, left, 0o600); err != nil {
		t.Fatal(err)
	}
	got := openConfig(t, testConfig(path)).contents(t, jobs)
	if got["a"] != "1" || got["d"] != "" {
		t.Errorf("after reopening: %v", got)
	}
}

func panicOn(err error) {
	if err != nil {
		panic(err)
	}
}

//go:build linux

package shim

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stint-jobs/stint/internal/workdir"
)

// A shim may be killed, and its disk be full, in the middle of a line.
func TestTheLastWholeStateHolds(t *testing.T) {
	root, err := workdir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	a := root.Job(1).Attempt(1)
	if err := a.Create(); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", `{"pid":1}`} {
		if err := os.WriteFile(filepath.Join(a.Path(), stateName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadState(a); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without a whole line %q: %v", text, err)
		}
	}
	if err := a.RemoveFile(stateName); err != nil {
		t.Fatal(err)
	}
	s, err := createState(t.Context(), a, State{PID: 1})
	if err != nil {
		t.Fatal(err)
	}
	if held, err := LockHeld(a); !held || err != nil {
		t.Errorf("the lock is held: %v, %v", held, err)
	}
	if _, err := createState(t.Context(), a, State{PID: 2}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made again: %v", err)
	}
	if err := s.add(State{PID: 1, Command: 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.f.WriteString(`{"pid":4,"com`); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadState(a); err != nil || got.PID != 1 || got.Command != 3 {
		t.Errorf("read %+v, %v", got, err)
	}
	s.f.Close()
	if held, err := LockHeld(a); held || err != nil {
		t.Errorf("the lock is held after the end: %v, %v", held, err)
	}
}

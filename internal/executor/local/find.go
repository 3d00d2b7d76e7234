//go:build linux

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/local/proc"
	"github.com/stint-jobs/stint/internal/executor/local/shim"
)

// Find answers from the attempt's folder. When it answers ErrNotFound it has
// made sure that no shim of an earlier Start can still start the command.
func (e *Executor) Find(ctx context.Context, t executor.Task) (executor.Handle, error) {
	a := t.Dir
	leave, err := shim.EnterGate(ctx, a)
	switch {
	case errors.Is(err, fs.ErrNotExist): // no folder; and in a new one a shim that is late finds no ticket
		return "", executor.ErrNotFound
	case err != nil:
		return "", fmt.Errorf("find attempt %s: %w: %w", a.Name(), executor.ErrUnavailable, err)
	}
	defer leave()
	switch there, err := shim.Known(a); {
	case err != nil:
		return "", fmt.Errorf("find attempt %s: %w: %w", a.Name(), executor.ErrUnavailable, err)
	case there:
		return handleOf(a), nil
	}
	if err := a.RemoveFile(shim.LaunchFile); err != nil {
		return "", fmt.Errorf("find attempt %s: %w: %w", a.Name(), executor.ErrUnavailable, err)
	}
	return "", executor.ErrNotFound
}

// Cancel notes the wish in the attempt's folder and then wakes the shim.
func (e *Executor) Cancel(_ context.Context, h executor.Handle) error {
	a, err := e.attempt(h)
	if err != nil {
		return fmt.Errorf("cancel: %w", err)
	}
	if held, err := shim.LockHeld(a); err != nil || !held {
		return err // it has ended; Wait tells how
	}
	markErr := a.Mark(shim.CancelFile)
	if errors.Is(markErr, fs.ErrExist) {
		markErr = nil
	}
	s, err := shim.ReadState(a)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return markErr // the shim will look for the mark after it has written that
		}
		return errors.Join(markErr, err)
	}
	if s.BootID != e.boot {
		return markErr
	}
	sig := unix.SIGTERM
	if s.Shared { // it may have gone on to another attempt by now
		sig = unix.SIGUSR1
	}
	return errors.Join(markErr, proc.Process{PID: s.PID, Birth: s.Birth}.Signal(sig))
}

// pollLeast and pollMost are how soon and how late a state that gives no signal is looked at again.
const (
	pollLeast = time.Millisecond
	pollMost  = time.Second
)

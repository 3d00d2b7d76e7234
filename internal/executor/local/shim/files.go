//go:build linux

package shim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/workdir"
)

// Names of the private files in an attempt's folder. The documentation of package local says what they are for.
const (
	// LaunchFile holds a Launch.
	LaunchFile = "launch.json"
	// AliveFile is the FIFO that only the shim holds for writing.
	AliveFile = "alive"
	// CancelFile exists once somebody asked for the cancellation.
	CancelFile = "cancel"
	// LogFile has what the shim had to say.
	LogFile = "shim.log"

	stateName = "shim.json"
	gateName  = "gate"
	// lockName is what shims of earlier versions hold in place of shim.json.
	lockName = "lock"
)

// MarkerVariable is in the environment of every process of an attempt; its value is the token.
const MarkerVariable = "STINT_ATTEMPT"

// Launch is what a shim is to run.
type Launch struct {
	// Token names this start of the attempt among all there ever are.
	Token string `json:"token"`
	// Place is where the executor was that started it.
	Place string `json:"place,omitempty"`
	// Argv, Env are the command's.
	Argv []string `json:"argv"`
	Env  []string `json:"env"`
	// TimeLimit of the command; 0 is none. Grace is how long it has to end after SIGTERM.
	TimeLimit time.Duration `json:"time_limit_ns,omitempty"`
	Grace     time.Duration `json:"grace_ns"`
	// HeadBytes and TailBytes bound each output stream, as workdir.LogLimits.
	HeadBytes int64 `json:"head_bytes"`
	TailBytes int64 `json:"tail_bytes"`
	// CPUs and MemoryBytes are what the attempt gets.
	CPUs        int32 `json:"cpus"`
	MemoryBytes int64 `json:"memory_bytes"`
	// Cgroup is the parent to make one in; empty for none. CgroupMemory says that it can limit memory.
	Cgroup       string `json:"cgroup,omitempty"`
	CgroupMemory bool   `json:"cgroup_memory,omitempty"`
	// TimerSlack is how late the command's timers may be, in nanoseconds: as those of the server, where the shim's may be later.
	TimerSlack int `json:"timer_slack_ns"`
	// Sandbox of the command; none where it runs without.
	Sandbox *Boxed `json:"sandbox,omitempty"`
}

// State is a shim and its command as processes.
type State struct {
	// Token of the Launch that it runs.
	Token string `json:"token"`
	// Place of the Launch.
	Place string `json:"place,omitempty"`
	// BootID is different after each start of the machine.
	BootID string `json:"boot_id"`
	// PID and Birth are the shim's, as a proc.Process.
	PID   int    `json:"pid"`
	Birth uint64 `json:"birth"`
	// Command is the pid and process group of the command; 0 before it was started.
	Command int `json:"command,omitempty"`
	// Start of the command.
	Start time.Time `json:"start,omitzero"`
	// First and FirstBirth are the first process of the sandbox that the command is in, as a proc.Process; 0 without one, and
	// where the kernel does not tell.
	First      int    `json:"first,omitempty"`
	FirstBirth uint64 `json:"first_birth,omitempty"`
	// Cgroup that it is in.
	Cgroup string `json:"cgroup,omitempty"`
	// Shared says that the shim may supervise other attempts later. To see that this one is to be cancelled it is
	// asked by SIGUSR1, which means nothing to others; SIGTERM would end whatever it supervises.
	Shared bool `json:"shared,omitempty"`
}

// Known reports whether the attempt's command may have been started. For a no to stay true the caller is in the gate.
func Known(a workdir.Attempt) (bool, error) { return a.Marked(stateName) }

// WriteJSON replaces a private file of the attempt.
func WriteJSON(a workdir.Attempt, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s of attempt %s: %w", name, a.Name(), err)
	}
	return a.WriteFile(name, append(data, '\n'))
}

// ReadJSON reads what WriteJSON wrote.
func ReadJSON(a workdir.Attempt, name string, v any) error {
	data, err := a.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("read %s of attempt %s: %w", name, a.Name(), err)
	}
	return nil
}

// stateFile is shim.json: a line for each State, the last of which holds. One that is not whole counts for nothing.
type stateFile struct{ f *os.File }

// createState makes shim.json with a first State, and locks it for this process alone until it is closed.
// It survives a loss of power: from now on the attempt counts as started, unless there is an error.
func createState(ctx context.Context, a workdir.Attempt, st State) (stateFile, error) {
	f, err := OpenPrivate(a, stateName, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND)
	if err != nil {
		return stateFile{}, err
	}
	s := stateFile{f: f}
	err = flock(ctx, f) // against those who only look
	if err == nil {
		err = s.add(st)
	}
	if err == nil {
		err = a.Sync()
	}
	if err != nil {
		f.Close()
		return stateFile{}, errors.Join(err, a.RemoveFile(stateName))
	}
	return s, nil
}

// add makes it the State.
func (s stateFile) add(st State) error {
	data, err := json.Marshal(st)
	if err == nil {
		_, err = s.f.Write(append(data, '\n'))
	}
	return err
}

// ReadState answers the State of the attempt's shim; fs.ErrNotExist while there is none.
func ReadState(a workdir.Attempt) (State, error) {
	data, err := a.ReadFile(stateName)
	if err != nil {
		return State{}, err
	}
	st, err := lastState(data)
	if err != nil {
		return State{}, fmt.Errorf("read %s of attempt %s: %w", stateName, a.Name(), err)
	}
	return st, nil
}

// ReadOpenState reads the State from a file that may be one, by another path than its own.
func ReadOpenState(path string) (State, error) {
	if name, err := os.Readlink(path); err != nil || !strings.HasPrefix(filepath.Base(name), stateName) {
		return State{}, fs.ErrNotExist
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return State{}, err
	}
	return lastState(data)
}

// lastState is the last whole line.
func lastState(data []byte) (State, error) {
	whole := data[:bytes.LastIndexByte(data, '\n')+1]
	if len(whole) == 0 {
		return State{}, fs.ErrNotExist
	}
	last := whole[bytes.LastIndexByte(whole[:len(whole)-1], '\n')+1:]
	var st State
	err := json.Unmarshal(last, &st)
	return st, err
}

// OpenPrivate opens a private file, by its path because os.Root opens no FIFO for both ends.
// Only one that is opened with O_NONBLOCK is waited for without a thread.
func OpenPrivate(a workdir.Attempt, name string, flag int) (*os.File, error) {
	path := filepath.Join(a.Path(), name)
	for {
		fd, err := unix.Open(path, flag|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		switch {
		case err == nil: // not os.OpenFile, which first tries for each file whether it can be polled
			return os.NewFile(uintptr(fd), path), nil
		case !errors.Is(err, unix.EINTR):
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

// EnterGate waits until nobody else decides something about the attempt. The
// gate is held for moments only, but possibly by a process that is stopped, so waiting ends with ctx.
func EnterGate(ctx context.Context, a workdir.Attempt) (leave func(), err error) {
	f, err := OpenPrivate(a, gateName, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("enter the gate of attempt %s: %w", a.Name(), err)
	}
	if err := flock(ctx, f); err != nil {
		f.Close()
		return nil, fmt.Errorf("enter the gate of attempt %s: %w", a.Name(), err)
	}
	return func() { f.Close() }, nil
}

// flock locks a file for this process alone. The lock ends when the file is closed.
func flock(ctx context.Context, f *os.File) error {
	const most = 50 * time.Millisecond
	for wait := time.Millisecond; ; wait = min(2*wait, most) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		if err := Pause(ctx, wait); err != nil {
			return err
		}
	}
}

// LockHeld reports whether a shim of the attempt is alive.
func LockHeld(a workdir.Attempt) (bool, error) {
	held, err := locked(a, stateName)
	if err != nil || held {
		return held, err
	}
	return locked(a, lockName)
}

func locked(a workdir.Attempt, name string) (bool, error) {
	f, err := OpenPrivate(a, name, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the lock of attempt %s: %w", a.Name(), err)
	}
	defer f.Close()
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); {
	case err == nil:
		return false, nil
	case errors.Is(err, unix.EWOULDBLOCK), errors.Is(err, unix.EINTR):
		return true, nil
	default:
		return false, fmt.Errorf("look at the lock of attempt %s: %w", a.Name(), err)
	}
}

// Pause lets time pass unless ctx ends.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

//go:build linux

package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/workdir"
)

// Names of the private files in an attempt's folder. The package comment says what they are for.
const (
	gateName    = "gate"
	launchName  = "launch.json"
	startedName = "started"
	lockName    = "lock"
	aliveName   = "alive"
	shimName    = "shim.json"
	cancelName  = "cancel"
	shimLogName = "shim.log"
)

// markerVariable is in the environment of every process of an attempt; its value is the token.
const markerVariable = "STINT_ATTEMPT"

// launch is what a shim is to run.
type launch struct {
	Token        string        `json:"token"`
	Argv         []string      `json:"argv"`
	Env          []string      `json:"env"`
	TimeLimit    time.Duration `json:"time_limit_ns,omitempty"` // 0 is none
	Grace        time.Duration `json:"grace_ns"`
	HeadBytes    int64         `json:"head_bytes"`
	TailBytes    int64         `json:"tail_bytes"`
	CPUs         int32         `json:"cpus"`
	MemoryBytes  int64         `json:"memory_bytes"`
	Cgroup       string        `json:"cgroup,omitempty"` // the parent to make one in; empty for none
	CgroupMemory bool          `json:"cgroup_memory,omitempty"`
	Sandbox      *boxed        `json:"sandbox,omitempty"` // none where the command runs without
}

// shimState is a shim and its command as processes.
type shimState struct {
	Token   string    `json:"token"`
	BootID  string    `json:"boot_id"`
	PID     int       `json:"pid"`
	Birth   uint64    `json:"birth"`             // start time of the shim, in clock ticks after boot
	Command int       `json:"command,omitempty"` // pid and process group; 0 before it was started
	Start   time.Time `json:"start,omitzero"`    // of the command
	Cgroup  string    `json:"cgroup,omitempty"`
}

// known reports whether the attempt's command may have been started. For a no to stay true the caller is in the gate.
func known(a workdir.Attempt) (bool, error) { return a.Marked(startedName) }

func writeJSON(a workdir.Attempt, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s of attempt %s: %w", name, a.Name(), err)
	}
	return a.WriteFile(name, append(data, '\n'))
}

func readJSON(a workdir.Attempt, name string, v any) error {
	data, err := a.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("read %s of attempt %s: %w", name, a.Name(), err)
	}
	return nil
}

// openPrivate opens a private file, by its path because os.Root opens no FIFO for both ends.
func openPrivate(a workdir.Attempt, name string, flag int) (*os.File, error) {
	return os.OpenFile(filepath.Join(a.Path(), name), flag|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
}

// enterGate waits until nobody else decides something about the attempt. The
// gate is held for moments only, but possibly by a process that is stopped, so waiting ends with ctx.
func enterGate(ctx context.Context, a workdir.Attempt) (leave func(), err error) {
	f, err := openPrivate(a, gateName, os.O_RDWR|os.O_CREATE)
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
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// lockHeld reports whether a shim of the attempt is alive.
func lockHeld(a workdir.Attempt) (bool, error) {
	f, err := openPrivate(a, lockName, os.O_RDONLY)
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

// pause lets time pass unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

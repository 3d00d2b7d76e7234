//go:build linux

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/executor/local/shim"
)

const (
	// selfExe is this program, also after its file was replaced.
	selfExe = "/proc/self/exe"
	// ownFDs are the files that a process has open, which it can start as programs.
	ownFDs = "/proc/self/fd/"
	// shimPatience is how long a program has to say which shim it is.
	shimPatience = 10 * time.Second
	// shimFD is the least descriptor that a program is kept at: those below are a new process's own.
	shimFD = 100
)

// findShim is the program that supervises attempts. That the small one cannot be used costs no more than time.
func findShim(cfg Config) []string {
	if cfg.Shim != "" {
		argv, err := openShim(cfg.Shim, cfg.Version)
		if err == nil {
			return argv
		}
		level := slog.LevelWarn
		if errors.Is(err, fs.ErrNotExist) {
			level = slog.LevelInfo
		}
		cfg.Logger.Log(context.Background(), level, "jobs start slower than they could: install stintd-shim of the same version beside stintd", "error", err)
	}
	return []string{selfExe, "shim"}
}

// calledAs is what a shim's program is called in lists of processes, where its path says nothing.
func calledAs(program string) string {
	switch {
	case program == selfExe:
		return filepath.Base(os.Args[0])
	case strings.HasPrefix(program, ownFDs):
		return shim.Name
	}
	return program
}

// openShim opens the small shim and makes sure that it is of this very build. The argv holds on to
// what was checked, whatever becomes of the file: a new process inherits the descriptor until it is the program.
func openShim(path, version string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, shimFD)
	if err != nil {
		return nil, fmt.Errorf("keep %s open: %w", path, err)
	}
	argv := []string{ownFDs + strconv.Itoa(fd)}
	if err := checkShim(argv[0], version); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return argv, nil
}

// CheckShim reports whether the small shim at a path is there and of this build: nil, an error that is fs.ErrNotExist, or
// one that says what is wrong with it.
func CheckShim(path, version string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("check the shim: %w", err)
	}
	return checkShim(path, version)
}

// checkShim asks a program which shim it is.
func checkShim(program, version string) error {
	ctx, cancel := context.WithTimeout(context.Background(), shimPatience)
	defer cancel()
	c := exec.CommandContext(ctx, program, shim.VersionArgument)
	c.Args[0] = shim.Name
	c.Env, c.Dir, c.WaitDelay = []string{"GOMAXPROCS=1"}, "/", time.Second
	said, err := c.Output()
	if err != nil {
		return fmt.Errorf("ask for its version: %w", err)
	}
	if got, want := strings.TrimSpace(string(said)), shim.Version(version); got != want {
		return fmt.Errorf("it is of the version %q, this program of %q", got, want)
	}
	return nil
}

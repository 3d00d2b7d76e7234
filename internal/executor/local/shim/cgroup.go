//go:build linux

package shim

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Cgroup is the one of an attempt.
type Cgroup struct {
	// Path of its folder.
	Path string

	dir *os.File // for clone3; nil once the command was started
}

// CgroupPath is where the start of an attempt with the token has its cgroup.
func CgroupPath(parent, token string) string { return filepath.Join(parent, "stint-"+token) }

// makeCgroup makes the attempt's Cgroup and limits its memory if that is possible.
func makeCgroup(l Launch) (*Cgroup, error) {
	path := CgroupPath(l.Cgroup, l.Token)
	if err := os.Mkdir(path, 0o755); err != nil {
		return nil, fmt.Errorf("make a cgroup: %w", err)
	}
	c := &Cgroup{Path: path}
	if l.CgroupMemory && l.MemoryBytes > 0 {
		if err := c.write("memory.max", strconv.FormatInt(l.MemoryBytes, 10)); err != nil {
			c.Remove()
			return nil, err
		}
		// Without swap the limit is what it says; where there is no swap accounting there is no such file.
		_ = c.write("memory.swap.max", "0")
		// A job of which one process is missing is no use: all of it ends, and visibly so.
		_ = c.write("memory.oom.group", "1")
	}
	dir, err := os.Open(path)
	if err != nil {
		c.Remove()
		return nil, fmt.Errorf("open the cgroup: %w", err)
	}
	c.dir = dir
	return c, nil
}

func (c *Cgroup) write(name, value string) error {
	if err := os.WriteFile(filepath.Join(c.Path, name), []byte(value), 0); err != nil {
		return fmt.Errorf("set %s of a cgroup: %w", name, err)
	}
	return nil
}

// Kill ends all processes in it at once. Should that fail, they are found one by one as well.
func (c *Cgroup) Kill() { _ = c.write("cgroup.kill", "1") }

// outOfMemory reports whether the kernel killed for want of memory in it.
func (c *Cgroup) outOfMemory() bool {
	data, err := os.ReadFile(filepath.Join(c.Path, "memory.events"))
	return err == nil && oomKills(data) > 0
}

// oomKills reads the number of killed processes out of memory.events.
func oomKills(events []byte) int {
	for line := range bytes.Lines(events) {
		if f := bytes.Fields(line); len(f) == 2 && string(f[0]) == "oom_kill" {
			n, _ := strconv.Atoi(string(f[1]))
			return n
		}
	}
	return 0
}

// Remove removes it once its last process is reaped, which takes a moment.
func (c *Cgroup) Remove() {
	if c.dir != nil {
		c.dir.Close()
	}
	for range 50 {
		if err := unix.Rmdir(c.Path); !errors.Is(err, unix.EBUSY) {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
}

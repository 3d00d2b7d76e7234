//go:build linux

package local

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroupParent is where attempts get their cgroups, if anywhere.
type cgroupParent struct {
	path   string // empty for nowhere
	memory bool   // whether memory can be limited there
	why    string // why it cannot
}

// describe says what is enforced, for an operator.
func (c cgroupParent) describe() string {
	if c.memory {
		return "memory is enforced, by cgroups below " + c.path
	}
	return "memory is accounted, not enforced: " + c.why
}

// findCgroup finds out, by trying, what can be done with cgroups. want is Config.Cgroup.
func findCgroup(want string) cgroupParent {
	if want == CgroupNone {
		return cgroupParent{why: "cgroups are switched off"}
	}
	parent := want
	if parent == "" {
		var err error
		if parent, err = ownCgroup(); err != nil {
			return cgroupParent{why: err.Error()}
		}
	}
	probe := filepath.Join(parent, "stint-probe-"+strconv.Itoa(os.Getpid())+"-"+newToken()[:8])
	if err := os.Mkdir(probe, 0o755); err != nil {
		return cgroupParent{why: "no writable cgroup"}
	}
	defer func() { _ = unix.Rmdir(probe) }()
	if !exists(probe, "cgroup.kill") {
		return cgroupParent{why: parent + " is no cgroup of version 2 that can be killed (Linux 5.14)"}
	}
	if exists(probe, "memory.max") {
		return cgroupParent{path: parent, memory: true}
	}
	if err := os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+memory"), 0); err != nil || !exists(probe, "memory.max") {
		return cgroupParent{path: parent, why: "the cgroup " + parent + " has no memory controller to hand on"}
	}
	return cgroupParent{path: parent, memory: true}
}

// ownCgroup is the folder of this process's cgroup of version 2.
func ownCgroup() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", errors.New("no mounts can be seen")
	}
	mount := ""
	for line := range strings.Lines(string(mounts)) {
		before, after, _ := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if strings.HasPrefix(after, "cgroup2 ") && len(fields) > 4 && fields[3] == "/" {
			mount = fields[4]
		}
	}
	if mount == "" {
		return "", errors.New("no cgroups of version 2 are mounted")
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", errors.New("the cgroup of this process cannot be seen")
	}
	for line := range strings.Lines(string(groups)) {
		if own, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok && !strings.Contains(own, "..") {
			return filepath.Join(mount, own), nil
		}
	}
	return "", errors.New("this process is in no cgroup of version 2")
}

// cgroup is the one of an attempt.
type cgroup struct {
	path string
	dir  *os.File // for clone3; nil once the command was started
}

// cgroupPath is where the start of an attempt with the token has its cgroup.
func cgroupPath(parent, token string) string { return filepath.Join(parent, "stint-"+token) }

// makeCgroup makes the attempt's cgroup and limits its memory if that is possible.
func makeCgroup(l launch) (*cgroup, error) {
	path := cgroupPath(l.Cgroup, l.Token)
	if err := os.Mkdir(path, 0o755); err != nil {
		return nil, fmt.Errorf("make a cgroup: %w", err)
	}
	c := &cgroup{path: path}
	if l.CgroupMemory && l.MemoryBytes > 0 {
		if err := c.write("memory.max", strconv.FormatInt(l.MemoryBytes, 10)); err != nil {
			c.remove()
			return nil, err
		}
		// Without swap the limit is what it says; where there is no swap accounting there is no such file.
		_ = c.write("memory.swap.max", "0")
		// A job of which one process is missing is no use: all of it ends, and visibly so.
		_ = c.write("memory.oom.group", "1")
	}
	dir, err := os.Open(path)
	if err != nil {
		c.remove()
		return nil, fmt.Errorf("open the cgroup: %w", err)
	}
	c.dir = dir
	return c, nil
}

func (c *cgroup) write(name, value string) error {
	if err := os.WriteFile(filepath.Join(c.path, name), []byte(value), 0); err != nil {
		return fmt.Errorf("set %s of a cgroup: %w", name, err)
	}
	return nil
}

// kill ends all processes in it at once. Should that fail, they are found one by one as well.
func (c *cgroup) kill() { _ = c.write("cgroup.kill", "1") }

// outOfMemory reports whether the kernel killed for want of memory in it.
func (c *cgroup) outOfMemory() bool {
	data, err := os.ReadFile(filepath.Join(c.path, "memory.events"))
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

// remove removes it once its last process is reaped, which takes a moment.
func (c *cgroup) remove() {
	if c.dir != nil {
		c.dir.Close()
	}
	for range 50 {
		if err := unix.Rmdir(c.path); !errors.Is(err, unix.EBUSY) {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
}

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

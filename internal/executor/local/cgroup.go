//go:build linux

package local

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

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

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

//go:build linux

// Package proc looks at processes through /proc, and signals one without ever hitting another.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Process is what /proc says of one.
type Process struct {
	// PID is its number, Parent that of its parent.
	PID, Parent int
	// Group and Session that it is in.
	Group, Session int
	// Birth is its start time in clock ticks after boot: with the pid it is unique.
	Birth uint64
	// Zombie says that it has ended, with all its threads, and nobody has asked how.
	Zombie bool

	headless bool // its first thread has ended, others run
}

// Read reads /proc/PID/stat; fs.ErrNotExist when there is no such process.
func Read(pid int) (Process, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, unix.ESRCH) { // it ended between open and read
		err = fs.ErrNotExist
	}
	if err != nil {
		return Process{}, err
	}
	return parseStat(data)
}

// parseStat reads a line of /proc/PID/stat, as proc(5) describes it. The name
// of the program, in parentheses, may hold anything, so it ends at the last one.
func parseStat(data []byte) (Process, error) {
	open, end := bytes.IndexByte(data, ' '), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open {
		return Process{}, fmt.Errorf("parse process status %q", data)
	}
	fields := bytes.Fields(data[end+1:])
	if len(fields) < 20 {
		return Process{}, fmt.Errorf("parse process status %q", data)
	}
	var p Process
	var errs [6]error
	p.PID, errs[0] = strconv.Atoi(string(data[:open]))
	p.Parent, errs[1] = strconv.Atoi(string(fields[1]))
	p.Group, errs[2] = strconv.Atoi(string(fields[2]))
	p.Session, errs[3] = strconv.Atoi(string(fields[3]))
	p.Birth, errs[4] = strconv.ParseUint(string(fields[19]), 10, 64)
	var threads int
	threads, errs[5] = strconv.Atoi(string(fields[17]))
	// The state is that of the first thread alone. One that has ended counts until the others have, too.
	ended := fields[0][0] == 'Z' || fields[0][0] == 'X'
	p.Zombie, p.headless = ended && threads <= 1, ended && threads > 1
	if err := errors.Join(errs[:]...); err != nil {
		return Process{}, fmt.Errorf("parse process status: %w", err)
	}
	return p, nil
}

// All are all processes that can be seen, zombies left out.
func All() ([]Process, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var all []Process
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		// One that ended meanwhile, or that we may not look at, is none of ours.
		if p, err := Read(pid); err == nil && !p.Zombie {
			all = append(all, p)
		}
	}
	return all, nil
}

// Children are what the first thread of a process has started and not yet waited for, without a look at all processes. Some may be
// left out while it starts or ends others, and there are none where the kernel does not tell (CONFIG_PROC_CHILDREN).
func Children(pid int) []Process {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	var found []Process
	for word := range bytes.FieldsSeq(data) {
		child, err := strconv.Atoi(string(word))
		if err != nil {
			continue
		}
		if p, err := Read(child); err == nil && p.Parent == pid { // not one that got the number since
			found = append(found, p)
		}
	}
	return found
}

// WithDescendants adds to the chosen processes all that descend from them.
func WithDescendants(all []Process, chosen func(Process) bool) []Process {
	children := make(map[int][]Process)
	var found []Process
	seen := make(map[int]bool)
	for _, p := range all {
		children[p.Parent] = append(children[p.Parent], p)
		if chosen(p) {
			found = append(found, p)
			seen[p.PID] = true
		}
	}
	for i := 0; i < len(found); i++ {
		for _, c := range children[found[i].PID] {
			if !seen[c.PID] {
				found = append(found, c)
				seen[c.PID] = true
			}
		}
	}
	return found
}

// Signal sends to this very process, and to no other that got its pid since.
// That it is gone is no error.
func (p Process) Signal(s unix.Signal) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("signal process %d: %w", p.PID, err)
	}
	defer unix.Close(fd)
	// The pidfd holds on to a process; only now can it be known to be the right one.
	if now, err := Read(p.PID); err != nil || now.Birth != p.Birth {
		return nil // gone
	}
	if err := unix.PidfdSendSignal(fd, s, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal process %d: %w", p.PID, err)
	}
	return nil
}

// file is a file about a process. That of the first thread says nothing once that has ended.
func (p Process) file(name string) string {
	dir := "/proc/" + strconv.Itoa(p.PID)
	if !p.headless {
		return dir + "/" + name
	}
	threads, _ := os.ReadDir(dir + "/task")
	for _, t := range threads {
		if t.Name() != strconv.Itoa(p.PID) {
			return dir + "/task/" + t.Name() + "/" + name
		}
	}
	return dir + "/" + name
}

// HasEnv reports whether a process was started with the variable in its
// environment. One that we may not look into was not started by us.
func (p Process) HasEnv(entry string) bool {
	data, err := os.ReadFile(p.file("environ"))
	return err == nil && bytes.Contains(append([]byte{0}, data...), []byte("\x00"+entry+"\x00"))
}

// Args are a process's argument vector; nil when it cannot be seen.
func (p Process) Args() []string {
	data, err := os.ReadFile(p.file("cmdline"))
	if err != nil || len(data) == 0 {
		return nil
	}
	var args []string
	for b := range bytes.SplitSeq(bytes.TrimSuffix(data, []byte{0}), []byte{0}) {
		args = append(args, string(b))
	}
	return args
}

// OpenFiles are what a process has open in a folder, also if it was removed meanwhile, as paths below /proc
// by which they can be opened; none when that cannot be seen.
func (p Process) OpenFiles(folder string) []string {
	fds := p.file("fd")
	entries, err := os.ReadDir(fds)
	if err != nil {
		return nil
	}
	var open []string
	for _, entry := range entries {
		path := fds + "/" + entry.Name()
		if name, err := os.Readlink(path); err == nil && strings.HasPrefix(name, folder+"/") {
			open = append(open, path)
		}
	}
	return open
}

// BootID is different after each start of the machine.
func BootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the boot id: %w", err)
	}
	return string(bytes.TrimSpace(b)), nil
}

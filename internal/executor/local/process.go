//go:build linux

package local

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// process is what /proc says of one.
type process struct {
	pid, ppid, group, session int
	birth                     uint64 // start time in clock ticks after boot: with the pid it is unique
	zombie                    bool
}

// readProcess reads /proc/PID/stat; fs.ErrNotExist when there is no such process.
func readProcess(pid int) (process, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, unix.ESRCH) { // it ended between open and read
		err = fs.ErrNotExist
	}
	if err != nil {
		return process{}, err
	}
	return parseStat(data)
}

// parseStat reads a line of /proc/PID/stat, as proc(5) describes it. The name
// of the program, in parentheses, may hold anything, so it ends at the last one.
func parseStat(data []byte) (process, error) {
	open, end := bytes.IndexByte(data, ' '), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open {
		return process{}, fmt.Errorf("parse process status %q", data)
	}
	fields := bytes.Fields(data[end+1:])
	if len(fields) < 20 {
		return process{}, fmt.Errorf("parse process status %q", data)
	}
	var p process
	var errs [5]error
	p.pid, errs[0] = strconv.Atoi(string(data[:open]))
	p.ppid, errs[1] = strconv.Atoi(string(fields[1]))
	p.group, errs[2] = strconv.Atoi(string(fields[2]))
	p.session, errs[3] = strconv.Atoi(string(fields[3]))
	p.birth, errs[4] = strconv.ParseUint(string(fields[19]), 10, 64)
	p.zombie = fields[0][0] == 'Z' || fields[0][0] == 'X'
	if err := errors.Join(errs[:]...); err != nil {
		return process{}, fmt.Errorf("parse process status: %w", err)
	}
	return p, nil
}

// processes are all processes that can be seen, zombies left out.
func processes() ([]process, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var all []process
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		// One that ended meanwhile, or that we may not look at, is none of ours.
		if p, err := readProcess(pid); err == nil && !p.zombie {
			all = append(all, p)
		}
	}
	return all, nil
}

// withDescendants adds to the chosen processes all that descend from them.
func withDescendants(all []process, chosen func(process) bool) []process {
	children := make(map[int][]process)
	var found []process
	seen := make(map[int]bool)
	for _, p := range all {
		children[p.ppid] = append(children[p.ppid], p)
		if chosen(p) {
			found = append(found, p)
			seen[p.pid] = true
		}
	}
	for i := 0; i < len(found); i++ {
		for _, c := range children[found[i].pid] {
			if !seen[c.pid] {
				found = append(found, c)
				seen[c.pid] = true
			}
		}
	}
	return found
}

// signal sends to this very process, and to no other that got its pid since.
// That it is gone is no error.
func (p process) signal(s unix.Signal) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("signal process %d: %w", p.pid, err)
	}
	defer unix.Close(fd)
	// The pidfd holds on to a process; only now can it be known to be the right one.
	if now, err := readProcess(p.pid); err != nil || now.birth != p.birth {
		return nil // gone
	}
	if err := unix.PidfdSendSignal(fd, s, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal process %d: %w", p.pid, err)
	}
	return nil
}

// hasEnv reports whether a process was started with the variable in its
// environment. One that we may not look into was not started by us.
func (p process) hasEnv(entry string) bool {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/environ")
	return err == nil && bytes.Contains(append([]byte{0}, data...), []byte("\x00"+entry+"\x00"))
}

// args are a process's argument vector; nil when it cannot be seen.
func (p process) args() []string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/cmdline")
	if err != nil || len(data) == 0 {
		return nil
	}
	var args []string
	for b := range bytes.SplitSeq(bytes.TrimSuffix(data, []byte{0}), []byte{0}) {
		args = append(args, string(b))
	}
	return args
}

// bootID is different after each start of the machine.
func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the boot id: %w", err)
	}
	return string(bytes.TrimSpace(b)), nil
}

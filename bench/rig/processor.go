package rig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of times in /proc/PID/stat, which the kernel fixes for programs at 1/100 s.
const clockTick = 10 * time.Millisecond

// Processor is the processor time that the process used by itself, in user and system mode.
func (p *Process) Processor() (time.Duration, error) {
	u, err := readUsage(strconv.Itoa(p.PID()))
	return u.own, err
}

// ProcessorOfAll is the processor time of the process and of all that it started and that they started,
// those included that ended and were waited for.
func (p *Process) ProcessorOfAll() (time.Duration, error) {
	paths, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	var all []usage
	for _, path := range paths {
		// A process that ended since the list was made is in what its parent waited for.
		if u, err := readUsage(filepath.Base(path)); err == nil {
			all = append(all, u)
		}
	}
	return ofTree(all, p.PID())
}

// usage is what /proc tells of a process.
type usage struct {
	pid, parent int
	own         time.Duration // of the process
	waited      time.Duration // of children that ended, and of those whom they waited for
}

func readUsage(pid string) (usage, error) {
	b, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return usage{}, err
	}
	return parseUsage(string(b))
}

// parseUsage reads a line of /proc/PID/stat.
func parseUsage(line string) (usage, error) {
	strange := fmt.Errorf("/proc/PID/stat is strange: %q", line)
	// The second field is a name in parentheses that may hold anything, parentheses too.
	open, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return usage{}, strange
	}
	f := strings.Fields(line[end+1:]) // from the third field on
	if len(f) < 15 {
		return usage{}, strange
	}
	numbers := make([]int, 0, 6)
	for _, text := range []string{strings.TrimSpace(line[:open]), f[1], f[11], f[12], f[13], f[14]} {
		n, err := strconv.Atoi(text)
		if err != nil {
			return usage{}, errors.Join(strange, err)
		}
		numbers = append(numbers, n)
	}
	ticks := func(a, b int) time.Duration { return time.Duration(a+b) * clockTick }
	return usage{pid: numbers[0], parent: numbers[1], own: ticks(numbers[2], numbers[3]), waited: ticks(numbers[4], numbers[5])}, nil
}

// ofTree sums what a process and its descendants used.
func ofTree(all []usage, root int) (time.Duration, error) {
	children := map[int][]usage{}
	var sum time.Duration
	found := false
	for _, u := range all {
		children[u.parent] = append(children[u.parent], u)
		if u.pid == root {
			sum, found = u.own+u.waited, true
		}
	}
	if !found {
		return 0, fmt.Errorf("process %d is not there", root)
	}
	for next := []int{root}; len(next) > 0; next = next[1:] {
		for _, u := range children[next[0]] {
			sum += u.own + u.waited
			next = append(next, u.pid)
		}
	}
	return sum, nil
}

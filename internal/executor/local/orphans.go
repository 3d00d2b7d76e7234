//go:build linux

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/workdir"
)

// endOrphans kills what is left of an attempt whose shim is gone, until
// nothing is, or ctx ends.
func (e *Executor) endOrphans(ctx context.Context, a workdir.Attempt) error {
	h := hunt{attempt: []string{e.cfg.Folders.Path(), a.Name()}}
	if err := readJSON(a, shimName, &h.shim); err != nil && !errors.Is(err, fs.ErrNotExist) {
		e.log.Warn("state of a shim cannot be read", "attempt", a.Name(), "error", err)
	}
	if h.shim.BootID != "" && h.shim.BootID != e.boot {
		return nil // the machine was started anew since
	}
	h.tokens = []string{h.shim.Token}
	var l launch
	if err := readJSON(a, launchName, &l); err == nil {
		h.tokens = append(h.tokens, l.Token)
	}
	clean := 0
	for idle := pollLeast; ; idle = min(2*idle, pollMost) {
		for _, c := range e.cgroupsOf(h) {
			c.kill()
		}
		left, err := h.find()
		if err != nil {
			return fmt.Errorf("end what is left of attempt %s: %w", a.Name(), err)
		}
		for _, p := range left {
			err = errors.Join(err, p.signal(unix.SIGKILL))
		}
		// A process that forks can slip through one listing, but not through two.
		if clean++; len(left) > 0 {
			clean = 0
			e.log.Warn("killed processes that a dead shim left", "attempt", a.Name(), "count", len(left), "error", err)
		}
		if clean == 2 {
			break
		}
		if err := pause(ctx, idle); err != nil {
			return err
		}
	}
	for _, c := range e.cgroupsOf(h) {
		c.remove()
	}
	return nil
}

// cgroupsOf are the cgroups that the attempt may have left.
func (e *Executor) cgroupsOf(h hunt) []cgroup {
	paths := []string{h.shim.Cgroup}
	for _, token := range h.tokens {
		if token != "" && e.cgroup.path != "" {
			paths = append(paths, cgroupPath(e.cgroup.path, token))
		}
	}
	slices.Sort(paths)
	var left []cgroup
	for _, path := range slices.Compact(paths) {
		if path != "" && exists(path, "cgroup.kill") {
			left = append(left, cgroup{path: path})
		}
	}
	return left
}

// hunt looks for the processes of one attempt.
type hunt struct {
	attempt []string // the folder of all jobs and the attempt's name, as a shim's last arguments but the token
	tokens  []string // values of markerVariable, possibly empty ones
	shim    shimState
}

// find answers the attempt's processes that run now, descendants included.
func (h *hunt) find() ([]process, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	ours := h.sessionIsOurs(all)
	self := os.Getpid()
	return withDescendants(all, func(p process) bool {
		if p.pid == self {
			return false
		}
		inGroup := p.session == h.shim.PID && p.group == h.shim.Command && p.birth >= h.shim.Birth
		return (ours && inGroup) || h.marked(p) || h.isShim(p)
	}), nil
}

// sessionIsOurs reports whether processes in the session and group of the shim
// and its command can only be the attempt's: the kernel gives the numbers to nobody else as long as one
// of them is left, so another process that has the shim's pid shows that all were gone.
func (h *hunt) sessionIsOurs(all []process) bool {
	return h.shim.PID > 0 && h.shim.Command > 0 && !slices.ContainsFunc(all, func(p process) bool {
		return p.pid == h.shim.PID && p.birth != h.shim.Birth
	})
}

// marked reports whether a process inherited the attempt's marker.
func (h *hunt) marked(p process) bool {
	return slices.ContainsFunc(h.tokens, func(token string) bool {
		return token != "" && p.hasEnv(markerVariable+"="+token)
	})
}

// isShim finds a shim that lives though its lock is gone because the command
// removed the attempt's folder, and learns the token from its arguments.
func (h *hunt) isShim(p process) bool {
	args := p.args()
	n := len(args)
	if n < 4 || !slices.Equal(args[n-3:n-1], h.attempt) {
		return false
	}
	if !slices.Contains(h.tokens, args[n-1]) {
		h.tokens = append(h.tokens, args[n-1])
	}
	return true
}

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

	"github.com/stint-jobs/stint/internal/executor/local/proc"
	"github.com/stint-jobs/stint/internal/executor/local/shim"
	"github.com/stint-jobs/stint/internal/workdir"
)

// endOrphans kills what is left of an attempt whose shim is gone, until
// nothing is, or ctx ends. What was started at another place is left alone.
func (e *Executor) endOrphans(ctx context.Context, a workdir.Attempt) error {
	state, err := shim.ReadState(a)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		e.log.Warn("state of a shim cannot be read", "attempt", a.Name(), "error", err)
	}
	h := newHunt(e.cfg.Folders.Path(), a.Path(), state)
	h.place = e.cfg.Place
	if h.shim.BootID != "" && h.shim.BootID != e.boot {
		return nil // the machine was started anew since
	}
	var l shim.Launch
	if err := shim.ReadJSON(a, shim.LaunchFile, &l); err == nil {
		h.tokens = append(h.tokens, l.Token)
	}
	if state.Token != "" && state.Place != e.cfg.Place || l.Token != "" && l.Place != e.cfg.Place {
		e.log.Warn("what is left of an attempt is not ended: it was started at another place", "attempt", a.Name())
		return nil
	}
	clean := 0
	for idle := pollLeast; ; idle = min(2*idle, pollMost) {
		for _, c := range e.cgroupsOf(h) {
			c.Kill()
		}
		left, err := h.find()
		if err != nil {
			return fmt.Errorf("end what is left of attempt %s: %w", a.Name(), err)
		}
		for _, p := range left {
			err = errors.Join(err, p.Signal(unix.SIGKILL))
		}
		// A process that forks can slip through one listing, but not through two.
		if clean++; len(left) > 0 {
			clean = 0
			e.log.Warn("killed processes that a dead shim left", "attempt", a.Name(), "count", len(left), "error", err)
		}
		if clean == 2 {
			break
		}
		if err := shim.Pause(ctx, idle); err != nil {
			return err
		}
	}
	for _, c := range e.cgroupsOf(h) {
		c.Remove()
	}
	return nil
}

// cgroupsOf are the cgroups that the attempt may have left.
func (e *Executor) cgroupsOf(h hunt) []shim.Cgroup {
	paths := []string{h.shim.Cgroup}
	for _, token := range h.tokens {
		if token != "" && e.cgroup.path != "" {
			paths = append(paths, shim.CgroupPath(e.cgroup.path, token))
		}
	}
	slices.Sort(paths)
	var left []shim.Cgroup
	for _, path := range slices.Compact(paths) {
		if path != "" && exists(path, "cgroup.kill") {
			left = append(left, shim.Cgroup{Path: path})
		}
	}
	return left
}

// hunt looks for the processes of one attempt.
type hunt struct {
	folders string   // of all jobs, which is among a shim's arguments
	folder  string   // of the attempt, in which a shim has files open
	place   string   // that the attempt was started at
	tokens  []string // values of shim.MarkerVariable, possibly empty ones
	shim    shim.State
	found   map[int]uint64 // births of processes that are known to be the attempt's, by pid
}

func newHunt(folders, folder string, s shim.State) hunt {
	h := hunt{folders: folders, folder: folder, tokens: []string{s.Token}, shim: s, found: make(map[int]uint64)}
	if s.First > 0 { // the kernel lets it go only when no other in the sandbox is left
		h.found[s.First] = s.FirstBirth
	}
	return h
}

// find answers the attempt's processes that run now, descendants included. What was found once is the attempt's until it has
// ended: a process that is about to end shows no environment any more, and may have files open still.
func (h *hunt) find() ([]proc.Process, error) {
	all, err := proc.All()
	if err != nil {
		return nil, err
	}
	ours := h.sessionIsOurs(all)
	self := os.Getpid()
	left := proc.WithDescendants(all, func(p proc.Process) bool {
		if p.PID == self {
			return false
		}
		inGroup := p.Session == h.shim.PID && p.Group == h.shim.Command && p.Birth >= h.shim.Birth
		return h.known(p) || (ours && inGroup) || h.marked(p) || h.isShim(p)
	})
	for _, p := range left {
		h.found[p.PID] = p.Birth
	}
	return left, nil
}

func (h *hunt) known(p proc.Process) bool {
	birth, ok := h.found[p.PID]
	return ok && birth == p.Birth
}

// sessionIsOurs reports whether processes in the session and group of the shim
// and its command can only be the attempt's: the kernel gives the numbers to nobody else as long as one
// of them is left, so another process that has the shim's pid shows that all were gone.
func (h *hunt) sessionIsOurs(all []proc.Process) bool {
	return h.shim.PID > 0 && h.shim.Command > 0 && !slices.ContainsFunc(all, func(p proc.Process) bool {
		return p.PID == h.shim.PID && p.Birth != h.shim.Birth
	})
}

// marked reports whether a process inherited the attempt's marker.
func (h *hunt) marked(p proc.Process) bool {
	return slices.ContainsFunc(h.tokens, func(token string) bool {
		return token != "" && p.HasEnv(shim.MarkerVariable+"="+token)
	})
}

// isShim finds a shim that lives though its lock is gone because the command
// removed the attempt's folder: it still has its files open. It learns the token from one of them.
func (h *hunt) isShim(p proc.Process) bool {
	if args := p.Args(); len(args) < 4 || args[len(args)-3] != h.folders {
		return false
	}
	open := p.OpenFiles(h.folder)
	for _, path := range open {
		st, err := shim.ReadOpenState(path)
		if err == nil && st.Place != h.place {
			return false
		}
		if err == nil && !slices.Contains(h.tokens, st.Token) {
			h.tokens = append(h.tokens, st.Token)
		}
	}
	return len(open) > 0
}

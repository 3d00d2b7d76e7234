//go:build linux

package local

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/workdir"
)

// ownShim is a shim that is our child.
type ownShim struct {
	pid    int
	server *os.File // our end of the socket; closed, it tells the shim that there are no more orders
}

// mostIdle is how many shims wait for the next attempt. Each has some two megabytes.
const mostIdle = 8

// keepShim notes who supervises the attempt.
func (e *Executor) keepShim(a workdir.Attempt, s ownShim) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if old, ok := e.shims[a.Name()]; ok { // one whose report was not waited for
		e.endShim(old)
	}
	e.shims[a.Name()] = s
}

// freeShim has the shim of an attempt that is over wait for another one. That it may be about to end
// instead shows when it gets an order. The caller holds mu.
func (e *Executor) freeShim(a workdir.Attempt) {
	s, ok := e.shims[a.Name()]
	if !ok {
		return
	}
	delete(e.shims, a.Name())
	if len(e.idle) >= mostIdle {
		e.endShim(s)
		return
	}
	e.idle = append(e.idle, s)
}

// takeIdle takes the shim that became idle last: it is the most likely one to be there yet.
func (e *Executor) takeIdle() (s ownShim, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := len(e.idle)
	if n == 0 {
		return ownShim{}, false
	}
	s, e.idle = e.idle[n-1], e.idle[:n-1]
	return s, true
}

// dismiss gives no more orders to a shim.
func (e *Executor) dismiss(s ownShim) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.endShim(s)
}

// endShim is dismiss for who holds mu.
func (e *Executor) endShim(s ownShim) {
	s.server.Close()
	e.ended[s.pid] = true
}

// reap takes the exit status of shims that have ended, so that they are gone.
// One that is about to end is taken the next time. The caller holds mu.
func (e *Executor) reap() {
	for pid := range e.ended {
		if got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); got == pid || errors.Is(err, unix.ECHILD) {
			delete(e.ended, pid)
		}
	}
}

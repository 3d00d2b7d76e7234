//go:build linux

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/local/shim"
	"github.com/stint-jobs/stint/internal/workdir"
)

// Wait waits for the end of the attempt's shim, and then answers what
// exit.json says. What Started told is not observed again. A shim that left none was killed: Wait ends what is left of the attempt and answers ErrLost.
func (e *Executor) Wait(ctx context.Context, h executor.Handle, observe func(executor.Observation)) (executor.Exit, error) {
	a, err := e.attempt(h)
	if err != nil {
		return executor.Exit{}, fmt.Errorf("wait: %w", err)
	}
	e.useAgain(a)
	observed := e.hasTold(a)
	if observed { // it ran a moment ago: its end is waited for before anything is looked at
		if err := awaitEnd(ctx, a, 0); err != nil {
			return executor.Exit{}, err
		}
	}
	for idle := pollLeast; ; {
		held, err := shim.LockHeld(a)
		if err != nil {
			return executor.Exit{}, fmt.Errorf("wait: %w", err)
		}
		if !held {
			return e.conclude(ctx, a)
		}
		if !observed {
			var o executor.Observation
			if o, observed = e.observed(a); observed {
				observe(o)
			}
		}
		patience := time.Duration(0) // until the end
		if !observed {
			patience = idle // an attempt found while it was being started: the command runs in a moment
		}
		began := time.Now()
		if err := awaitEnd(ctx, a, patience); err != nil {
			return executor.Exit{}, err
		}
		if time.Since(began) > pollMost {
			idle = pollLeast
			continue
		}
		// The end of the FIFO and of the lock are moments apart. And if the
		// command destroyed the FIFO, the lock is looked at now and then.
		if err := shim.Pause(ctx, idle); err != nil {
			return executor.Exit{}, err
		}
		idle = min(2*idle, pollMost)
	}
}

// Started answers that the command runs, which it does, or did, when Start has answered, unless it was cancelled before.
func (e *Executor) Started(h executor.Handle) (executor.Observation, bool) {
	a, err := e.attempt(h)
	if err != nil {
		return executor.Observation{}, false // Wait says why
	}
	o, ok := e.observed(a)
	if ok {
		e.tell(a)
	}
	return o, ok
}

// observed is that the command runs, once that is known.
func (e *Executor) observed(a workdir.Attempt) (executor.Observation, bool) {
	s, err := shim.ReadState(a)
	if err != nil || s.Command == 0 {
		return executor.Observation{}, false
	}
	return executor.Observation{
		State: jobsv1.State_STATE_RUNNING, EngineID: strconv.Itoa(s.PID), Node: e.node, StartTime: s.Start,
	}, true
}

// awaitEnd returns when nobody holds the FIFO for writing any more, when
// there is no FIFO, or when patience, unless zero, has passed. An error is ctx's.
func awaitEnd(ctx context.Context, a workdir.Attempt, patience time.Duration) error {
	f, err := shim.OpenPrivate(a, shim.AliveFile, os.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return ctx.Err()
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		return ctx.Err()
	}
	if patience > 0 {
		_ = f.SetReadDeadline(time.Now().Add(patience))
	}
	defer context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })()
	for buf := make([]byte, 512); ; { // nobody writes, but a command could
		if _, err := f.Read(buf); err != nil {
			return ctx.Err()
		}
	}
}

// conclude answers how an attempt ended whose shim is gone.
func (e *Executor) conclude(ctx context.Context, a workdir.Attempt) (executor.Exit, error) {
	r, ok, err := a.ReadExit()
	if ok {
		exit, known := executor.ExitOf(r)
		if known {
			e.unuse(a)
			return exit, nil
		}
		err = errors.New("unknown reason " + strconv.Quote(r.Reason))
	}
	if err != nil { // not written by a shim of this version
		e.log.Warn("exit record cannot be used", "attempt", a.Name(), "error", err)
	}
	if err := e.endOrphans(ctx, a); err != nil {
		return executor.Exit{}, err
	}
	if err := a.EmptyTmp(); err != nil {
		e.log.Warn("temporary files remain", "attempt", a.Name(), "error", err)
	}
	e.unuse(a)
	return executor.Exit{}, executor.ErrLost
}

// useAgain counts the resources of an attempt that an earlier process may have started.
func (e *Executor) useAgain(a workdir.Attempt) {
	e.mu.Lock()
	_, counted := e.active[a.Name()]
	e.mu.Unlock()
	if counted {
		return
	}
	var l shim.Launch
	if err := shim.ReadJSON(a, shim.LaunchFile, &l); err != nil {
		e.log.Debug("resources of an attempt are not known", "attempt", a.Name(), "error", err)
	}
	e.use(a, &jobsv1.Resources{Cpus: l.CPUs, MemoryBytes: l.MemoryBytes})
}

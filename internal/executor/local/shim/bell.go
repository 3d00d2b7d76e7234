//go:build linux

package shim

import (
	"os"
	"os/signal"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// bell wakes the one thread that looks after a command. It waits in poll for the command, its pipes and
// the bell at once, so that a command that ends soon needs no second thread, which would cost more than all else.
type bell struct {
	fd       int         // an eventfd
	term     atomic.Bool // SIGTERM came
	look     atomic.Bool // SIGUSR1 came
	children bool        // whether it rings when a child ends
}

// newBell makes a bell that rings for SIGTERM and SIGUSR1.
func newBell() (*bell, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd2", err)
	}
	b := &bell{fd: fd}
	b.on(unix.SIGTERM, func() { b.term.Store(true) })
	b.on(unix.SIGUSR1, func() { b.look.Store(true) })
	// In a session without a terminal nobody sends these but by mistake. Handled, not ignored: commands would inherit that.
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGQUIT)
	return b, nil
}

// on rings after each call of note, for one or several signals.
func (b *bell) on(s os.Signal, note func()) {
	came := make(chan os.Signal, 1)
	signal.Notify(came, s)
	go func() {
		for range came {
			note()
			b.ring()
		}
	}()
}

// watchChildren has the bell ring from now on when a child ends. Nothing is said of one that ended before.
func (b *bell) watchChildren() {
	b.children = true
	b.on(unix.SIGCHLD, func() {})
}

// ring may be called by any goroutine.
func (b *bell) ring() {
	_, _ = unix.Write(b.fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // it can only fail because it rings already
}

// await waits until the bell rings, something happens to one of the others, or until then unless that is zero.
func (b *bell) await(others []unix.PollFd, until time.Time) {
	all := append([]unix.PollFd{{Fd: int32(b.fd), Events: unix.POLLIN}}, others...) //nolint:gosec // a descriptor
	var most *unix.Timespec
	if !until.IsZero() {
		t := unix.NsecToTimespec(int64(max(0, time.Until(until))))
		most = &t
	}
	if n, err := unix.Ppoll(all, most, nil); n <= 0 || err != nil {
		return // time is over, or a signal came: whoever waits looks at everything
	}
	copy(others, all[1:])
	if all[0].Revents != 0 {
		var rung [8]byte
		_, _ = unix.Read(b.fd, rung[:])
	}
}

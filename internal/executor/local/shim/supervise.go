//go:build linux

package shim

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/executor/local/proc"
	"github.com/stint-jobs/stint/internal/workdir"
)

const (
	// lingerMost is how long processes that the command left behind have to
	// end by themselves, for example one that copies its output to a file.
	lingerMost = 2 * time.Second
	// forceEvery is how often what is left is killed again.
	forceEvery = 20 * time.Millisecond
	// forceMost is how long that is tried: a process that hangs in the kernel, as on
	// a file server that is gone, must not make the job hang for ever.
	forceMost = time.Minute
	// soon is when a command has not ended at once.
	soon = 50 * time.Millisecond
)

// command is the attempt's command with all its descendants, as the shim sees
// them: whatever they do to their parents, groups and sessions, they stay the shim's descendants,
// because it is a subreaper. When it has no children any more, nothing of the command is left.
type command struct {
	launch  Launch
	log     *slog.Logger
	outputs *outputs
	cgroup  *Cgroup       // nil without one
	asked   func() Reason // why a signal came; empty for no reason

	bell *bell

	pid    int  // and process group; in a sandbox that of bwrap
	pidfd  int  // -1 where there is none
	box    *box // nil without a sandbox
	start  time.Time
	end    time.Time // zero while it runs
	status unix.WaitStatus
	cause  Reason // why we ended it; empty when it ended by itself
	phase  phase
	limit  time.Time // when it has run long enough; zero for never
	due    time.Time // when the phase has lasted long enough; zero for never
	forced time.Time // when force was first used
	harder bool      // force was used before
	stuck  int       // processes that could not be ended
	spent  usage     // by what has ended; not all that this process waited for, which had other attempts
	used   *usage    // as told from within a sandbox
	boxEnd unix.WaitStatus
}

// phase says how far a command is from its end.
type phase int

const (
	running   phase = iota
	lingering       // the command itself has ended, what it left has not
	askedTo         // everything got SIGTERM
	forcedTo        // everything gets SIGKILL
)

// supervise returns when nothing of the command is left, or cannot be ended.
func (c *command) supervise() {
	began := time.Now()
	if c.launch.TimeLimit > 0 {
		c.limit = began.Add(c.launch.TimeLimit)
	}
	for !c.reap() && c.stuck == 0 {
		// The end of the command alone is learned without signals, which take threads.
		if !c.bell.children && (c.pidfd < 0 || !c.end.IsZero() || time.Since(began) >= soon) {
			c.bell.watchChildren()
			continue // one may have ended before
		}
		until := earliest(c.limit, c.due)
		if !c.bell.children {
			until = earliest(until, began.Add(soon))
		}
		c.await(until)
		c.react()
	}
	if c.pidfd >= 0 {
		unix.Close(c.pidfd)
	}
	if c.box != nil {
		c.settle()
	}
	c.outputs.finish(c.log)
}

// await waits until something happens.
func (c *command) await(until time.Time) {
	fds := [3]unix.PollFd{{Fd: -1}, {Fd: int32(c.outputs[0].from)}, {Fd: int32(c.outputs[1].from)}} //nolint:gosec // descriptors
	if c.end.IsZero() {
		fds[0].Fd = int32(c.pidfd) //nolint:gosec // a descriptor
	}
	for i := range fds {
		fds[i].Events = unix.POLLIN
	}
	c.bell.await(fds[:], until)
	for i := range c.outputs {
		c.outputs[i].see(fds[1+i].Revents)
	}
}

// react does about what may have happened what is to be done.
func (c *command) react() {
	if c.box != nil {
		c.hearAll()
	}
	switch {
	case c.bell.term.Swap(false):
		c.stop(cmp.Or(c.asked(), ReasonNodeFailed))
	case c.bell.look.Swap(false):
		if reason := c.asked(); reason != "" {
			c.stop(reason)
		}
	case passed(c.limit):
		c.limit = time.Time{}
		c.stop(ReasonTimeLimit)
	case passed(c.due):
		c.due = time.Time{}
		c.escalate()
	}
}

// hearAll takes the news that there are.
func (c *command) hearAll() {
	for {
		select {
		case n, more := <-c.box.news:
			if !more {
				return
			}
			c.hear(n)
		default:
			return
		}
	}
}

// earliest is the sooner of two times, of which either may be none, that is zero.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// passed reports whether there is such a time and it has come.
func passed(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

// hear takes what the first process in the sandbox tells.
func (c *command) hear(n news) {
	if n.Ended != nil {
		c.over(unix.WaitStatus(n.Ended.Status), n.Ended.Time)
	}
	if n.Usage != nil {
		c.used = n.Usage
	}
}

// settle takes the last news of a sandbox that is over. When the command's end is not among
// them the first process was killed from outside, and the kernel killed all others with it.
func (c *command) settle() {
	if c.stuck == 0 {
		for n := range c.box.news {
			c.hear(n)
		}
	}
	if !c.end.IsZero() || c.stuck > 0 {
		return
	}
	c.over(unix.WaitStatus(unix.SIGKILL), time.Now())
	if c.phase < askedTo {
		said := <-c.box.complaint
		c.log.Error("sandbox ended before the command", "status", c.boxEnd, "said", said)
	}
}

// over notes that the command itself has ended.
func (c *command) over(status unix.WaitStatus, when time.Time) {
	c.status, c.end = status, when
	if c.phase == running {
		c.phase = lingering
		c.due = time.Now().Add(min(lingerMost, c.launch.Grace))
	}
}

// reap takes the status of all children that have ended and reports whether none is left.
func (c *command) reap() bool {
	for {
		var status unix.WaitStatus
		var used unix.Rusage
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, &used)
		if err == nil && pid > 0 {
			c.spent.add(usageOf(used))
		}
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ECHILD):
			return true
		case err != nil:
			c.log.Error("wait for children", "error", err)
			return false
		case pid == 0:
			return false
		case pid == c.pid && c.box != nil:
			c.boxEnd = status
		case pid == c.pid:
			c.over(status, time.Now())
		}
	}
}

// stop begins to end the command, unless it has ended by itself.
func (c *command) stop(cause Reason) {
	if c.reap() || c.phase > lingering {
		return
	}
	if c.end.IsZero() {
		c.cause = cause
	}
	c.ask()
}

// escalate goes on to the next phase.
func (c *command) escalate() {
	if c.phase < askedTo {
		c.ask()
		return
	}
	c.force()
}

// ask asks everything to end.
func (c *command) ask() {
	c.phase = askedTo
	c.signal(unix.SIGTERM)
	c.signal(unix.SIGCONT) // one that is stopped could not do anything about it
	c.due = time.Now().Add(c.launch.Grace)
}

// force ends everything, again and again, because processes may be forking meanwhile.
func (c *command) force() {
	if c.phase != forcedTo {
		c.phase, c.forced = forcedTo, time.Now()
	} else {
		c.harder = true
	}
	if c.cgroup != nil && !c.spares() {
		c.cgroup.Kill()
	}
	left := c.signal(unix.SIGKILL)
	if time.Since(c.forced) > forceMost {
		c.stuck = max(left, 1)
		c.log.Error("processes could not be ended", "count", left)
		return
	}
	c.due = time.Now().Add(forceEvery)
}

// spares reports whether bwrap and the first process in the sandbox go on, so that the
// latter can tell how the command ended. That all in the sandbox end at once is the second try.
func (c *command) spares() bool { return c.box != nil && !c.harder }

// signal sends to the process group at once, and then to each descendant that
// has left it. It answers how many descendants there are.
func (c *command) signal(s unix.Signal) int {
	group := c.box == nil && c.end.IsZero() // once the command is reaped its number may be another's
	if group {
		if err := unix.Kill(-c.pid, s); err != nil && !errors.Is(err, unix.ESRCH) {
			c.log.Error("signal the process group", "signal", s, "error", err)
		}
	}
	all, err := proc.All()
	if err != nil {
		c.log.Error("signal the descendants", "signal", s, "error", err)
		return 0
	}
	self := os.Getpid()
	count := 0
	for _, p := range proc.WithDescendants(all, func(p proc.Process) bool { return p.Parent == self }) {
		count++
		if group && p.Group == c.pid {
			continue
		}
		if c.spares() && (p.PID == c.pid || p.Parent == c.pid) {
			continue
		}
		if err := p.Signal(s); err != nil {
			c.log.Error("signal a descendant", "signal", s, "error", err)
		}
	}
	return count
}

// describe says how a command ended.
func (s *shim) describe(c *command) workdir.ExitRecord {
	x := workdir.ExitRecord{
		Code: -1, Reason: string(c.cause), EngineID: strconv.Itoa(s.state.PID), Node: hostname(),
		Start: c.start, End: c.end, Ended: c.stuck == 0,
	}
	switch {
	case c.end.IsZero(): // stuck
		x.End = time.Now()
	case c.status.Signaled():
		x.Signal = int(c.status.Signal())
	default:
		x.Code = c.status.ExitStatus()
	}
	x.Usage = c.usage(x.End)
	_, outErr := s.stdout.Lost()
	_, errErr := s.stderr.Lost()
	noRoom := workdir.IsDiskFull(outErr) || workdir.IsDiskFull(errErr)
	var words []string
	switch failed := x.Code != 0; {
	case c.cause == ReasonTimeLimit:
		words = append(words, fmt.Sprintf("The command ran longer than its time limit of %s.", inWords(c.launch.TimeLimit)))
	case c.cause == ReasonNodeFailed:
		words = append(words, "The process that supervised the job was asked to end, as when the machine shuts down.")
	case c.cause != "":
	case failed && c.cgroup != nil && c.cgroup.outOfMemory():
		x.Reason = string(ReasonOutOfMemory)
		words = append(words, fmt.Sprintf("The command needed more memory than the %d MiB it had asked for.", c.launch.MemoryBytes>>20))
	case failed && (noRoom || s.attempt.DiskFull()):
		x.Reason = string(ReasonDiskFull)
		words = append(words, DiskFullMessage)
	}
	words = append(words, lost("standard output", s.stdout), lost("error output", s.stderr))
	if c.stuck > 0 {
		words = append(words, fmt.Sprintf("%d of its processes hang in the kernel and could not be ended.", c.stuck))
	}
	x.Message = strings.Join(strings.Fields(strings.Join(words, " ")), " ")
	return x
}

// inWords is a duration without the zeros that time.Duration writes: `1h30m`.
func inWords(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// lost says what of an output could not be kept.
func lost(what string, w *workdir.LogWriter) string {
	n, err := w.Lost()
	switch {
	case err == nil:
		return ""
	case workdir.IsDiskFull(err):
		return fmt.Sprintf("%d bytes of its %s were lost because the disk was full.", n, what)
	}
	return fmt.Sprintf("%d bytes of its %s could not be written: %v.", n, what, rootCause(err))
}

// usage is what the command and all its descendants used. The kernel counts
// into the resident memory of a program what the process had that started it, so less than the
// shim's own some 15 MB is not seen.
func (c *command) usage(end time.Time) *workdir.ExitUsage {
	u := cmp.Or(c.used, &c.spent)
	return &workdir.ExitUsage{
		MaxRSSBytes:    u.MaxRSSBytes,
		CPUSeconds:     u.CPUTime.Seconds(),
		ElapsedSeconds: end.Sub(c.start).Seconds(),
		CPUs:           c.launch.CPUs,
		MemoryBytes:    c.launch.MemoryBytes,
	}
}

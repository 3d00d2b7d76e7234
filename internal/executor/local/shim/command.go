//go:build linux

package shim

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/workdir"
)

// startCommand starts the attempt's command in a process group, and where
// possible a cgroup, of its own.
func (s *shim) startCommand() (*command, *Refusal) {
	dir := s.attempt.OutputPath()
	pipes, err := newOutputs(s.stdout, s.stderr)
	if err != nil {
		return nil, explain(s.launch.Argv[0], dir, err)
	}
	defer pipes.handOver()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, explain(s.launch.Argv[0], dir, err)
	}
	defer null.Close()
	c := &command{launch: s.launch, log: s.log, outputs: pipes, asked: s.asked}
	attr := &os.ProcAttr{
		Dir:   dir,
		Env:   append(slices.Clip(s.launch.Env), MarkerVariable+"="+s.token),
		Files: []*os.File{null, pipes.stdoutTo, pipes.stderrTo},
		Sys:   &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL},
	}
	if s.launch.Cgroup != "" {
		if c.cgroup, err = makeCgroup(s.launch); err != nil {
			s.log.Error("command runs without a cgroup of its own", "error", err)
		}
	}
	if c.cgroup != nil {
		s.state.Cgroup = c.cgroup.Path
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(c.cgroup.dir.Fd())
		// Should this process die right now, its successor must know of the cgroup.
		if err := WriteJSON(s.attempt, StateFile, s.state); err != nil {
			s.log.Error("cgroup is not in shim.json", "error", err)
		}
	}
	err = s.startProcess(c, attr)
	if err != nil && c.cgroup != nil {
		// Some kernels and containers show cgroups but let no process in. If
		// that is not what was wrong the second try fails just like the first.
		attr.Sys.UseCgroupFD = false
		if err = s.startProcess(c, attr); err == nil {
			s.log.Error("command runs outside of its cgroup")
			c.cgroup = nil
		}
	}
	if err != nil {
		return nil, explain(s.launch.Argv[0], dir, err)
	}
	if c.box == nil {
		return c, nil
	}
	var failure *Refusal
	c.start, failure = c.box.begun()
	return c, failure
}

// startProcess starts the command, or bwrap to start it in a sandbox.
func (s *shim) startProcess(c *command, attr *os.ProcAttr) error {
	if s.launch.Sandbox != nil {
		x, err := s.startBox(*attr)
		if err == nil {
			c.pid, c.box = x.pid, x
		}
		return err
	}
	// Not os.StartProcess, which would first start a process to try pidfds: supervise waits for all children alike.
	pid, err := syscall.ForkExec(s.launch.Argv[0], s.launch.Argv, &syscall.ProcAttr{
		Dir: attr.Dir, Env: attr.Env, Files: descriptors(attr.Files), Sys: attr.Sys,
	})
	runtime.KeepAlive(attr)
	if err != nil {
		return err
	}
	c.pid, c.start = pid, time.Now()
	return nil
}

func descriptors(files []*os.File) []uintptr {
	fds := make([]uintptr, len(files))
	for i, f := range files {
		fds[i] = f.Fd()
	}
	return fds
}

// asked is why somebody sent SIGTERM to the shim.
func (s *shim) asked() Reason {
	if cancelled, err := s.attempt.Marked(CancelFile); cancelled || err != nil {
		return ReasonCancelledByOwner
	}
	return ReasonNodeFailed
}

// explain says in plain words why a program could not be started.
func explain(program, dir string, err error) *Refusal {
	f := &Refusal{Reason: ReasonLaunchFailed, Cause: err.Error()}
	_, dirErr := os.Stat(dir)
	_, programErr := os.Stat(program)
	switch {
	case workdir.IsDiskFull(err):
		f.Reason, f.Message = ReasonDiskFull, DiskFullMessage
	case dirErr != nil:
		f.Message = "The working directory of the job is missing or cannot be entered."
	case errors.Is(programErr, fs.ErrNotExist):
		f.Message = fmt.Sprintf("The program %s was not found.", program)
	case errors.Is(err, fs.ErrNotExist):
		f.Message = fmt.Sprintf("The interpreter that the first line of %s names was not found.", program)
	case errors.Is(err, fs.ErrPermission):
		f.Message = fmt.Sprintf("The program %s may not be executed.", program)
	case errors.Is(err, unix.ENOEXEC):
		f.Message = fmt.Sprintf("The file %s is not a program that this machine can run.", program)
	case errors.Is(err, unix.E2BIG):
		f.Message = fmt.Sprintf("The arguments and the environment of %s are too long.", program)
	default:
		f.Message = fmt.Sprintf("The program %s could not be started: %v.", program, rootCause(err))
	}
	return f
}

// rootCause is the words of the kernel alone.
func rootCause(err error) error {
	if errno, ok := errors.AsType[unix.Errno](err); ok {
		return errno
	}
	return err
}

// outputs are the pipes from a command to its logs.
type outputs struct {
	stdoutTo, stderrTo     *os.File // for the command
	stdoutFrom, stderrFrom *os.File
	stdout, stderr         *workdir.LogWriter
	copying                sync.WaitGroup
}

// newOutputs makes the pipes and begins to copy.
func newOutputs(stdout, stderr *workdir.LogWriter) (*outputs, error) {
	o := &outputs{stdout: stdout, stderr: stderr}
	var err error
	if o.stdoutFrom, o.stdoutTo, err = os.Pipe(); err != nil {
		return nil, err
	}
	if o.stderrFrom, o.stderrTo, err = os.Pipe(); err != nil {
		return nil, err
	}
	o.copying.Go(func() { copyOutput(stdout, o.stdoutFrom) })
	o.copying.Go(func() { copyOutput(stderr, o.stderrFrom) })
	return o, nil
}

// handOver closes the ends that now only the command has.
func (o *outputs) handOver() {
	o.stdoutTo.Close()
	o.stderrTo.Close()
}

// finish waits until everything is copied that was written. Whoever still has
// the other end then, though all processes of the command have ended, is not waited for.
func (o *outputs) finish(log *slog.Logger) {
	const patience = 5 * time.Second
	for _, f := range []*os.File{o.stdoutFrom, o.stderrFrom} {
		if err := f.SetReadDeadline(time.Now().Add(patience)); err != nil {
			log.Error("bound the reading of output", "error", err)
		}
	}
	o.copying.Wait()
	for _, w := range []*workdir.LogWriter{o.stdout, o.stderr} {
		if err := w.Close(); err != nil {
			log.Error("close a log", "error", err)
		}
	}
}

// copyOutput copies until the pipe's end. The log takes everything.
func copyOutput(to *workdir.LogWriter, from *os.File) {
	for buf := make([]byte, 64<<10); ; {
		n, err := from.Read(buf)
		_, _ = to.Write(buf[:n])
		if err != nil {
			return
		}
	}
}

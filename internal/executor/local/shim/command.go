//go:build linux

package shim

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
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
	defer pipes.handOver()
	if err != nil {
		return nil, explain(s.launch.Argv[0], dir, err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, explain(s.launch.Argv[0], dir, err)
	}
	defer null.Close()
	c := &command{launch: s.launch, log: s.log, outputs: pipes, asked: s.asked, bell: s.bell, pidfd: -1}
	attr := &os.ProcAttr{
		Dir:   dir,
		Env:   append(slices.Clip(s.launch.Env), MarkerVariable+"="+s.token),
		Files: []*os.File{null, pipes[0].to, pipes[1].to},
		Sys:   &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL},
	}
	if s.launch.Cgroup != "" {
		if c.cgroup, err = makeCgroup(s.launch); err != nil {
			s.log.Error("command runs without a cgroup of its own", "error", err)
		}
	}
	if c.cgroup != nil {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(c.cgroup.dir.Fd())
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
	if c.cgroup != nil {
		c.cgroup.dir.Close()
		c.cgroup.dir = nil
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
	// Not os.StartProcess, which would first start a process to try pidfds.
	attr.Sys.PidFD = &c.pidfd
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

// asked is why somebody sent a signal to the shim, as far as the attempt's folder knows.
func (s *shim) asked() Reason {
	if cancelled, err := s.attempt.Marked(CancelFile); cancelled || err != nil {
		return ReasonCancelledByOwner
	}
	return ""
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

//go:build linux

package local

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/local/shim"
	"github.com/stint-jobs/stint/internal/workdir"
)

// failureOf is a refusal as the seam has it.
func failureOf(r *shim.Refusal) *executor.Failure {
	f := &executor.Failure{Reason: jobsv1.Reason_REASON_LAUNCH_FAILED, Message: r.Message}
	if reason, ok := executor.ReasonOf(string(r.Reason)); ok {
		f.Reason = reason
	}
	if r.Cause != "" {
		f.Err = errors.New(r.Cause)
	}
	return f
}

// Start spawns a shim for the attempt and returns when the command runs, or it
// is known that it cannot. If the attempt was started before, by whomever, its handle is the answer.
func (e *Executor) Start(ctx context.Context, t executor.Task) (executor.Handle, error) {
	a := t.Dir
	if len(t.Command.Argv) == 0 || !filepath.IsAbs(t.Command.Argv[0]) {
		return "", &executor.Failure{
			Reason:  jobsv1.Reason_REASON_LAUNCH_FAILED,
			Message: fmt.Sprintf("The command %q does not begin with the absolute path of a program.", t.Command.Argv),
		}
	}
	leave, err := e.starting.enter(ctx, a.Name())
	if err != nil {
		return "", fmt.Errorf("start attempt %s: %w", a.Name(), err)
	}
	defer leave()
	l, there, err := e.issue(ctx, t)
	switch {
	case err != nil:
		return "", err
	case there:
		return e.present(a)
	}
	r, err := e.spawn(ctx, a, l.Token)
	if errors.Is(err, io.EOF) {
		return e.settle(ctx, a)
	}
	switch {
	case err != nil:
		return "", err
	case r.Failure != nil:
		e.unuse(a)
		return "", failureOf(r.Failure)
	case r.Superseded:
		e.unuse(a)
		if there, err := shim.Known(a); there && err == nil {
			return e.present(a)
		}
		return "", fmt.Errorf("start attempt %s: %w", a.Name(), shim.ErrNotOurs)
	}
	e.use(a, t.Command.Resources)
	return handleOf(a), nil
}

// issue writes the ticket for the attempt, or answers that it is there already.
func (e *Executor) issue(ctx context.Context, t executor.Task) (shim.Launch, bool, error) {
	a := t.Dir
	leave, err := shim.EnterGate(ctx, a)
	if err != nil {
		return shim.Launch{}, false, prepareError(a, err)
	}
	defer leave()
	held, err := a.Hold()
	if err != nil {
		return shim.Launch{}, false, prepareError(a, err)
	}
	defer held.Release()
	if there, err := shim.Known(held); there || err != nil {
		return shim.Launch{}, there, err
	}
	l := shim.Launch{
		Token: newToken(), Place: e.cfg.Place, Argv: t.Command.Argv, Env: e.environment(t),
		TimeLimit: t.Command.Resources.GetTimeLimit().AsDuration(), Grace: e.cfg.Grace,
		HeadBytes: e.cfg.HeadBytes, TailBytes: e.cfg.TailBytes,
		CPUs: t.Command.Resources.GetCpus(), MemoryBytes: t.Command.Resources.GetMemoryBytes(),
		Cgroup: e.cgroup.path, CgroupMemory: e.cgroup.memory, TimerSlack: e.slack,
	}
	if e.sandbox.on() {
		own := ownFilesOf(e.cfg.Folders.Job(a.JobID()), a)
		l.Sandbox = &shim.Boxed{Bwrap: e.sandbox.bwrap.path, Args: e.sandbox.arguments(own, t.Command, t.GPUs), Threads: e.sandbox.threads}
	}
	if err := shim.WriteJSON(held, shim.LaunchFile, l); err != nil {
		// An older ticket must not be used after Start said that the attempt will not run.
		if removeErr := held.RemoveFile(shim.LaunchFile); removeErr != nil {
			return shim.Launch{}, false, errors.Join(err, removeErr)
		}
		return shim.Launch{}, false, prepareError(a, err)
	}
	return l, false, nil
}

// prepareError is the answer of Start when the attempt's files could not be
// written. What is not definite by itself, such as the end of a context, stays as it is.
func prepareError(a workdir.Attempt, err error) error {
	var path *fs.PathError
	switch {
	case passing(err):
		return fmt.Errorf("start attempt %s: %w: %w", a.Name(), executor.ErrUnavailable, err)
	case workdir.IsDiskFull(err):
		return &executor.Failure{Reason: jobsv1.Reason_REASON_DISK_FULL, Message: shim.DiskFullMessage, Err: err}
	case errors.Is(err, fs.ErrNotExist):
		return &executor.Failure{Reason: jobsv1.Reason_REASON_LAUNCH_FAILED, Message: "The folder of the job is missing.", Err: err}
	case errors.As(err, &path):
		return &executor.Failure{Reason: jobsv1.Reason_REASON_LAUNCH_FAILED, Message: "The folder of the job cannot be written to.", Err: err}
	}
	return fmt.Errorf("start attempt %s: %w", a.Name(), err)
}

// passing reports whether an error means that this process or the machine has too much at the moment.
func passing(err error) bool {
	return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}

// present answers for an attempt that was started before: a command that could
// not be started is the same failure again.
func (e *Executor) present(a workdir.Attempt) (executor.Handle, error) {
	r, ok, err := a.ReadExit()
	if err != nil || !ok {
		return handleOf(a), nil //nolint:nilerr // Wait deals with a broken record
	}
	exit, ok := executor.ExitOf(r)
	if ok && shim.NeverRan(r) {
		return "", &executor.Failure{Reason: exit.Reason, Message: exit.Message}
	}
	return handleOf(a), nil
}

// settle finds out what a shim that ended without a report did, and makes sure that it stays so.
func (e *Executor) settle(ctx context.Context, a workdir.Attempt) (executor.Handle, error) {
	leave, err := shim.EnterGate(ctx, a)
	if err != nil {
		return "", fmt.Errorf("start attempt %s: %w", a.Name(), err)
	}
	defer leave()
	there, err := shim.Known(a)
	if err != nil {
		return "", err
	}
	if there {
		return e.present(a)
	}
	if err := a.RemoveFile(shim.LaunchFile); err != nil {
		return "", err
	}
	e.unuse(a)
	said, _ := a.ReadFile(shim.LogFile)
	return "", &executor.Failure{
		Reason:  jobsv1.Reason_REASON_LAUNCH_FAILED,
		Message: "The process that was to supervise the job ended before it had started the command.",
		Err:     errors.New(strings.TrimSpace(string(said[:min(len(said), 2000)]))),
	}
}

// spawn has a shim supervise the attempt, one that is idle or a new one, and waits for its report. io.EOF means that it ended without one.
func (e *Executor) spawn(ctx context.Context, a workdir.Attempt, token string) (shim.Report, error) {
	for {
		s, ok := e.takeIdle()
		if !ok {
			break
		}
		if (shim.Order{Attempt: a.Name(), Token: token}).Send(s.server) != nil {
			e.dismiss(s) // it has ended: idle ones do after a while
			continue
		}
		e.keepShim(a, s)
		r, err := hear(ctx, a, token, s)
		if !errors.Is(err, io.EOF) {
			return r, err
		}
		// It may have ended before it read the order, or after it had begun with it.
		if there, err := shim.Known(a); there || err != nil {
			return shim.Report{}, io.EOF
		}
	}
	s, err := e.spawnShim(a, token)
	if err != nil {
		return shim.Report{}, err
	}
	e.keepShim(a, s)
	return hear(ctx, a, token, s)
}

// hear waits for the report of a shim.
func hear(ctx context.Context, a workdir.Attempt, token string, s ownShim) (shim.Report, error) {
	_ = s.server.SetReadDeadline(time.Time{}) // an earlier wait may have been given up
	defer context.AfterFunc(ctx, func() { _ = s.server.SetReadDeadline(time.Unix(1, 0)) })()
	var r shim.Report
	var err error
	for buf := make([]byte, shim.MessageMost); err == nil && r.Token != token; { // others were not waited for
		var n int
		if n, err = s.server.Read(buf); err == nil {
			r = shim.Report{}
			err = json.Unmarshal(buf[:n], &r)
		}
	}
	switch {
	case err == nil:
		return r, nil
	case ctx.Err() != nil:
		return shim.Report{}, fmt.Errorf("start attempt %s: %w", a.Name(), ctx.Err())
	case errors.Is(err, io.EOF), errors.Is(err, unix.ECONNRESET):
		return shim.Report{}, io.EOF
	}
	return shim.Report{}, fmt.Errorf("start attempt %s: read the report: %w", a.Name(), err)
}

// spawnShim starts the process: in a session of its own, with nothing of this
// process but the socket's other end, so that nothing that ends or talks to the server reaches it.
func (e *Executor) spawnShim(a workdir.Attempt, token string) (ownShim, error) {
	mine, theirs, err := socketPair()
	if err != nil {
		return ownShim{}, fmt.Errorf("start attempt %s: %w: %w", a.Name(), executor.ErrUnavailable, err)
	}
	defer theirs.Close()
	pid, err := e.startShim(a, token, theirs)
	if err != nil {
		mine.Close()
		return ownShim{}, err
	}
	return ownShim{pid, mine}, nil
}

// socketPair keeps messages apart, and its readers learn when the other end is closed.
func socketPair() (mine, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil { // so that waiting takes no thread
		return nil, nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fds[0]), unix.Close(fds[1]))
	}
	return os.NewFile(uintptr(fds[0]), "shim"), os.NewFile(uintptr(fds[1]), "server"), nil
}

func (e *Executor) startShim(a workdir.Attempt, token string, reportTo *os.File) (int, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, fmt.Errorf("start attempt %s: %w: %w", a.Name(), executor.ErrUnavailable, err)
	}
	defer null.Close()
	log, err := shim.OpenPrivate(a, shim.LogFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND)
	if err != nil {
		return 0, prepareError(a, err)
	}
	defer log.Close() // the shim opens it again; here is what goes wrong before
	argv := append([]string(nil), e.cfg.ShimArgv...)
	program := argv[0]
	argv[0] = calledAs(program)
	var p *os.Process
	patiently(func() {
		p, err = os.StartProcess(program, append(argv, e.cfg.Folders.Path(), a.Name(), token), &os.ProcAttr{
			Dir: "/",
			// One thread at a time is plenty for a process that waits.
			Env:   []string{"GOMAXPROCS=1"},
			Files: []*os.File{null, null, log, reportTo},
			Sys:   &unix.SysProcAttr{Setsid: true},
		})
	})
	if passing(err) {
		return 0, fmt.Errorf("start attempt %s: %w: %w", a.Name(), executor.ErrUnavailable, err)
	}
	if err != nil {
		return 0, &executor.Failure{
			Reason:  jobsv1.Reason_REASON_LAUNCH_FAILED,
			Message: "The process that is to supervise the job could not be started.",
			Err:     err,
		}
	}
	pid := p.Pid
	// Waiting for it the usual way would cost a thread for as long as it lives; see reap.
	if err := p.Release(); err != nil {
		e.log.Warn("release a shim", "attempt", a.Name(), "error", err)
	}
	return pid, nil
}

// patiently lets what fn starts have timers that may be late, so that they come together. The monitor of
// Go's runtime looks every 20 us after a program that has just started, which was a third of what a shim took.
func patiently(fn func()) {
	const late = 10 * time.Millisecond
	runtime.LockOSThread() // a thread hands it on to those that it starts
	defer runtime.UnlockOSThread()
	if before, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err == nil {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(late), 0, 0, 0)
		defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(before), 0, 0, 0) }()
	}
	fn()
}

// newToken names one start of one attempt among all there ever are.
func newToken() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails, by its contract
	return hex.EncodeToString(b)
}

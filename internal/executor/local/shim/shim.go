//go:build linux

package shim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/executor/local/proc"
	"github.com/stint-jobs/stint/internal/workdir"
)

const (
	// Name is what the small program is called as a file, and every shim in lists of processes.
	Name = "stintd-shim"
	// serverFD is the descriptor of the socket to the server: reports go there, and orders come from it.
	serverFD = 3
	// shimArguments is how many arguments a shim gets: the folder of all jobs, the attempt, the token.
	shimArguments = 3
	// gatePatience is how long a shim waits for the gate.
	gatePatience = 30 * time.Second
)

// shim is the process that supervises an attempt.
type shim struct {
	folders string
	root    *workdir.Root
	attempt workdir.Attempt
	token   string
	log     *slog.Logger
	launch  Launch
	state   State

	alive          *os.File
	states         stateFile
	exit           *workdir.ExitFile
	stdout, stderr *workdir.LogWriter
	bell           *bell
}

// Main is the whole life of a shim. The program calls it when it was
// started as local.Config.ShimArgv says, with the arguments that follow, does nothing before, and exits with the code
// that it answers: 0 when the attempt's end is on disk.
func Main(args []string) int {
	if len(args) == 1 && args[0] == insideArgument {
		return insideMain()
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	b, err := newBell()
	if err == nil {
		err = detach(args)
	}
	if err != nil {
		log.Error("shim cannot begin", "error", err)
		return 2
	}
	for o := (Order{Attempt: args[1], Token: args[2]}); ; {
		s := &shim{log: log, bell: b, folders: args[0], token: o.Token}
		if code := s.supervise(o); code != 0 || !s.over() {
			return code
		}
		var more bool
		if o, more = nextOrder(b); !more {
			return 0
		}
	}
}

// over reports whether nothing is left of the attempt, in this process neither: it may supervise another.
func (s *shim) over() bool {
	_, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
	return errors.Is(err, unix.ECHILD) && s.launch.Sandbox == nil
}

// supervise is the part of its life that a shim gives to one attempt. It answers an exit code.
func (s *shim) supervise(o Order) int {
	if err := s.begin(o); err != nil {
		s.log.Error("shim cannot begin", "error", err)
		return 2
	}
	if err := s.birth(); err != nil {
		s.refuse(err)
		return 1
	}
	if err := s.live(); err != nil {
		return 1
	}
	return 0
}

// begin finds the attempt.
func (s *shim) begin(o Order) (err error) {
	if s.root, err = workdir.Open(s.folders); err != nil {
		return err
	}
	if s.attempt, err = s.root.AttemptByName(o.Attempt); err != nil {
		return err
	}
	log, err := OpenPrivate(s.attempt, LogFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND)
	if err != nil {
		return err
	}
	defer log.Close()
	return os.NewSyscallError("dup2", unix.Dup2(int(log.Fd()), 2))
}

// detach gets rid of what was inherited.
func detach(args []string) error {
	if len(args) != shimArguments {
		return fmt.Errorf("want %d arguments, not %q", shimArguments, args)
	}
	unix.CloseOnExec(serverFD)
	// The server may itself have inherited descriptors from whoever started
	// it. Those would be kept open by the job: an end of file somebody waits for would not come.
	// All that a Go program opens is closed on exec, so what is not came from outside.
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range fds {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= 2 {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			unix.Close(fd)
		}
	}
	// Started through a descriptor it is called by that number where processes are listed by name. Without the name it runs as well.
	_ = os.WriteFile("/proc/self/comm", []byte(Name), 0)
	unix.Umask(0o022)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become a subreaper: %w", err)
	}
	return nil
}

// birth decides, in the gate, whether this shim is the one to run the attempt,
// and gets ready for that. After an error the command was not started and never will be by this shim's ticket.
func (s *shim) birth() error {
	ctx, cancel := context.WithTimeout(context.Background(), gatePatience)
	defer cancel()
	held, err := s.attempt.Hold()
	if err != nil {
		return err
	}
	s.attempt = held
	leave, err := EnterGate(ctx, s.attempt)
	if err != nil {
		return err
	}
	defer leave()
	if err := ReadJSON(s.attempt, LaunchFile, &s.launch); errors.Is(err, fs.ErrNotExist) {
		return ErrNotOurs
	} else if err != nil {
		return err
	}
	if s.launch.Token != s.token {
		return ErrNotOurs
	}
	there, err := Known(s.attempt)
	if err == nil && there {
		return ErrNotOurs
	}
	if err == nil {
		err = s.prepare(ctx)
	}
	if err == nil {
		return nil
	}
	if s.exit != nil {
		s.exit.Discard()
	}
	if removeErr := s.attempt.RemoveFile(LaunchFile); removeErr != nil {
		s.log.Error("ticket remains", "error", removeErr)
	}
	return err
}

// prepare makes all files that the attempt needs to run and to end, shim.json last.
func (s *shim) prepare(ctx context.Context) (err error) {
	if s.exit, err = s.attempt.ReserveExit(); err != nil {
		return err
	}
	limits := workdir.LogLimits{HeadBytes: s.launch.HeadBytes, TailBytes: s.launch.TailBytes}
	if s.stdout, err = s.attempt.CreateLog(workdir.Stdout, limits); err != nil {
		return err
	}
	if s.stderr, err = s.attempt.CreateLog(workdir.Stderr, limits); err != nil {
		return err
	}
	fifo := filepath.Join(s.attempt.Path(), AliveFile)
	if err := unix.Mkfifo(fifo, 0o600); err != nil && !errors.Is(err, unix.EEXIST) {
		return &fs.PathError{Op: "mkfifo", Path: fifo, Err: err}
	}
	// For both ends, because opening for writing alone waits for a reader.
	if s.alive, err = OpenPrivate(s.attempt, AliveFile, os.O_RDWR); err != nil {
		return err
	}
	if s.state.BootID, err = proc.BootID(); err != nil {
		return err
	}
	self, err := proc.Read(os.Getpid())
	if err != nil {
		return err
	}
	s.state.Token, s.state.Place, s.state.PID, s.state.Birth, s.state.Shared = s.token, s.launch.Place, self.PID, self.Birth, true
	if s.launch.Cgroup != "" { // it is known before it is there: should this process die then, its successor finds it
		s.state.Cgroup = CgroupPath(s.launch.Cgroup, s.token)
	}
	s.states, err = createState(ctx, s.attempt, s.state)
	return err
}

// live runs the command, and puts its end on disk.
func (s *shim) live() error {
	end := s.run()
	err := s.commit(end)
	if err != nil {
		s.log.Error("exit record is not on disk", "error", err)
	}
	if tmpErr := s.attempt.EmptyTmp(); tmpErr != nil {
		s.log.Error("temporary files remain", "error", tmpErr)
	}
	if s.state.Cgroup != "" {
		(&Cgroup{Path: s.state.Cgroup}).Remove()
	}
	s.leave()
	if err == nil && NeverRan(end) {
		s.tell(Report{Failure: &Refusal{Reason: Reason(end.Reason), Message: end.Message}})
	}
	return err
}

// leave lets go of the attempt's folder, so that whoever waited may move it or
// unmount its disk, and says that all is over: in this order a reader of the FIFO finds the lock free.
func (s *shim) leave() {
	for _, w := range []*workdir.LogWriter{s.stdout, s.stderr} {
		if w != nil {
			_ = w.Close() // closed long ago if there was anything in it
		}
	}
	_ = unix.Dup2(0, 2) // from the attempt's log to /dev/null
	s.attempt.Release()
	s.root.Close()
	if s.states.f != nil {
		s.states.f.Close() // and with it the lock
	}
	if s.alive != nil {
		s.alive.Close()
	}
}

// run runs the command to its end, unless it was cancelled before.
func (s *shim) run() workdir.ExitRecord {
	cancelled, err := s.attempt.Marked(CancelFile)
	if err != nil {
		s.log.Error("wish to cancel cannot be seen", "error", err)
	}
	if cancelled {
		s.tell(Report{Started: true})
		return s.never(ReasonCancelledByOwner, "")
	}
	runtime.LockOSThread() // the kernel ends the command with the thread that started it
	// A command inherits it from the thread.
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(s.launch.TimerSlack), 0, 0, 0); err != nil {
		s.log.Error("timers of the command may be late", "error", err)
	}
	c, failure := s.startCommand()
	if failure != nil {
		return s.never(failure.Reason, failure.Message)
	}
	s.state.Command, s.state.Start = c.pid, c.start
	if c.box != nil {
		s.state.First, s.state.FirstBirth = c.box.first()
	}
	if err := s.states.add(s.state); err != nil {
		s.log.Error("command is not in shim.json", "error", err)
	}
	s.tell(Report{Started: true})
	c.supervise()
	return s.describe(c)
}

// never is the end of an attempt whose command did not run.
func (s *shim) never(reason Reason, message string) workdir.ExitRecord {
	return workdir.ExitRecord{Reason: string(reason), Message: message, Code: -1, EngineID: strconv.Itoa(s.state.PID), Node: hostname()}
}

// commit puts the end on disk. A disk that is full, or away for a moment, gets some time.
func (s *shim) commit(end workdir.ExitRecord) error {
	const tries = 60
	var err error
	for i := range tries {
		if err = s.exit.Commit(end); err == nil {
			return nil
		}
		s.log.Error("write the exit record", "try", i, "error", err)
		if errors.Is(err, fs.ErrNotExist) { // the command removed its own folder
			return err
		}
		if workdir.IsDiskFull(err) {
			_ = s.attempt.EmptyTmp() // that may make room
		}
		<-time.After(time.Second)
	}
	return err
}

// refuse reports why the command will not be started.
func (s *shim) refuse(err error) {
	s.leave()
	if errors.Is(err, ErrNotOurs) {
		s.tell(Report{Superseded: true})
		return
	}
	f := &Refusal{
		Reason:  ReasonLaunchFailed,
		Message: "The job's files could not be prepared.",
		Cause:   err.Error(),
	}
	if workdir.IsDiskFull(err) {
		f.Reason, f.Message = ReasonDiskFull, DiskFullMessage
	}
	s.tell(Report{Failure: f})
}

// tell sends the report. A server that is gone reads the attempt's folder when it is back.
func (s *shim) tell(r Report) {
	r.Token = s.token
	data, err := json.Marshal(r)
	if err == nil {
		err = unix.Send(serverFD, data, unix.MSG_NOSIGNAL)
	}
	if err != nil {
		s.log.Debug("nobody takes the report", "error", err)
	}
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// NeverRan reports whether an attempt ended so because its command could not be started.
func NeverRan(end workdir.ExitRecord) bool {
	r := Reason(end.Reason)
	return end.Start.IsZero() && (r == ReasonLaunchFailed || r == ReasonDiskFull)
}

// ErrNotOurs says that the shim came too late: another start of the attempt goes on.
var ErrNotOurs = errors.New("another start of the attempt is under way")

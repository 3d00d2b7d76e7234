//go:build linux

package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/executor/local/proc"
)

const (
	// boxPatience is how long the making of a sandbox may take.
	boxPatience = 30 * time.Second
	// complaintMost is how much of what bwrap says is kept.
	complaintMost = 4 << 10
)

// Boxed is a command in a sandbox, as the ticket has it.
type Boxed struct {
	// Bwrap is the path of the program.
	Bwrap string `json:"bwrap"`
	// Args are all its arguments before the command.
	Args []string `json:"args"`
	// Threads is the most that the command may have; 0 is no limit.
	Threads int `json:"threads,omitempty"`

	program *os.File // what is the first process in the sandbox: this program
	inside  []string // its arguments before insideArgument
	ring    func()   // called after each of the news
	order   order
}

// box is the other end of a sandbox that is being made or was.
type box struct {
	pid       int
	news      chan news   // closed when there will be no more
	ring      func()      // after each of them
	complaint chan string // what bwrap said, once
}

// argv is the command line of bwrap. It names no more than folders: others on the machine can see it.
func (b *Boxed) argv() []string {
	argv := append([]string{filepath.Base(b.Bwrap)}, b.Args...)
	argv = append(argv, "--", fmt.Sprintf("/proc/self/fd/%d", programFD))
	return append(append(argv, b.inside...), insideArgument)
}

// startBox has bwrap make a sandbox and start the command in it. attr is how it would be
// started without one.
func (s *shim) startBox(attr os.ProcAttr) (*box, error) {
	if _, err := os.Stat(attr.Dir); err != nil { // bwrap would say it less plainly
		return nil, err
	}
	progress, err := OpenPrivate(s.attempt, filepath.Base(s.attempt.ProgressPath()), os.O_WRONLY|os.O_CREATE)
	if err != nil { // only what is there can be shown
		return nil, err
	}
	progress.Close()
	b := *s.launch.Sandbox
	// Also when the program's file was replaced or removed since.
	if b.program, err = os.Open("/proc/self/exe"); err != nil {
		return nil, err
	}
	defer b.program.Close()
	b.inside = os.Args[1 : len(os.Args)-shimArguments]
	b.ring = s.bell.ring
	b.order = order{Argv: s.launch.Argv, Env: attr.Env, Dir: attr.Dir, Threads: b.Threads}
	attr.Env = append(slices.Clip(boxEnv), MarkerVariable+"="+s.token)
	return b.start(attr)
}

// start starts bwrap. The thread must not end before the sandbox does, or the kernel ends that, too.
// attr says how; its Files are the command's standard input, output and error output.
func (b *Boxed) start(attr os.ProcAttr) (*box, error) {
	var mine, theirs []*os.File
	defer func() { closeAll(theirs) }()
	for range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(mine)
			return nil, err
		}
		mine, theirs = append(mine, r), append(theirs, w)
	}
	// The first pipe goes the other way.
	mine[0], theirs[0] = theirs[0], mine[0]
	orderTo, newsFrom, saidFrom := mine[0], mine[1], mine[2]
	std := attr.Files
	attr.Files = []*os.File{std[0], std[0], theirs[2], theirs[0], theirs[1], std[1], std[2], b.program}
	attr.Dir = "/"
	p, err := os.StartProcess(b.Bwrap, b.argv(), &attr)
	if err != nil {
		closeAll(mine)
		return nil, err
	}
	x := &box{pid: p.Pid, news: make(chan news, 4), ring: b.ring, complaint: make(chan string, 1)}
	_ = p.Release() // whoever has it waits for all children alike
	go func() {     // an order may be larger than a pipe
		_ = json.NewEncoder(orderTo).Encode(b.order)
		orderTo.Close()
	}()
	go x.listen(newsFrom)
	go x.hear(saidFrom)
	return x, nil
}

// listen takes the news until there are no more.
func (x *box) listen(from *os.File) {
	defer from.Close()
	defer close(x.news)
	for d := json.NewDecoder(from); ; {
		var n news
		if err := d.Decode(&n); err != nil {
			return
		}
		x.news <- n
		x.ring()
	}
}

// hear takes what bwrap and the first process in the sandbox have to say.
func (x *box) hear(from *os.File) {
	defer from.Close()
	said, _ := io.ReadAll(io.LimitReader(from, complaintMost))
	x.complaint <- strings.TrimSpace(string(said))
	_, _ = io.Copy(io.Discard, from)
}

// begun waits until the command was started, and answers when. The sandbox is gone if it was not.
func (x *box) begun() (time.Time, *Refusal) {
	t := time.NewTimer(boxPatience)
	defer t.Stop()
	var n news
	select {
	case n = <-x.news:
	case <-t.C:
	}
	if !n.Started.IsZero() {
		return n.Started, nil
	}
	_ = unix.Kill(x.pid, unix.SIGKILL)
	x.reap()
	f := n.Failure
	if f == nil {
		said, _, _ := strings.Cut(<-x.complaint, "\n")
		f = &Refusal{Reason: ReasonLaunchFailed, Message: "The sandbox of the job could not be made: " + said}
	} else if strings.HasSuffix(f.Message, "was not found.") {
		f.Message += " In the sandbox are only the system's folders, the service's and the job's own; an operator can show more."
	}
	return time.Time{}, f
}

// first is the first process in the sandbox, by its pid and birth: the one child of bwrap. It is 0 when that has ended.
func (x *box) first() (pid int, birth uint64) {
	for _, p := range proc.Children(x.pid) {
		return p.PID, p.Birth
	}
	return 0, 0
}

// reap waits until bwrap has ended, and the sandbox with it.
func (x *box) reap() {
	for {
		if _, err := unix.Wait4(x.pid, nil, 0, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// Trial is how to try whether sandboxes can be made.
type Trial struct {
	// Program calls Main with the arguments that follow Arguments. It is not closed.
	Program *os.File
	// Arguments before those of Main.
	Arguments []string
	// Dir exists in the sandbox.
	Dir string
}

// Try runs a command in the sandbox to its end, which must be the exit code that was asked for.
func (b Boxed) Try(t Trial) error {
	const code = 7
	b.program, b.inside, b.ring = t.Program, t.Arguments, func() {}
	b.order = order{Argv: []string{"/bin/sh", "-c", "exit " + strconv.Itoa(code)}, Env: []string{"PATH=/usr/bin:/bin"}, Dir: t.Dir, Threads: b.Threads}
	runtime.LockOSThread() // see start
	defer runtime.UnlockOSThread()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	x, err := b.start(os.ProcAttr{Env: boxEnv, Files: []*os.File{null, null, null}})
	if err != nil {
		return fmt.Errorf("bwrap cannot be started: %w", err)
	}
	if _, f := x.begun(); f != nil {
		return fmt.Errorf("%w%s", f, wayOut())
	}
	end := uint32(0)
	for n := range x.news {
		if n.Ended != nil {
			end = n.Ended.Status
		}
	}
	x.reap()
	if s := unix.WaitStatus(end); !s.Exited() || s.ExitStatus() != code {
		return fmt.Errorf("a command in it ended with the status %#x instead of exit code %d", end, code)
	}
	return nil
}

// boxEnv is the environment of bwrap and of the first process in the sandbox.
var boxEnv = []string{"GOMAXPROCS=1"}

// wayOut says what usually keeps a sandbox from being made.
func wayOut() string {
	for _, knob := range []struct{ path, bad, words string }{
		{"/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=10000 allows user namespaces"},
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1 allows user namespaces"},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor allows no user namespaces: give bwrap a profile with the rule userns, or sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
	} {
		if v, err := os.ReadFile(knob.path); err == nil && strings.TrimSpace(string(v)) == knob.bad {
			return " (" + knob.words + ")"
		}
	}
	return " (in a container the runtime must allow user namespaces and mounts)"
}

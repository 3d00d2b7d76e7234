//go:build linux

package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// insideArgument makes a shim the first process of a sandbox instead.
const insideArgument = "inside"

// Descriptors of the first process of a sandbox.
const (
	orderFD   = 3 + iota // it reads an order
	newsFD               // it writes news
	stdoutFD             // the command's standard output
	stderrFD             // the command's error output
	programFD            // itself, as a program
)

// order is what to run in a sandbox.
type order struct {
	Argv    []string `json:"argv"`
	Env     []string `json:"env"`
	Dir     string   `json:"dir"`
	Threads int      `json:"threads,omitempty"` // the most that it may have; 0 is no limit
}

// news is what the first process of a sandbox tells, one thing at a time.
type news struct {
	// Started is when the command was started.
	Started time.Time `json:"started,omitzero"`
	// Failure is why it could not be.
	Failure *Refusal `json:"failure,omitempty"`
	// Ended tells how the command itself ended; what it left may still run.
	Ended *ended `json:"ended,omitempty"`
	// Usage is what it and all its descendants used; the last of the news.
	Usage *usage `json:"usage,omitempty"`
}

// ended is the end of a command.
type ended struct {
	Status uint32    `json:"status"` // as of wait(2)
	Time   time.Time `json:"time"`
}

// usage is what the kernel counted.
type usage struct {
	MaxRSSBytes int64         `json:"max_rss_bytes"`
	CPUTime     time.Duration `json:"cpu_time_ns"`
}

func usageOf(r unix.Rusage) usage {
	return usage{MaxRSSBytes: r.Maxrss << 10, CPUTime: time.Duration(r.Utime.Nano() + r.Stime.Nano())}
}

// add counts what another process used, with those that it had waited for.
func (u *usage) add(more usage) {
	u.MaxRSSBytes = max(u.MaxRSSBytes, more.MaxRSSBytes)
	u.CPUTime += more.CPUTime
}

// insideMain is the life of the first process of a sandbox. It starts the command, takes the
// status of whatever ends there, and ends when nothing is left. It is there because bwrap tells
// of a command that a signal ended only what a shell would: an exit code that the command may
// also have chosen. It cannot be ended from within the sandbox, nor looked into.
func insideMain() int {
	// Nobody in the sandbox may reach what this process has open.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "close the process to others:", err)
		return 1
	}
	// Handled, not ignored: the command would inherit that.
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGPIPE, unix.SIGTERM)
	for fd := orderFD; fd <= programFD; fd++ {
		unix.CloseOnExec(fd)
	}
	unix.Close(programFD)
	tell := json.NewEncoder(os.NewFile(newsFD, "news"))
	pid, failure := startOrder()
	if failure != nil {
		return exitCode(tell.Encode(news{Failure: failure}))
	}
	if err := tell.Encode(news{Started: time.Now()}); err != nil {
		return exitCode(err)
	}
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.ECHILD):
			var r unix.Rusage
			if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &r); err != nil {
				return exitCode(err)
			}
			u := usageOf(r)
			return exitCode(tell.Encode(news{Usage: &u}))
		case err == nil && got == pid:
			if err := tell.Encode(news{Ended: &ended{Status: uint32(status), Time: time.Now()}}); err != nil {
				return exitCode(err)
			}
		}
	}
}

// exitCode is the exit code for an error, or for none.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// startOrder reads what to run and starts it in a process group of its own.
func startOrder() (int, *Refusal) {
	in := os.NewFile(orderFD, "order")
	stdout, stderr := os.NewFile(stdoutFD, "stdout"), os.NewFile(stderrFD, "stderr")
	defer stdout.Close()
	defer stderr.Close()
	var o order
	err := json.NewDecoder(in).Decode(&o)
	in.Close()
	if err != nil {
		return 0, explain("", "", err)
	}
	unix.Umask(0o022)
	if o.Threads > 0 {
		if err := limitThreads(uint64(o.Threads)); err != nil {
			return 0, explain(o.Argv[0], o.Dir, err)
		}
	}
	p, err := os.StartProcess(o.Argv[0], o.Argv, &os.ProcAttr{
		Dir: o.Dir, Env: o.Env, Files: []*os.File{os.Stdin, stdout, stderr}, Sys: &unix.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return 0, explain(o.Argv[0], o.Dir, err)
	}
	pid := p.Pid
	_ = p.Release() // all children are waited for alike
	return pid, nil
}

// limitThreads bounds the processes and threads of this user in this user namespace.
func limitThreads(most uint64) error {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &l); err != nil {
		return fmt.Errorf("limit the number of processes: %w", err)
	}
	l.Cur, l.Max = min(l.Cur, most), min(l.Max, most)
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &l); err != nil {
		return fmt.Errorf("limit the number of processes: %w", err)
	}
	return nil
}

package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Call is one call of a command of a batch system.
type Call struct {
	Program string // its name
	Args    []string
	Stdin   []byte
	Timeout time.Duration
}

// Answer is what became of a call.
type Answer struct {
	// Program is what was called.
	Program        string
	Stdout, Stderr string
	// Code is the exit code, or -1 when the command did not exit by itself.
	Code int
	// Err says why there is no exit code; nil when there is one.
	Err error
}

// OK reports whether the command says that it succeeded.
func (a Answer) OK() bool { return a.Err == nil && a.Code == 0 }

// Failure describes an answer that is not ok.
func (a Answer) Failure() error {
	said := a.Words()
	switch {
	case a.Err != nil && said != "":
		return fmt.Errorf("%s: %w: %s", a.Program, a.Err, said)
	case a.Err != nil:
		return fmt.Errorf("%s: %w", a.Program, a.Err)
	default:
		return fmt.Errorf("%s: exit code %d: %s", a.Program, a.Code, said)
	}
}

// Why a command has no exit code.
var (
	ErrTimeout   = errors.New("no answer in time")
	errTooLarge  = errors.New("more output than any cluster gives")
	ErrNoProcess = errors.New("cannot be started")
)

// maxOutput bounds what a command may answer: a hundred times the rows that a busy service has.
const maxOutput = 256 << 20

// Shell runs the commands of a batch system as processes, here or, by way of a remote shell, elsewhere.
type Shell struct {
	// Programs are the paths by name.
	Programs map[string]string
	// Env is all that a command sees.
	Env []string
	// Remote is a program with arguments that takes a command line for a POSIX shell as its last argument. Empty runs commands here.
	Remote []string
}

// Run calls a command and waits for its end. A command that outlives its time
// limit is killed with all that it started here. An answer that did not arrive whole has an error.
func (s *Shell) Run(ctx context.Context, c Call) Answer {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, ErrTimeout)
	defer cancel()
	mark := NewMark()
	argv := s.argv(mark, append([]string{s.Programs[c.Program]}, c.Args...))
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // the operator configures what is run
	cmd.Env = s.Env
	cmd.Stdin = bytes.NewReader(c.Stdin)
	out, errs := limited{left: maxOutput}, limited{left: maxOutput}
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for whoever left the group and still holds the pipes
	err := cmd.Run()
	a, broken := mark.Read(out.String(), errs.String())
	a.Program = c.Program
	var exit *exec.ExitError
	switch {
	case !errors.Is(broken, ErrBroken):
		a.Err = broken // whatever became of the connection afterwards
	case ctx.Err() != nil:
		a.Err = context.Cause(ctx)
	case out.full || errs.full:
		a.Err = errTooLarge
	case err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay):
		a.Err = fmt.Errorf("%w: %w", ErrNoProcess, err)
	default:
		a.Err = fmt.Errorf("%w (%v)", broken, state(err))
		a.Stderr += mark.outside(errs.String())
	}
	return a
}

// state is how the program between here and the command ended.
func state(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// argv is the program and its arguments that run a command in a frame, here or elsewhere.
// Of the variables of a shell elsewhere only three are passed on.
func (s *Shell) argv(m Mark, command []string) []string {
	clean := []string{"env", "-i"}
	for _, v := range s.Env {
		name, _, _ := strings.Cut(v, "=")
		switch remote := len(s.Remote) > 0; {
		case remote && name == "USER":
			clean = append(clean, `USER="$(id -un)"`)
		case remote && (name == "PATH" || name == "HOME"):
			clean = append(clean, fmt.Sprintf(`%s="$%[1]s"`, name))
		default:
			clean = append(clean, doubleQuote(v))
		}
	}
	argv := m.argv(strings.Join(clean, " "), command)
	if len(s.Remote) == 0 {
		return argv
	}
	return append(slices.Clone(s.Remote), "exec "+quoteAll(argv))
}

// limited is a buffer that notes when it would have got too large.
type limited struct {
	bytes.Buffer
	left int
	full bool
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		l.full = true
		return 0, errTooLarge
	}
	l.left -= len(p)
	return l.Buffer.Write(p)
}

// Words are what the command complained of, on one line and without its own name.
func (a Answer) Words() string {
	var lines []string
	for line := range strings.Lines(a.Stderr) {
		line = strings.TrimSpace(line)
		for _, prefix := range []string{a.Program + ": ", "error: ", "fatal: "} {
			line = strings.TrimPrefix(line, prefix)
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	words := strings.Join(lines, "; ")
	if len(words) > maxWords {
		words = strings.ToValidUTF8(words[:maxWords], "") + "..."
	}
	return words
}

// maxWords bounds what of a command's complaints is passed on.
const maxWords = 500

package slurm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// call is one call of a Slurm command.
type call struct {
	program string // sbatch, squeue, sacct, scancel or scontrol
	args    []string
	stdin   []byte
	timeout time.Duration
}

// answer is what became of a call.
type answer struct {
	stdout, stderr string
	// code is the exit code, or -1 when the command did not exit by itself.
	code int
	// err says why there is no exit code; nil when there is one.
	err error
}

// ok reports whether the command says that it succeeded.
func (a answer) ok() bool { return a.err == nil && a.code == 0 }

// failure describes an answer that is not ok.
func (a answer) failure(program string) error {
	said := lastWords(a.stderr)
	switch {
	case a.err != nil && said != "":
		return fmt.Errorf("%s: %w: %s", program, a.err, said)
	case a.err != nil:
		return fmt.Errorf("%s: %w", program, a.err)
	default:
		return fmt.Errorf("%s: exit code %d: %s", program, a.code, said)
	}
}

// Why a command has no exit code.
var (
	errTimeout   = errors.New("no answer in time")
	errTooLarge  = errors.New("more output than any cluster gives")
	errNoProcess = errors.New("cannot be started")
)

// outputMost bounds what a command may answer: a hundred times the rows that a busy service has.
const outputMost = 256 << 20

// shell runs Slurm's commands as processes, here or, by way of a remote shell, elsewhere.
type shell struct {
	programs map[string]string // paths by name
	env      []string          // all that a command sees
	remote   []string          // takes the command line as one more argument; empty runs it here
}

// run calls a command and waits for its end. A command that outlives its time
// limit is killed with all that it started.
func (s *shell) run(ctx context.Context, c call) answer {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout)
	defer cancel()
	argv := append([]string{s.programs[c.program]}, c.args...)
	if len(s.remote) > 0 {
		argv = append(append([]string(nil), s.remote...), s.commandLine(argv))
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // the operator configures what is run
	cmd.Env = s.env
	cmd.Stdin = bytes.NewReader(c.stdin)
	out, errs := limited{left: outputMost}, limited{left: outputMost}
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for whoever left the group and still holds the pipes
	err := cmd.Run()
	a := answer{stdout: out.String(), stderr: errs.String(), code: -1}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil && err != nil:
		a.err = context.Cause(ctx)
	case out.full || errs.full:
		a.err = errTooLarge
	case err == nil:
		a.code = 0
	case errors.As(err, &exit) && exit.Exited():
		a.code = exit.ExitCode()
	case errors.As(err, &exit):
		a.err = err
	default:
		a.err = fmt.Errorf("%w: %w", errNoProcess, err)
	}
	return a
}

// commandLine is the command for a shell elsewhere, whose own variables count for nothing but these three.
func (s *shell) commandLine(argv []string) string {
	var b strings.Builder
	b.WriteString(`exec env -i PATH="$PATH" HOME="$HOME" USER="$(id -un)"`)
	for _, v := range s.env {
		switch name, _, _ := strings.Cut(v, "="); name {
		case "PATH", "HOME", "USER":
		default:
			b.WriteString(" " + quote(v))
		}
	}
	b.WriteString(" " + quoteAll(argv))
	return b.String()
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

// lastWords is what a command complained of, on one line and without its own name.
func lastWords(stderr string) string {
	var lines []string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		for _, prefix := range []string{"sbatch: ", "squeue: ", "sacct: ", "scancel: ", "scontrol: ", "error: ", "fatal: "} {
			line = strings.TrimPrefix(line, prefix)
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	const most = 500
	words := strings.Join(lines, "; ")
	if len(words) > most {
		words = strings.ToValidUTF8(words[:most], "") + "..."
	}
	return words
}

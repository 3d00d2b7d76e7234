package executortest

import (
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Step is one thing that a command of the suite does. It is made by the
// functions below, and understood by /bin/sh after Shell and by an Engine after Simulated.
type Step struct {
	op, name, text string
}

// Print writes a line to standard output.
func Print(line string) Step { return Step{op: "print", text: line} }

// PrintErr writes a line to standard error.
func PrintErr(line string) Step { return Step{op: "print-err", text: line} }

// Write makes a file with one line in the working directory.
func Write(name, line string) Step { return Step{op: "write", name: name, text: line} }

// Append adds a line to a file in the working directory.
func Append(name, line string) Step { return Step{op: "append", name: name, text: line} }

// Progress reports progress as services do.
func Progress(line string) Step { return Step{op: "progress", text: line} }

// PrintFolder prints the working directory.
func PrintFolder() Step { return Step{op: "print-folder"} }

// PrintEnv prints the environment, a variable a line.
func PrintEnv() Step { return Step{op: "print-env"} }

// Exit ends the command with the code.
func Exit(code int) Step { return Step{op: "exit", text: strconv.Itoa(code)} }

// Kill ends the command by a signal that it sends to itself.
func Kill(s syscall.Signal) Step { return Step{op: "kill", text: strconv.Itoa(int(s))} }

// Hold waits until the command is released, or ended.
func Hold() Step { return Step{op: "hold"} }

// Sleep lets time pass.
func Sleep(d time.Duration) Step {
	return Step{op: "sleep", text: strconv.FormatFloat(d.Seconds(), 'f', -1, 64)}
}

// IgnoreTerm makes the command ignore polite requests to end.
func IgnoreTerm() Step { return Step{op: "ignore-term"} }

// Escape starts a process that leaves the command's process group and session,
// loses its parent, and then holds, having printed "escaped".
func Escape() Step { return Step{op: "escape"} }

// Leash makes the command, and all processes that it starts from then on, hold
// the write end of a FIFO of that name in the attempt's output, so that its reader
// sees an end of file once, and only when, all of them have ended.
func Leash() Step { return Step{op: "leash"} }

// Flood prints so many bytes in lines of 16.
func Flood(bytes int) Step { return Step{op: "flood", text: strconv.Itoa(bytes)} }

// Burn uses some processor time.
func Burn() Step { return Step{op: "burn"} }

// Names of FIFOs in output/ that the steps use.
const (
	holdFIFO  = "hold.fifo"
	leashFIFO = "leash.fifo"
	bornFIFO  = "born.fifo"
)

// Shell is the argument vector of a real command that does the steps.
func Shell(steps ...Step) []string {
	lines := make([]string, 0, len(steps)+1)
	for _, s := range steps {
		lines = append(lines, s.shell())
	}
	return []string{"/bin/sh", "-c", strings.Join(lines, "\n")}
}

// shell is the step in the language of /bin/sh.
func (s Step) shell() string {
	switch s.op {
	case "print":
		return "printf '%s\\n' " + quote(s.text)
	case "print-err":
		return "printf '%s\\n' " + quote(s.text) + " >&2"
	case "write":
		return "printf '%s\\n' " + quote(s.text) + " >" + quote(s.name)
	case "append":
		return "printf '%s\\n' " + quote(s.text) + " >>" + quote(s.name)
	case "progress":
		return "printf '%s\\n' " + quote(s.text) + ` >>"$STINT_PROGRESS"`
	case "print-folder":
		return "pwd -P"
	case "print-env":
		return "env"
	case "exit":
		return "exit " + s.text
	case "kill":
		return "kill -" + s.text + " $$"
	case "hold":
		return "read _ <" + holdFIFO
	case "sleep":
		return "sleep " + s.text
	case "ignore-term":
		return "trap '' TERM"
	case "escape":
		// The inner process reports by a FIFO, so that "escaped" is printed when it has left.
		return "(setsid /bin/sh -c 'echo >" + bornFIFO + "; read _ <" + holdFIFO + "' &)\nread _ <" + bornFIFO + "\necho escaped"
	case "leash":
		return "exec 9>" + leashFIFO
	case "flood":
		return "yes 0123456789abcde | head -c " + s.text
	case "burn":
		return "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done"
	}
	panic("executortest: no such step: " + s.op)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// simulatedProgram is the program of commands that an Engine runs.
const simulatedProgram = "/stint/simulated"

// Simulated is the argument vector of a command that an Engine makes believe it runs.
func Simulated(steps ...Step) []string {
	argv := []string{simulatedProgram}
	for _, s := range steps {
		argv = append(argv, s.op, s.name, s.text)
	}
	return argv
}

// stepsOf reads what Simulated wrote.
func stepsOf(argv []string) ([]Step, bool) {
	if len(argv) == 0 || argv[0] != simulatedProgram || len(argv)%3 != 1 {
		return nil, false
	}
	var steps []Step
	for a := argv[1:]; len(a) > 0; a = a[3:] {
		steps = append(steps, Step{op: a[0], name: a[1], text: a[2]})
	}
	return steps, true
}

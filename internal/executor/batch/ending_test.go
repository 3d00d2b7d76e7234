package batch

import (
	"errors"
	"os"
	signals "os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// languages are what a node may have that can tell an exit code from a signal, by path. "" is a node without any.
func languages() []string {
	var found []string
	for _, path := range []string{"/usr/bin/perl", "/usr/bin/python3"} {
		if _, err := os.Stat(path); err == nil {
			found = append(found, path)
		}
	}
	return append(found, "")
}

// An exit code is what the command gave, and a signal is what ended it, as on the server's own machine.
func TestScriptTellsExitCodesFromSignals(t *testing.T) {
	for name, shell := range shells(t) {
		for _, language := range languages() {
			for _, tc := range []struct {
				command      string
				code, signal int
			}{
				{"exit 143", 143, 0},
				{"exit 170", 170, 0},
				{"exit 129", 129, 0},
				{"exit 192", 192, 0},
				{"exit 255", 255, 0},
				{"exit 128", 128, 0},
				{"exit 1", 1, 0},
				{"sh -c 'kill -9 $$'; exit $?", 137, 0},
				{"kill -TERM $$", -1, 15},
				{"kill -KILL $$", -1, 9},
				{"kill -PIPE $$", -1, 13},
				{"kill -USR1 $$", -1, 10},
				{"kill -XFSZ $$", -1, 25},
				{"kill -INT $$", -1, 2},
				{"kill -34 $$", -1, 34},
				{"read _ && exit 9; test ! -t 0 && exit 200", 200, 0}, // there is nothing to read
			} {
				t.Run(name+" "+filepath.Base(language)+" "+plainName(tc.command), func(t *testing.T) {
					a := newAttempt(t)
					ready(t, a, command("/bin/bash", "-c", tc.command))
					onlyProgram(t, a, language)
					exitOf(t, runScript(t, shell, a, "5"))
					code, signal := tc.code, tc.signal
					if language == "" && code > 128 && code <= 192 { // where only a shell can tell, it tells of a signal
						code, signal = -1, code-128
					}
					r := look(a, nil).record
					if r == nil || r.Code != code || r.Signal != signal || r.Reason != "" {
						log, _ := os.ReadFile(filepath.Join(a.Path(), logName))
						t.Fatalf("record = %+v, want code %d, signal %d; %s", r, code, signal, log)
					}
					left, err := filepath.Glob(filepath.Join(a.Path(), ".[!.]*"))
					if err != nil || len(left) > 0 {
						t.Errorf("left behind are %q, %v", left, err)
					}
				})
			}
		}
	}
}

// Whatever is between the script and the command, the command is asked to end, and waited for.
func TestScriptWaitsForACommandThatWasAskedToEnd(t *testing.T) {
	// What was started with a signal ignored, as by nohup, hands that on, and no shell can trap it then.
	caught := make(chan os.Signal, 1)
	signals.Notify(caught, syscall.SIGHUP)
	t.Cleanup(func() { signals.Stop(caught) })
	for name, shell := range shells(t) {
		for _, language := range languages() {
			for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGHUP} {
				t.Run(name+" "+filepath.Base(language)+" "+sig.String(), func(t *testing.T) {
					a := newAttempt(t)
					if err := syscall.Mkfifo(filepath.Join(a.OutputPath(), "hold"), 0o600); err != nil {
						t.Fatal(err)
					}
					ready(t, a, command("/bin/sh", "-c", "trap 'echo cleaned >cleaned; exit 143' TERM USR1 HUP; echo ready; while :; do read _ <hold; done"))
					onlyProgram(t, a, language)
					cmd := runScript(t, shell, a, "9")
					if err := cmd.Start(); err != nil {
						t.Fatal(err)
					}
					untilLogged(t, a, "ready")
					group := -cmd.Process.Pid
					if sig != syscall.SIGTERM { // of these the script knows nothing: Slurm sends them to the steps of a job alone
						group = childOf(t, cmd.Process.Pid, "trap")
					}
					if err := syscall.Kill(group, sig); err != nil {
						t.Fatal(err)
					}
					_ = cmd.Wait()
					r := look(a, nil).record
					if r == nil || r.Terminated != (sig == syscall.SIGTERM) {
						t.Fatalf("record = %+v", r)
					}
					if language != "" && (r.Code != 143 || r.Signal != 0) {
						t.Errorf("record = %+v", r)
					}
					if sig == syscall.SIGTERM && !r.cut() {
						t.Errorf("a command that was asked to end counts as one that came to its end: %+v", r)
					}
					if _, err := os.Stat(filepath.Join(a.OutputPath(), "cleaned")); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// plainName is a command without what a shell would look at, for the names of folders.
func plainName(command string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("$;&'!?", r) {
			return -1
		}
		return r
	}, command)
}

// childOf is the process below another whose command line has a word.
func childOf(t *testing.T, pid int, word string) int {
	t.Helper()
	found := 0
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		line, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(line), word) {
			continue
		}
		other, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		if group, err := syscall.Getpgid(other); err == nil && group == pid {
			found = other
		}
	}
	if found == 0 {
		t.Fatal(errors.New("the command is not there"))
	}
	return found
}

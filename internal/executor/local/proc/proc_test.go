//go:build linux

package proc

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseStat(t *testing.T) {
	line := "4242 (evil) Z (name) R 17 4200 4100 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 2000\n"
	p, err := parseStat([]byte(line))
	want := Process{PID: 4242, Parent: 17, Group: 4200, Session: 4100, Birth: 987654}
	if err != nil || p != want {
		t.Errorf("parseStat() = %+v, %v; want %+v", p, err, want)
	}
	if p, err := parseStat([]byte(strings.Replace(line, ") R", ") Z", 1))); err != nil || !p.Zombie {
		t.Errorf("parseStat() of a zombie = %+v, %v", p, err)
	}
	threads := strings.Replace(line, ") R", ") Z", 1)
	threads = strings.Replace(threads, " 20 0 1 0 ", " 20 0 2 0 ", 1)
	if p, err := parseStat([]byte(threads)); err != nil || p.Zombie || !p.headless {
		t.Errorf("parseStat() of a process whose first thread has ended = %+v, %v", p, err)
	}
	for _, bad := range []string{"", "1", "1 (x)", "1 (x) R 1 2", "x (y) R" + strings.Repeat(" 1", 30), "1 (y) R" + strings.Repeat(" x", 30)} {
		if p, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("parseStat(%q) = %+v", bad, p)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("4242 (a b) R 17 4200 4100 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000\n"))
	f.Add([]byte(") ("))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := parseStat(data); err != nil && p != (Process{}) {
			t.Fatalf("an error with the process %+v", p)
		}
	})
}

func TestSelfIsAProcess(t *testing.T) {
	self, err := Read(os.Getpid())
	if err != nil || self.Parent != os.Getppid() || self.Group != unix.Getpgrp() || self.Birth == 0 {
		t.Errorf("Read() = %+v, %v", self, err)
	}
	if args := self.Args(); len(args) != len(os.Args) || args[0] != os.Args[0] {
		t.Errorf("Args() = %q, want %q", args, os.Args)
	}
	if env := os.Environ(); len(env) > 0 && (!self.HasEnv(env[0]) || self.HasEnv("STINT_NO_SUCH_VARIABLE=1") || self.HasEnv(env[0][1:])) {
		t.Error("HasEnv() does not see the environment as it is")
	}
	if _, err := Read(1 << 30); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read() of no process = %v", err)
	}
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, p := range all {
		found = found || p.PID == self.PID && p.Birth == self.Birth
	}
	if !found {
		t.Errorf("%d processes, this one not among them", len(all))
	}
}

// headlessVariable has the test binary be a process whose first thread ends while another runs.
const headlessVariable = "STINT_TEST_HEADLESS"

func init() { //nolint:gochecknoinits // only here is it known which thread this is
	if os.Getenv(headlessVariable) == "" {
		return
	}
	go func() {
		for p := (Process{}); !p.headless; {
			p, _ = Read(os.Getpid())
		}
		_, _ = os.Stdout.WriteString("ready\n")
		_, _ = io.Copy(io.Discard, os.Stdin)
		unix.Exit(0)
	}()
	_, _, _ = unix.Syscall(unix.SYS_EXIT, 0, 0, 0) // of this thread alone
}

// A process runs as long as any of its threads does.
func TestAProcessWhoseFirstThreadHasEnded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "open")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(os.Args[0], "argument")
	cmd.Env = []string{headlessVariable + "=1"}
	cmd.ExtraFiles = []*os.File{f}
	if _, err := cmd.StdinPipe(); err != nil { // which Wait closes
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("it said %q, %v", line, err)
	}
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(p Process) bool { return p.PID == cmd.Process.Pid })
	if i < 0 {
		t.Fatal("it is not among all processes")
	}
	p := all[i]
	if args := p.Args(); len(args) != 2 || args[1] != "argument" {
		t.Errorf("Args() = %q", args)
	}
	if !p.HasEnv(headlessVariable + "=1") {
		t.Error("HasEnv() does not see its environment")
	}
	if open := p.OpenFiles(filepath.Dir(file)); len(open) != 1 {
		t.Errorf("OpenFiles() = %q", open)
	}
	if err := p.Signal(unix.SIGKILL); err != nil {
		t.Error(err)
	}
	err = cmd.Wait()
	if s, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != unix.SIGKILL {
		t.Errorf("it ended with %v", err)
	}
}

// A pid that another process got meanwhile is not signalled.
func TestSignalHitsTheVeryProcess(t *testing.T) {
	self, err := Read(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	self.Birth++
	if err := self.Signal(unix.SIGKILL); err != nil {
		t.Error(err)
	}
	if err := (Process{PID: 1 << 22, Birth: 1}).Signal(unix.SIGKILL); err != nil {
		t.Error(err)
	}
}

func TestChildren(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "exec 3<&0; /bin/cat <&3 & echo $!; wait")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	got := Children(cmd.Process.Pid)
	if len(got) != 1 || strconv.Itoa(got[0].PID) != strings.TrimSpace(line) || got[0].Parent != cmd.Process.Pid || got[0].Birth == 0 {
		t.Errorf("Children() = %+v, want %s", got, line)
	}
	for _, p := range got {
		if err := p.Signal(unix.SIGKILL); err != nil {
			t.Error(err)
		}
	}
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if got := Children(cmd.Process.Pid); got != nil {
		t.Errorf("Children() of one that has ended = %+v", got)
	}
}

func TestDescendants(t *testing.T) {
	all := []Process{{PID: 1}, {PID: 10, Parent: 1}, {PID: 11, Parent: 10}, {PID: 12, Parent: 11}, {PID: 20, Parent: 1}, {PID: 5, Parent: 12}}
	pids := map[int]bool{}
	for _, p := range WithDescendants(all, func(p Process) bool { return p.PID == 10 || p.PID == 11 }) {
		if pids[p.PID] {
			t.Errorf("%d came twice", p.PID)
		}
		pids[p.PID] = true
	}
	if len(pids) != 4 || pids[1] || pids[20] {
		t.Errorf("descendants = %v", pids)
	}
}

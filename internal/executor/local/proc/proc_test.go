//go:build linux

package proc

import (
	"errors"
	"io/fs"
	"os"
	"strings"
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

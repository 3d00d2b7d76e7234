//go:build linux

package local

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
	want := process{pid: 4242, ppid: 17, group: 4200, session: 4100, birth: 987654}
	if err != nil || p != want {
		t.Errorf("parseStat() = %+v, %v; want %+v", p, err, want)
	}
	if p, err := parseStat([]byte(strings.Replace(line, ") R", ") Z", 1))); err != nil || !p.zombie {
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
		if p, err := parseStat(data); err != nil && p != (process{}) {
			t.Fatalf("an error with the process %+v", p)
		}
	})
}

func TestSelfIsAProcess(t *testing.T) {
	self, err := readProcess(os.Getpid())
	if err != nil || self.ppid != os.Getppid() || self.group != unix.Getpgrp() || self.birth == 0 {
		t.Errorf("readProcess() = %+v, %v", self, err)
	}
	if args := self.args(); len(args) != len(os.Args) || args[0] != os.Args[0] {
		t.Errorf("args() = %q, want %q", args, os.Args)
	}
	if env := os.Environ(); len(env) > 0 && (!self.hasEnv(env[0]) || self.hasEnv("STINT_NO_SUCH_VARIABLE=1") || self.hasEnv(env[0][1:])) {
		t.Error("hasEnv() does not see the environment as it is")
	}
	if _, err := readProcess(1 << 30); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("readProcess() of no process = %v", err)
	}
	all, err := processes()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, p := range all {
		found = found || p.pid == self.pid && p.birth == self.birth
	}
	if !found {
		t.Errorf("%d processes, this one not among them", len(all))
	}
}

// A pid that another process got meanwhile is not signalled.
func TestSignalHitsTheVeryProcess(t *testing.T) {
	self, err := readProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	self.birth++
	if err := self.signal(unix.SIGKILL); err != nil {
		t.Error(err)
	}
	if err := (process{pid: 1 << 22, birth: 1}).signal(unix.SIGKILL); err != nil {
		t.Error(err)
	}
}

func TestDescendants(t *testing.T) {
	all := []process{{pid: 1}, {pid: 10, ppid: 1}, {pid: 11, ppid: 10}, {pid: 12, ppid: 11}, {pid: 20, ppid: 1}, {pid: 5, ppid: 12}}
	pids := map[int]bool{}
	for _, p := range withDescendants(all, func(p process) bool { return p.pid == 10 || p.pid == 11 }) {
		if pids[p.pid] {
			t.Errorf("%d came twice", p.pid)
		}
		pids[p.pid] = true
	}
	if len(pids) != 4 || pids[1] || pids[20] {
		t.Errorf("descendants = %v", pids)
	}
}

func TestHuntTellsSessionsApart(t *testing.T) {
	h := hunt{shim: shimState{PID: 100, Birth: 50, Command: 101}}
	if !h.sessionIsOurs([]process{{pid: 101, session: 100}, {pid: 100, birth: 50}}) {
		t.Error("a session is not ours though nobody else has the number")
	}
	if h.sessionIsOurs([]process{{pid: 101, session: 100}, {pid: 100, birth: 51}}) {
		t.Error("a session is ours though another process got the shim's pid")
	}
	if (&hunt{}).sessionIsOurs(nil) {
		t.Error("a session is ours though no shim is known")
	}
}

func TestOOMKills(t *testing.T) {
	for events, want := range map[string]int{
		"low 0\nhigh 0\nmax 12\noom 1\noom_kill 3\noom_group_kill 1\n": 3,
		"oom 1\noom_kill 0\n": 0,
		"":                    0,
		"oom_kill x\n":        0,
	} {
		if got := oomKills([]byte(events)); got != want {
			t.Errorf("oomKills(%q) = %d, want %d", events, got, want)
		}
	}
}

func TestCgroupsAreTriedNotGuessed(t *testing.T) {
	if c := findCgroup(t.TempDir()); c.path != "" || c.memory || !strings.Contains(c.describe(), "no cgroup of version 2") {
		t.Errorf("a folder that is no cgroup gave %+v", c)
	}
	if c := findCgroup("/stint/no/such/cgroup"); c.path != "" || c.describe() != "memory is accounted, not enforced: no writable cgroup" {
		t.Errorf("a missing folder gave %+v", c)
	}
	c := findCgroup("")
	t.Logf("here: %+v: %s", c, c.describe())
	if c.memory && c.path == "" || !c.memory && c.why == "" {
		t.Errorf("findCgroup() = %+v", c)
	}
}

//go:build linux

package local

import (
	"bufio"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/stint-jobs/stint/internal/executor/local/proc"
	"github.com/stint-jobs/stint/internal/executor/local/shim"
)

func TestHuntTellsSessionsApart(t *testing.T) {
	h := hunt{shim: shim.State{PID: 100, Birth: 50, Command: 101}}
	if !h.sessionIsOurs([]proc.Process{{PID: 101, Session: 100}, {PID: 100, Birth: 50}}) {
		t.Error("a session is not ours though nobody else has the number")
	}
	if h.sessionIsOurs([]proc.Process{{PID: 101, Session: 100}, {PID: 100, Birth: 51}}) {
		t.Error("a session is ours though another process got the shim's pid")
	}
	if (&hunt{}).sessionIsOurs(nil) {
		t.Error("a session is ours though no shim is known")
	}
}

// What was the attempt's once is so until it has ended, whatever it looks like then.
func TestHuntKeepsWhatItFound(t *testing.T) {
	const token = "4d1c9a7be2f05836"
	cmd := exec.Command("/bin/sh", "-c", "echo marked; read line; exec env -i /bin/sh -c 'echo bare; read line'")
	cmd.Env = []string{"PATH=/usr/bin:/bin", shim.MarkerVariable + "=" + token}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(pipe)
	hears := func(want string) {
		t.Helper()
		if line, err := out.ReadString('\n'); err != nil || line != want+"\n" {
			t.Fatalf("it said %q, %v; want %q", line, err, want)
		}
	}
	finds := func(h *hunt, want bool) {
		t.Helper()
		left, err := h.find()
		if err != nil || len(left) > 1 || (len(left) == 1) != want {
			t.Fatalf("find() = %+v, %v; found is to be %v", left, err, want)
		}
	}
	begin := func(s shim.State) *hunt {
		s.Token = token
		h := newHunt(t.TempDir(), t.TempDir(), s)
		return &h
	}
	p, err := proc.Read(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	hears("marked")
	h := begin(shim.State{})
	finds(h, true)
	if _, err := io.WriteString(in, "go on\n"); err != nil {
		t.Fatal(err)
	}
	hears("bare")
	finds(begin(shim.State{}), false)
	finds(h, true)
	finds(begin(shim.State{First: p.PID, FirstBirth: p.Birth}), true)
	finds(begin(shim.State{First: p.PID, FirstBirth: p.Birth + 1}), false)
	h.found[p.PID]++
	finds(h, false)
	h.found[p.PID]--
	in.Close()
	_ = cmd.Wait() // the read of no line is an exit code
	finds(h, false)
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

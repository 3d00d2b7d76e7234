//go:build linux

package local

import (
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

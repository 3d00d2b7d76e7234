//go:build linux

package shim

import "testing"

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

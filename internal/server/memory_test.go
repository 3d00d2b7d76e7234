package server

import (
	"runtime/metrics"
	"testing"
)

func TestGarbageGathersWithTheGoroutines(t *testing.T) {
	for name, c := range map[string]struct {
		goroutines, alive uint64
		want              int
	}{
		"few goroutines":                 {1_100, 52 << 20, 100},
		"many streams, few jobs":         {11_000, 134 << 20, 175},
		"many streams, a million jobs":   {11_000, 270 << 20, 100},
		"more streams than can be":       {1_000_000, 134 << 20, 300},
		"hardly more than for the usual": {11_000, 220 << 20, 100},
	} {
		got := garbagePercent(c.goroutines, c.alive)
		if got != c.want {
			t.Errorf("%s: %d %%, want %d", name, got, c.want)
		}
	}
	known := map[string]bool{}
	for _, d := range metrics.All() {
		known[d.Name] = true
	}
	for _, name := range []string{goroutinesNow, heapAlive, stacksInUse} {
		if !known[name] {
			t.Errorf("this version of Go has no %s", name)
		}
	}
}

func TestTheOperatorTunesTheCollector(t *testing.T) {
	env := map[string]string{}
	look := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	if collectorTuned(look) {
		t.Error("tuned by nobody")
	}
	env["GOMEMLIMIT"] = "1GiB"
	if !collectorTuned(look) {
		t.Error("the operator's limit does not count")
	}
}

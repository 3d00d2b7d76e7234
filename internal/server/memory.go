package server

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// heapFloor is garbage that may always gather before it is collected, however little is alive.
//
// Go collects when the heap has doubled. A server with few jobs has some ten megabytes alive and makes them anew many
// times a second under load: a profile of submits showed an eighth of the processor time in the
// collector. A block that is never touched costs address space and no memory, and counts as alive.
const heapFloor = 32 << 20

// newHeapFloor answers the block, which must be kept for as long as the floor is to hold.
func newHeapFloor() []byte { return make([]byte, heapFloor) }

// collectorTuned reports whether the operator tuned the collector by the variables of Go's runtime, which then count alone.
func collectorTuned(env func(string) (string, bool)) bool {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		if _, ok := env(name); ok {
			return true
		}
	}
	return false
}

const (
	// garbagePerGoroutine may gather for each goroutine. A collection goes over all of their stacks and over what they hold, which takes
	// some 8 us for an open stream (10,000 of them, docs/decisions/0012), so that those who wait make the calls of others dearer.
	garbagePerGoroutine = 24 << 10
	// garbageMost bounds what may gather, in percent of what is alive.
	garbageMost = 300
	// garbageStep is the least change in percent: each stops the program for some 50 us.
	garbageStep = 25
	// garbageEvery is how often the goroutines are counted.
	garbageEvery = 5 * time.Second
	// garbageUsual is Go's own percentage.
	garbageUsual = 100
)

// The names that runtime/metrics has for what counts.
const (
	goroutinesNow = "/sched/goroutines:goroutines"
	heapAlive     = "/gc/heap/live:bytes"
	stacksInUse   = "/gc/scan/stack:bytes"
)

// garbagePercent is how much garbage may gather, in percent of what is alive, in bytes.
func garbagePercent(goroutines, alive uint64) int {
	want := goroutines * garbagePerGoroutine * 100 / max(alive, 1)
	return int(min(max(want, garbageUsual), garbageMost)) / garbageStep * garbageStep
}

// tuneCollector has garbage gather in proportion to the goroutines, until ctx ends.
func tuneCollector(ctx context.Context) {
	defer debug.SetGCPercent(garbageUsual)
	tick := time.NewTicker(garbageEvery)
	defer tick.Stop()
	read := []metrics.Sample{{Name: goroutinesNow}, {Name: heapAlive}, {Name: stacksInUse}}
	for now := garbageUsual; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(read)
		if p := garbagePercent(read[0].Value.Uint64(), read[1].Value.Uint64()+read[2].Value.Uint64()); p != now {
			debug.SetGCPercent(p)
			now = p
		}
	}
}

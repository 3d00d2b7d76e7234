package kv

import (
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// readStep is how much of the file is asked for at a time. The system reads
// at most some megabytes for one call, and a stop should not have to wait.
const readStep = 2 << 20

// readAhead has the system read up to limit bytes of a file in order, into its
// cache, beside what Open does. bbolt tells the system that it reads at random, which
// makes every page of a cold start a read of its own. stop ends the asking and waits for that.
func readAhead(path string, limit int64) (stop func()) {
	f, err := os.Open(path)
	if err != nil {
		return func() {} // Open says what is wrong with it
	}
	if info, err := f.Stat(); err == nil {
		limit = min(limit, info.Size())
	}
	var over atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer f.Close()
		for at := int64(0); at < limit && !over.Load(); at += readStep {
			if unix.Fadvise(int(f.Fd()), at, readStep, unix.FADV_WILLNEED) != nil {
				return // then it is slow
			}
		}
	}()
	return func() {
		over.Store(true)
		<-done
	}
}

package store

import (
	"io"
	"os"
	"sync/atomic"
)

// readAhead begins to read up to most bytes of a file in order, into the
// system's cache, beside what Open does. bbolt tells the system that it reads
// at random, which makes every page of a cold start a read of its own, and a
// start of a million jobs ten times as long. stop ends the reading and waits for that.
func readAhead(path string, most int64) (stop func()) {
	f, err := os.Open(path)
	if err != nil {
		return func() {} // Open says what is wrong with it
	}
	r := &reading{Reader: io.LimitReader(f, most)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, make([]byte, 1<<20))
		_ = f.Close()
	}()
	return func() {
		r.over.Store(true)
		<-done
	}
}

// reading is a reader that can be told to end.
type reading struct {
	io.Reader
	over atomic.Bool
}

// Read is the reader's, until it is over.
func (r *reading) Read(b []byte) (int, error) {
	if r.over.Load() {
		return 0, io.EOF
	}
	return r.Reader.Read(b)
}

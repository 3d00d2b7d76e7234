package gateway

import (
	"net/http"
	"time"
)

// boundedWriter gives a client a bounded time to accept each piece of an
// answer, however long the answer as a whole takes. Between writes there is no
// deadline: a stream may be silent, and HTTP/2 ends a stream whose deadline passes.
type boundedWriter struct {
	http.ResponseWriter

	control *http.ResponseController
	timeout time.Duration
}

// pieceBytes is how much a client must be able to accept within the timeout.
const pieceBytes = 64 << 10

func newBoundedWriter(w http.ResponseWriter, timeout time.Duration) *boundedWriter {
	b := &boundedWriter{ResponseWriter: w, control: http.NewResponseController(w), timeout: timeout}
	// The deadline of the last request on this connection is still set.
	b.clearDeadline()
	return b
}

// Write writes p in pieces, each with a deadline of its own.
func (b *boundedWriter) Write(p []byte) (int, error) {
	written := 0
	for {
		piece := p[written:min(len(p), written+pieceBytes)]
		b.setDeadline()
		n, err := b.ResponseWriter.Write(piece)
		b.clearDeadline()
		written += n
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

// FlushError sends what was written so far.
func (b *boundedWriter) FlushError() error {
	b.setDeadline()
	defer b.clearDeadline()
	return b.control.Flush()
}

// Unwrap lets http.ResponseController reach the connection.
func (b *boundedWriter) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// finish bounds the flush that net/http does after the handler.
func (b *boundedWriter) finish() { b.setDeadline() }

// Writers without deadlines exist in tests only; there is nothing to bound then.
func (b *boundedWriter) setDeadline()   { _ = b.control.SetWriteDeadline(time.Now().Add(b.timeout)) }
func (b *boundedWriter) clearDeadline() { _ = b.control.SetWriteDeadline(time.Time{}) }

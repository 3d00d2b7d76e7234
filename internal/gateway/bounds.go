package gateway

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/stint-jobs/stint/internal/reason"
)

// boundedWriter gives a client a bounded time to accept each piece of an
// answer, however long the answer as a whole takes. Between writes there is no
// deadline: a stream may be silent, and HTTP/2 ends a stream whose deadline passes.
type boundedWriter struct {
	http.ResponseWriter

	control *http.ResponseController
	timeout time.Duration
	// begun is whether the answer has begun.
	begun bool
	// status is the code of the answer.
	status int
}

// pieceBytes is how much a client must be able to accept within the timeout.
const pieceBytes = 64 << 10

func newBoundedWriter(w http.ResponseWriter, timeout time.Duration) *boundedWriter {
	b := &boundedWriter{ResponseWriter: w, control: http.NewResponseController(w), timeout: timeout, status: http.StatusOK}
	// The deadline of the last request on this connection is still set.
	b.clearDeadline()
	return b
}

// WriteHeader begins the answer.
func (b *boundedWriter) WriteHeader(code int) {
	b.begun = b.begun || code >= http.StatusOK
	b.status = code
	b.ResponseWriter.WriteHeader(code)
}

// Write writes p in pieces, each with a deadline of its own.
func (b *boundedWriter) Write(p []byte) (int, error) {
	b.begun = true
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
	b.begun = true
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

// boundedBody bounds the time in which a body arrives: as a whole, or, once
// it is steady, the time it may stand still. Its errors other than io.EOF are
// problems, so that a body that breaks off cannot be mistaken for one that ends.
type boundedBody struct {
	io.ReadCloser

	control *http.ResponseController
	timeout time.Duration
	// steady is whether each read has the whole timeout.
	steady bool
	// deadline is when the connection gives up reading. Zero means never.
	deadline time.Time
}

// lingerTime is how long a client may take to send what is left of a body that
// nobody reads. net/http waits for it before it answers, for clients that
// listen only when they have said everything.
const lingerTime = 5 * time.Second

// newBoundedBody bounds the body of r. A request without one is left alone:
// net/http then reads ahead to see whether the client leaves, and a deadline looks to it as if it did.
func newBoundedBody(w http.ResponseWriter, r *http.Request, timeout time.Duration) *boundedBody {
	b := &boundedBody{ReadCloser: r.Body, control: http.NewResponseController(w), timeout: timeout}
	if r.Body != http.NoBody && r.ContentLength != 0 {
		b.setDeadline(time.Now().Add(timeout))
	}
	return b
}

// Read reads the next bytes of the body.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.steady && !b.deadline.IsZero() {
		b.setDeadline(time.Now().Add(b.timeout))
	}
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		b.setDeadline(time.Time{})
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = newProblem(reason.BodyTimeout, "The body took too long to arrive.")
	case err != nil:
		err = newProblem(reason.BodyIncomplete, "The body ended before its end.")
	}
	return n, err
}

// finish bounds what net/http still reads after the handler.
func (b *boundedBody) finish() {
	if linger := time.Now().Add(lingerTime); b.deadline.After(linger) {
		b.setDeadline(linger)
	}
}

func (b *boundedBody) setDeadline(deadline time.Time) {
	if b.deadline != deadline {
		b.deadline = deadline
		_ = b.control.SetReadDeadline(deadline) // only tests have connections without
	}
}

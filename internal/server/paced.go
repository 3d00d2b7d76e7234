package server

import (
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"sync"

	"google.golang.org/grpc/stats"
)

// grpc.Server.ServeHTTP reads all that a client sends into memory, however slowly its handler takes messages: twenty
// uploads that nobody reads held 1.5 GB. So the body of a gRPC request is read along the heads of its messages, and
// none is begun while several are not taken. The window of HTTP/2 then holds the client back.
const (
	// aheadMessages and aheadBytes are how many messages may be read and not taken, and how large they may be together.
	aheadMessages = 4
	aheadBytes    = 64 << 10
	// messageHead is how long the head of a message is: whether it is compressed, and its length.
	messageHead = 5
)

// pacedBody is the body of a gRPC request that is read no faster than its messages are taken.
type pacedBody struct {
	io.ReadCloser

	left int // of the message that is being read; read by one goroutine

	mu     sync.Mutex
	taken  *sync.Cond // signals that a message was taken, or that the body is closed
	ahead  []int      // sizes of the messages that nobody took yet
	bytes  int        // their sum
	closed bool
}

// pacedKey finds the body in the context of a call.
type pacedKey struct{}

// paced serves gRPC requests whose messages are read as they are taken. The server of h needs the stats handler takenMessages.
func paced(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := &pacedBody{ReadCloser: r.Body}
		body.taken = sync.NewCond(&body.mu)
		defer context.AfterFunc(r.Context(), body.close)()
		r = r.WithContext(context.WithValue(r.Context(), pacedKey{}, body))
		r.Body = body
		h.ServeHTTP(w, r)
	})
}

func (b *pacedBody) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.taken.Broadcast()
}

// Close ends the body, and a Read that waits.
func (b *pacedBody) Close() error {
	b.close()
	return b.ReadCloser.Close()
}

// Read reads the rest of a message, as much as fits, or the head of the next one. gRPC keeps each read in a buffer of 16 KiB,
// however short it is, so reads are as long as they can be.
func (b *pacedBody) Read(p []byte) (int, error) {
	if b.left > 0 {
		n, err := io.ReadFull(b.ReadCloser, p[:min(len(p), b.left)])
		b.left -= n
		return n, err
	}
	if !b.wait() || len(p) < messageHead {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := io.ReadFull(b.ReadCloser, p[:messageHead])
	if err != nil {
		return n, err
	}
	size := binary.BigEndian.Uint32(p[1:messageHead])
	b.mu.Lock()
	defer b.mu.Unlock()
	if size > maxMessage { // gRPC refuses the call by this head
		b.closed = true
		return n, nil
	}
	b.left = int(size)
	b.ahead, b.bytes = append(b.ahead, b.left), b.bytes+b.left
	return n, nil
}

// wait waits until another message may be read, and reports whether the body is still open.
func (b *pacedBody) wait() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for !b.closed && len(b.ahead) > 0 && (len(b.ahead) >= aheadMessages || b.bytes >= aheadBytes) {
		b.taken.Wait()
	}
	return !b.closed
}

// take notes that the handler has the oldest message.
func (b *pacedBody) take() {
	b.mu.Lock()
	if len(b.ahead) > 0 {
		b.bytes, b.ahead = b.bytes-b.ahead[0], b.ahead[1:]
	}
	b.mu.Unlock()
	b.taken.Signal()
}

// takenMessages tells the body of a call that one of its messages was taken.
type takenMessages struct{}

// TagConn does nothing.
func (takenMessages) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (takenMessages) HandleConn(context.Context, stats.ConnStats) {}

// TagRPC does nothing: the body is in the context of the request.
func (takenMessages) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC tells of messages that were taken.
func (takenMessages) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.InPayload); !ok {
		return
	}
	if body, ok := ctx.Value(pacedKey{}).(*pacedBody); ok {
		body.take()
	}
}

package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"

	"golang.org/x/net/http2"
)

// lookedConn is a connection whose first bytes were looked at, and are read again by the server that gets it.
// It has no method ConnectionState: net/http would not look for HTTP/2 on a connection that has.
type lookedConn struct {
	net.Conn

	again io.Reader            // what was looked at, and then the connection itself; nil once it was read
	seen  *bytes.Reader        // the part that was looked at
	acks  *ackFilter           // nil for what was not greeted
	state *tls.ConnectionState // nil for plaintext
}

// newLookedConn makes a connection of which seen was read.
func newLookedConn(conn net.Conn, seen []byte) *lookedConn {
	c := &lookedConn{Conn: conn, seen: bytes.NewReader(seen)}
	c.again = io.MultiReader(c.seen, conn)
	if secure, ok := conn.(*tls.Conn); ok {
		state := secure.ConnectionState()
		c.state = &state
	}
	return c
}

// withoutAck leaves out the first acknowledgement of SETTINGS.
func (c *lookedConn) withoutAck() *lookedConn {
	c.acks = &ackFilter{from: c.again, left: len(http2.ClientPreface)}
	c.again = c.acks
	return c
}

// Read gives the bytes that were looked at, then those of the connection.
func (c *lookedConn) Read(p []byte) (int, error) {
	if c.again == nil {
		return c.Conn.Read(p)
	}
	n, err := c.again.Read(p)
	if c.seen.Len() == 0 && (c.acks == nil || c.acks.done && c.acks.left == 0 && len(c.acks.kept) == 0) {
		c.again, c.seen, c.acks = nil, nil, nil // most of the memory that the connection had
	}
	return n, err
}

// stateKey finds the TLS state of a connection that net/http does not know to have one.
type stateKey struct{}

// withState puts the TLS state of a connection that was looked at into the context of its requests.
func withState(ctx context.Context, conn net.Conn) context.Context {
	if looked, ok := conn.(*lookedConn); ok && looked.state != nil {
		return context.WithValue(ctx, stateKey{}, looked.state)
	}
	return ctx
}

// knowTLS gives requests the TLS state that withState found.
func knowTLS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if state, ok := r.Context().Value(stateKey{}).(*tls.ConnectionState); ok {
			r.TLS = state
		}
		next.ServeHTTP(w, r)
	})
}

package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/limit"
)

// front gives requests the address of their client.
func (l *limits) front(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = l.proxies.request(r)
		if c, ok := r.Context().Value(connKey{}).(*countedConn); ok {
			defer c.settle()
			if (r.Method == http.MethodPut || r.Method == http.MethodPatch) && r.Body != http.NoBody { // an upload is stored as it comes
				r = r.WithContext(r.Context()) // a copy: net/http goes on with its own
				r.Body = &paidBody{ReadCloser: r.Body, conn: c}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// payAsRead serves gRPC calls whose messages are made use of as they are read: an upload may be as long as it likes.
func (l *limits) payAsRead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*countedConn); ok {
			r.Body = &paidBody{ReadCloser: r.Body, conn: c}
		}
		next.ServeHTTP(w, r)
	})
}

// admitRequest holds addresses to their limit, for requests that come through front: all of
// them, for also one that never becomes a call costs the reading of its body.
func (l *limits) admitRequest(r *http.Request) (wait time.Duration, ok bool) {
	addr, _ := parseHost(r.RemoteAddr)
	if !byAddress(addr) {
		return 0, true
	}
	return l.takeAddress(limit.Network(addr))
}

// authenticate is next for a request that is no call: bad credentials count for their address like those of calls.
func (l *limits) authenticate(r *http.Request, next func() (auth.Principal, error)) (auth.Principal, error) {
	p, err := next()
	if addr, _ := parseHost(r.RemoteAddr); byAddress(addr) {
		err = l.signedIn(limit.Network(addr), err)
	}
	return p, err
}

// connKey finds the connection in the context of a request.
type connKey struct{}

// withConn puts the connection of requests, and the state of its TLS, into their context.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	ctx = withState(ctx, conn)
	if addr, ok := conn.RemoteAddr().(*connAddr); ok {
		return context.WithValue(ctx, connKey{}, addr.conn)
	}
	return ctx
}

// settle notes that nothing is held of what came, for the request is answered.
func (c *countedConn) settle() { c.pay(c.owed.Load()) }

// paidBody is a body that is made use of as it is read.
type paidBody struct {
	io.ReadCloser

	conn *countedConn
}

// Read reads the next bytes.
func (b *paidBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.conn.pay(int64(n))
	return n, err
}

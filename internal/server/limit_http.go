package server

import (
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stint-jobs/stint/internal/limit"
)

// front gives requests the address of their client, and holds addresses to
// their limit for what is not of the API: the API's requests are counted as calls.
func (l *limits) front(prefix string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, addr := l.proxies.request(r)
		if byAddress(addr) && !strings.HasPrefix(strings.TrimPrefix(r.URL.Path, prefix), "/v1/") {
			if wait, ok := l.requests.Take(limit.Network(addr)); !ok {
				l.refused[addressRate].Add(1)
				tooFast(w, wait)
				return
			}
		}
		if c, ok := r.Context().Value(connKey{}).(*countedConn); ok {
			defer c.settle()
			if r.Method == http.MethodPut && r.Body != http.NoBody { // an upload is stored as it comes
				r = r.WithContext(r.Context()) // a copy: net/http goes on with its own
				r.Body = &paidBody{ReadCloser: r.Body, conn: c}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// connKey finds the connection in the context of a request.
type connKey struct{}

// withConn puts the connection of requests into their context.
func withConn(ctx context.Context, conn net.Conn) context.Context {
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

func tooFast(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	http.Error(w, "Too many requests come from your address.", http.StatusTooManyRequests)
}

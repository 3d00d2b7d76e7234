package e2e_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"testing"
	"time"
)

// idleMemory is what a connection may take of the server's memory, in MB, that says nothing: as
// much as its buffers and goroutines have.
const idleMemory = 0.1

// Connections that have nothing to say hold little, whatever they spoke before, and others are
// served beside them.
func TestIdleConnectionsHoldLittle(t *testing.T) {
	const each = 100
	a := newAuthority(t)
	secure, _ := newTLSServer(t, a, "")
	behindTLS := &hostile{server: secure}
	behindTLS.unslowed(t)
	h := newHostile(t, "--max-requests-per-user", "0")
	h.unslowed(t)
	overTLS := func(protocols ...string) func() *wire {
		return func() *wire {
			config := a.client("")
			config.NextProtos = protocols
			conn, err := tls.Dial("tcp", secure.address, config)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			return &wire{Conn: conn, TB: t}
		}
	}
	for name, c := range map[string]struct {
		server *hostile
		dial   func() *wire
	}{
		"that said nothing": {h, func() *wire { return h.dial(t) }},
		"after a request over HTTP/1.1": {h, func() *wire {
			w := h.dial(t)
			w.answered(t, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
			return w
		}},
		"after SETTINGS of HTTP/2": {h, func() *wire { return h.dialHTTP2(t) }},
		"after a request over HTTP/2": {h, func() *wire {
			w := h.dialHTTP2(t)
			w.send(frame(frameHeaders, endHeaders|endStream, 1, headers(":method", "GET", ":scheme", "http", ":path", "/healthz", ":authority", "x")))
			w.ended(t, 1)
			return w
		}},
		"after a call of a gRPC library": {h, func() *wire {
			library := *h
			library.likeLibrary = true
			w := library.dialHTTP2(t)
			w.send(append(frame(frameHeaders, endHeaders, 1, grpcCall("/grpc.health.v1.Health/Check", "")), frame(frameData, endStream, 1, message(0, nil))...))
			w.ended(t, 1)
			return w
		}},
		"after a handshake of TLS":       {behindTLS, overTLS("h2", "http/1.1")},
		"after a handshake for http/1.1": {behindTLS, overTLS("http/1.1")},
	} {
		t.Run(name, func(t *testing.T) {
			before := c.server.settle()
			for range each {
				c.dial()
			}
			now := c.server.settle()
			took := (now - before) / each
			if t.Logf("%.0f kB each of %d", 1024*took, each); took > idleMemory {
				t.Errorf("%.2f MB each of %d, may be %.2f", took, each, idleMemory)
			}
		})
	}
	h.well(t)
}

// answered sends a request over HTTP/1.1 and reads its response whole.
func (w *wire) answered(t *testing.T, request string) {
	t.Helper()
	w.send([]byte(request))
	resp, err := http.ReadResponse(bufio.NewReader(w), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v", resp.Status, err)
	}
}

// ended reads until a stream of HTTP/2 ends, and its connection does not.
func (w *wire) ended(t *testing.T, stream uint32) {
	t.Helper()
	if err := w.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for {
		f, err := w.frame()
		if err != nil {
			t.Fatal(err)
		}
		if f.kind == frameGoAway {
			t.Fatalf("the connection was ended: %q", f.payload)
		}
		if f.stream == stream && f.flags&endStream != 0 && (f.kind == frameHeaders || f.kind == frameData) {
			return
		}
	}
}

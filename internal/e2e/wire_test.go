package e2e_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"
)

// Frames of HTTP/2 (RFC 9113, section 6), to be written by hand.
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameRST          = 0x3
	frameSettings     = 0x4
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindow       = 0x8
	frameContinuation = 0x9

	endStream  = 0x1
	endHeaders = 0x4

	settingsAck = 0x1
)

const http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// wire is a connection on which a test writes what no client would.
type wire struct {
	net.Conn
	testing.TB
}

// dial opens one that gives up after a while.
func (h *hostile) dial(tb testing.TB) *wire {
	tb.Helper()
	conn, err := net.Dial("tcp", h.address)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(40 * time.Second)); err != nil {
		tb.Fatal(err)
	}
	return &wire{Conn: conn, TB: tb}
}

// dialHTTP2 opens one and agrees on HTTP/2 with settings of the test's.
func (h *hostile) dialHTTP2(tb testing.TB, settings ...byte) *wire {
	tb.Helper()
	w := h.dial(tb)
	w.send(append([]byte(http2Preface), frame(frameSettings, 0, 0, settings)...))
	if h.likeLibrary {
		if f, err := w.frame(); err != nil || f.kind != frameSettings {
			tb.Fatalf("the server's first frame: %+v, %v", f, err)
		}
		w.send(frame(frameSettings, settingsAck, 0, nil))
	}
	return w
}

// send writes all of b; a server that no longer listens ends the test.
func (w *wire) send(b []byte) {
	w.Helper()
	if _, err := w.Write(b); err != nil {
		w.Fatal(err)
	}
}

// frame is one frame, however wrong.
func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind)) //nolint:gosec // small
	b = append(b, flags)
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

// received is a frame that came.
type receivedFrame struct {
	kind, flags byte
	stream      uint32
	payload     []byte
}

func (w *wire) frame() (receivedFrame, error) {
	var head [9]byte
	if _, err := io.ReadFull(w, head[:]); err != nil {
		return receivedFrame{}, err
	}
	f := receivedFrame{kind: head[3], flags: head[4], stream: binary.BigEndian.Uint32(head[5:])}
	f.payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	_, err := io.ReadFull(w, f.payload)
	return f, err
}

// ends reads until the server ends the connection, and answers the last word if it had one. A server that lets it be fails the test.
func (w *wire) ends() (goAway string) {
	w.Helper()
	for {
		f, err := w.frame()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			w.Error("the server did not end the connection")
			return goAway
		case err != nil:
			return goAway
		case f.kind == frameGoAway && len(f.payload) >= 8:
			goAway = fmt.Sprintf("%d %s", binary.BigEndian.Uint32(f.payload[4:]), f.payload[8:])
		}
	}
}

// headers is a block of fields: name, value, name, value.
func headers(fields ...string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for n := 0; n+1 < len(fields); n += 2 {
		// Sensitive fields are in no table, so that blocks can be sent again.
		_ = e.WriteField(hpack.HeaderField{Name: fields[n], Value: fields[n+1], Sensitive: true})
	}
	return b.Bytes()
}

// call begins a gRPC call.
func grpcCall(method, token string, more ...string) []byte {
	fields := []string{":method", "POST", ":scheme", "http", ":path", method, ":authority", "x", "content-type", "application/grpc", "te", "trailers", "user-agent", "grpc-attack/1"}
	if token != "" {
		fields = append(fields, "authorization", "Bearer "+token)
	}
	return headers(append(fields, more...)...)
}

// message is a gRPC message of which body is sent, and size is claimed.
func message(size uint32, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, size), body...)
}

// status reads until the call of a stream ends, and answers its code and message.
func (w *wire) status(stream uint32) string {
	w.Helper()
	d := hpack.NewDecoder(4096, nil)
	for {
		f, err := w.frame()
		if err != nil {
			return "connection ended: " + err.Error()
		}
		switch {
		case f.kind == frameHeaders:
			fields, err := d.DecodeFull(f.payload) // of all streams: they share a table
			if err != nil {
				w.Fatal(err)
			}
			said := make(map[string]string)
			for _, field := range fields {
				said[field.Name] = field.Value
			}
			if f.stream == stream && f.flags&endStream != 0 {
				return said["grpc-status"] + " " + said["grpc-message"]
			}
		case f.kind == frameRST && f.stream == stream:
			return "reset " + strconv.Itoa(int(binary.BigEndian.Uint32(f.payload)))
		case f.kind == frameGoAway:
			return "go away"
		}
	}
}

// levels are what a server uses.
type levels struct{ files, goroutines, anonymous float64 }

// now reads them.
func (h *hostile) now() levels {
	h.Helper()
	return levels{h.metric("process_open_fds"), h.metric("go_goroutines"), h.anonymous()}
}

// anonymous is the memory of the server itself in MB, without files that it has mapped.
func (h *hostile) anonymous() float64 {
	h.Helper()
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(h.cmd.Process.Pid), "status"))
	if err != nil {
		h.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "RssAnon:")
	kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		h.Fatal(err)
	}
	return kb / 1024
}

package siege

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// wireTimeout is how long an attacker waits for the end of a connection.
const wireTimeout = 30 * time.Second

// slowConnections are held without saying all that they began to say, or without reading. The oldest
// of them make room for new ones.
func slowConnections(w *worker) func(context.Context) {
	const most = 200
	get := func(path string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer " + w.token() + "\r\n\r\n"
	}
	begins := []string{
		"", "G", "GET /v1/jobs HTTP/1.1\r\nHost: x\r\nA: ", http2.ClientPreface[:10], http2.ClientPreface,
		"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nAuthorization: Bearer " + w.token() + "\r\n\r\n" + strings.Repeat(" ", 100_000),
		get("/v1/jobs:watch"), get("/v1/jobs?pageSize=1000&view=JOB_VIEW_FULL"),
	}
	n := 0
	return func(ctx context.Context) {
		c, err := w.dial(ctx)
		if err != nil {
			w.unseen()
			return
		}
		n++
		_ = c.SetWriteDeadline(time.Now().Add(wireTimeout))
		_, _ = c.Write([]byte(begins[n%len(begins)]))
		w.unseen()
		if w.open = append(w.open, c); len(w.open) > most {
			_ = w.open[0].Close()
			w.open = w.open[1:]
		}
	}
}

// brokenConnections say what makes no sense, and are broken off in the middle of what does.
func brokenConnections(w *worker) func(context.Context) {
	whole := "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\nAuthorization: Bearer " + w.token() + "\r\n\r\n{\"job\":{}}"
	says := []string{
		"\x00\x01\x02\x03", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00", whole, whole[:40],
		http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + strings.Repeat("\xff", 100),
		http2.ClientPreface + "\xff\xff\xff\x00\x00\x00\x00\x00\x01",
		"GET /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nzz",
	}
	n := 0
	return func(ctx context.Context) {
		c, err := w.dial(ctx)
		if err != nil {
			w.unseen()
			return
		}
		n++
		_, _ = c.Write([]byte(says[n%len(says)]))
		if tcp, ok := c.(*net.TCPConn); ok && n%2 == 0 {
			_ = tcp.SetLinger(0) // a reset in the place of an end
		}
		_ = c.Close()
		w.unseen()
	}
}

// resetStreams opens streams over HTTP/2 and resets them at once.
func resetStreams(w *worker) func(context.Context) {
	const streams = 100
	block := &bytes.Buffer{}
	fields := [][2]string{
		{":method", "POST"},
		{":scheme", "http"},
		{":path", "/stint.jobs.v1.JobService/WatchStatus"},
		{":authority", "x"},
		{"content-type", "application/grpc"},
		{"te", "trailers"},
		{"authorization", "Bearer " + w.token()},
	}
	encoder := hpack.NewEncoder(block)
	for _, f := range fields {
		_ = encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1], Sensitive: true}) // a buffer takes all
	}
	return func(ctx context.Context) {
		c, err := w.dial(ctx)
		if err != nil {
			w.unseen()
			return
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(wireTimeout))
		go func() { _, _ = io.Copy(io.Discard, c) }() // what the server says must not fill the connection
		out := bytes.NewBufferString(http2.ClientPreface)
		f := http2.NewFramer(out, nil)
		_ = f.WriteSettings()
		for n := range uint32(streams) {
			id := 2*n + 1
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true})
			_ = f.WriteData(id, true, binary.BigEndian.AppendUint32([]byte{0}, 0))
			_ = f.WriteRSTStream(id, http2.ErrCodeCancel)
		}
		_, _ = c.Write(out.Bytes())
		for range streams {
			w.unseen()
		}
	}
}

// manyConnections opens connections from one address until the server ends them at once.
func manyConnections(w *worker) func(context.Context) {
	return func(ctx context.Context) {
		c, err := w.dialFrom(ctx, 1+w.number)
		if err != nil {
			w.unseen()
			return
		}
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			_ = c.Close()
			w.turnedAway()
			for _, c := range w.open[:len(w.open)/2] { // so that it can be tried again
				_ = c.Close()
			}
			w.open = w.open[len(w.open)/2:]
			return
		}
		w.served()
		w.open = append(w.open, c)
	}
}

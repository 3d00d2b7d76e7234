package e2e_test

import (
	"bytes"
	zip "compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
)

const watchMethod = "/stint.jobs.v1.JobService/WatchStatus"

// Frames that break the protocol end the connection, and nothing else.
func attackMalformedFrames(t *testing.T, h *hostile) {
	t.Helper()
	huge := frame(frameData, 0, 1, nil)
	huge[0], huge[1], huge[2] = 0xff, 0xff, 0xff
	ask := grpcCall(watchMethod, "")
	var all sync.WaitGroup
	for name, b := range map[string][]byte{
		"a frame of 16 MB":             huge,
		"data of no stream":            frame(frameData, 0, 0, []byte("x")),
		"headers of no stream":         frame(frameHeaders, endHeaders, 0, ask),
		"headers of a server's stream": frame(frameHeaders, endHeaders, 2, ask),
		"settings of half a setting":   frame(frameSettings, 0, 0, []byte{0, 4, 0}),
		"a ping of three bytes":        frame(framePing, 0, 0, []byte{1, 2, 3}),
		"a window of nothing":          frame(frameWindow, 0, 0, make([]byte, 4)),
		"a continuation of nothing":    frame(frameContinuation, endHeaders, 1, ask),
		"headers that are no HPACK":    frame(frameHeaders, endHeaders, 1, []byte(strings.Repeat("\xff", 100))),
		"headers between headers":      append(frame(frameHeaders, 0, 1, ask), frame(frameHeaders, endHeaders, 3, ask)...),
		"an old stream":                append(frame(frameHeaders, endHeaders, 5, ask), frame(frameHeaders, endHeaders, 3, ask)...),
		"no frames":                    []byte(strings.Repeat("GET / HTTP/1.1\r\n", 2000)),
		"a window of too much":         append(frame(frameWindow, 0, 0, []byte{0x7f, 0xff, 0xff, 0xff}), frame(frameWindow, 0, 0, []byte{0x7f, 0xff, 0xff, 0xff})...),
	} {
		if strings.HasPrefix(name, "a window of too much") {
			// The server need not count what a client lets it send; it must live.
			h.dialHTTP2(t).send(b)
			continue
		}
		w := h.dialHTTP2(t)
		w.send(b)
		all.Go(func() {
			if last := w.ends(); last != "" {
				t.Logf("%s: %s", name, last)
			}
		})
	}
	all.Wait()
}

// allSaid is the PING of a flood behind which nothing comes. A server that acknowledges it has read the flood and let it pass.
const allSaid = "all said"

var errAllRead = errors.New("the server has read the flood")

// flood writes until the server ends the connection, or at most n times, and returns how many bytes went out and whether
// the server ended it. What it has not read yet when all is written, it may still end the connection for.
func (w *wire) flood(n int, next func(n int) []byte) (sent int, ended bool) {
	w.Helper()
	end := make(chan error, 1)
	go func() { // what the server says is of no interest, but it must be able to say it
		for {
			f, err := w.frame()
			if err == nil && f.kind == framePing && f.flags&settingsAck != 0 && string(f.payload) == allSaid {
				err = errAllRead
			}
			if err != nil {
				end <- err
				return
			}
		}
	}()
	for n := range n {
		b := next(n)
		if _, err := w.Write(b); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				w.Error("the server neither reads nor ends the connection")
			}
			return sent, true
		}
		sent += len(b)
	}
	err := <-end
	return sent, !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, errAllRead)
}

// Headers that never end are not collected (CVE-2023-45288 and its kin).
func attackContinuation(t *testing.T, h *hostile) {
	t.Helper()
	w := h.dialHTTP2(t)
	w.send(frame(frameHeaders, 0, 1, grpcCall(watchMethod, "")))
	block := headers("a", strings.Repeat("a", 8<<10))
	sent, ended := w.flood(20_000, func(int) []byte { return frame(frameContinuation, 0, 1, block) })
	if !ended {
		t.Errorf("all of %d MB of headers were read", sent>>20)
	}
	t.Logf("ended after at most %d kB", sent>>10)
}

// A block of headers that is short on the wire and long in memory is refused (an HPACK bomb).
func attackHeaderBomb(t *testing.T, h *hostile) {
	t.Helper()
	w := h.dialHTTP2(t)
	// A literal that goes into the table (RFC 7541, 6.2.1), and then its index (6.1), again and again.
	bomb := append([]byte{0x40, 1, 'b', 0x7f, 0x80 | (3900-127)&0x7f, (3900 - 127) >> 7}, strings.Repeat("x", 3900)...)
	bomb = append(bomb, strings.Repeat("\xbe", 10_000)...) // 40 MB
	w.send(frame(frameHeaders, endHeaders, 1, append(grpcCall(watchMethod, h.token["ann"]), bomb...)))
	if got := w.status(1); !strings.HasPrefix(got, "reset") && !strings.HasPrefix(got, "go away") && !strings.HasPrefix(got, "8") {
		t.Errorf("answered %q", got)
	} else {
		t.Logf("answered %q", got)
	}
}

// Pings that nobody needs end the connection.
func attackPings(t *testing.T, h *hostile) {
	t.Helper()
	sent, ended := h.dialHTTP2(t).flood(500_000, func(int) []byte { return frame(framePing, 0, 0, make([]byte, 8)) })
	if !ended {
		t.Errorf("%d pings were taken", sent/17)
	}
	t.Logf("ended after at most %d pings", sent/17)
}

// Streams that are opened and reset at once cost no more than calls (CVE-2023-44487), in whichever protocol.
func attackResets(t *testing.T, h *hostile) {
	t.Helper()
	asks := map[string][]byte{"gRPC": grpcCall(watchMethod, h.token["bob"])}
	if !h.likeLibrary { // a connection that begins as a library's has gRPC alone
		bearer := "Bearer " + h.token["bob"]
		for name, media := range map[string]string{"gRPC-Web": "application/grpc-web+proto", "Connect": "application/connect+proto"} {
			asks[name] = headers(":method", "POST", ":scheme", "http", ":path", watchMethod, ":authority", "x", "content-type", media, "authorization", bearer)
		}
		asks["SSE"] = headers(":method", "GET", ":scheme", "http", ":path", "/v1/jobs:watch", ":authority", "x", "accept", "text/event-stream", "authorization", bearer)
		asks["an upload"] = headers(":method", "PUT", ":scheme", "http", ":path", "/v1/workspace/reset?overwrite=true", ":authority", "x", "authorization", bearer)
	}
	for name, ask := range asks {
		before := h.now()
		w := h.dialHTTP2(t)
		const resets = 10_000
		sent, ended := w.flood(resets, func(n int) []byte {
			id := uint32(2*n + 1) //nolint:gosec // small
			b := frame(frameHeaders, endHeaders, id, ask)
			b = append(b, frame(frameData, endStream, id, message(0, nil))...)
			b = append(b, frame(frameRST, 0, id, binary.BigEndian.AppendUint32(nil, 8))...)
			if n == resets-1 {
				b = append(b, frame(framePing, 0, 0, []byte(allSaid))...)
			}
			return b
		})
		during := h.now()
		if more := during.goroutines - before.goroutines; more > 2000 || during.anonymous > mostMemory {
			t.Errorf("%s: %v goroutines more, %.0f MB in memory", name, more, during.anonymous)
		}
		t.Logf("%s: %d kB of calls and resets, ended %v, %v goroutines more", name, sent>>10, ended, during.goroutines-before.goroutines)
		_ = w.Close()
	}
}

// More streams than a connection or a user may have are refused; those that are there go on.
func attackStreams(t *testing.T, h *hostile) {
	t.Helper()
	const streams, most = 1200, 300
	w := h.dialHTTP2(t)
	ask := grpcCall(watchMethod, h.token["bob"])
	go func() {
		for n := range streams {
			id := uint32(2*n + 1) //nolint:gosec // small
			b := append(frame(frameHeaders, endHeaders, id, ask), frame(frameData, endStream, id, message(0, nil))...)
			if _, err := w.Write(b); err != nil {
				return // the test sees it in what comes back
			}
		}
	}()
	ended, talking := make(map[uint32]bool), make(map[uint32]bool)
	for len(ended)+len(talking) < streams {
		f, err := w.frame()
		if err != nil {
			t.Fatalf("%d ended, %d talk: %v", len(ended), len(talking), err)
		}
		switch {
		case f.kind == frameRST, f.kind == frameHeaders && f.flags&endStream != 0:
			ended[f.stream] = true
			delete(talking, f.stream)
		case f.kind == frameData:
			talking[f.stream] = true
			window := binary.BigEndian.AppendUint32(nil, uint32(max(1, len(f.payload)))) //nolint:gosec // small
			if _, err := w.Write(frame(frameWindow, 0, 0, window)); err != nil {
				t.Fatal(err)
			}
		case f.kind == frameGoAway:
			t.Fatalf("the connection was ended: %q", f.payload)
		}
	}
	if len(talking) > most || len(talking) == 0 {
		t.Errorf("%d streams are open, at most %d may be", len(talking), most)
	}
	t.Logf("%d streams are open, %d were refused", len(talking), len(ended))
}

// A message that is too large is refused when it is announced.
func attackHugeMessages(t *testing.T, h *hostile) {
	t.Helper()
	for name, size := range map[string]uint32{"4 GB": 1<<32 - 1, "2 GB": 1 << 31, "4 MB and a byte": 4<<20 + 1} {
		w := h.dialHTTP2(t)
		w.send(append(frame(frameHeaders, endHeaders, 1, grpcCall("/stint.jobs.v1.JobService/Submit", h.token["ann"])), frame(frameData, 0, 1, message(size, []byte("x")))...))
		if got := w.status(1); !strings.HasPrefix(got, "8 ") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Messages of which all but the end comes do not fill the memory, though nobody has signed in for them.
func attackEndlessMessages(t *testing.T, h *hostile) {
	t.Helper()
	const conns, streams = 2, 50
	chunk := make([]byte, 16<<10)
	closed := 0
	for range conns {
		w := h.dialHTTP2(t)
		_, ended := w.flood(streams*(1+(4<<20)/len(chunk)-1), func(n int) []byte {
			id := uint32(2*(n%streams) + 1) //nolint:gosec // small
			switch n / streams {
			case 0:
				return append(frame(frameHeaders, endHeaders, id, grpcCall("/stint.jobs.v1.JobService/Submit", "")), frame(frameData, 0, id, message(4<<20, nil))...)
			default:
				return frame(frameData, 0, id, chunk)
			}
		})
		if ended {
			closed++
		}
		if mb := h.anonymous(); mb > mostMemory {
			t.Errorf("%.0f MB in memory", mb)
		}
	}
	if closed == 0 || h.refusedBy("incomplete") == 0 {
		t.Errorf("%d connections with %d MB were closed", closed, conns*streams*4)
	}
}

// Zeros that are small when compressed are not taken in that form.
func attackCompressed(t *testing.T, h *hostile) {
	t.Helper()
	ctx, cancel := contextFor(h.as("ann"), 20*time.Second)
	defer cancel()
	var out []byte
	err := h.conn.Invoke(ctx, "/stint.jobs.v1.JobService/Submit", make([]byte, 64<<20), &out, grpc.ForceCodec(bytesCodec{}), grpc.UseCompressor(gzip.Name))
	if code := status.Code(err); code != codes.Unimplemented && code != codes.ResourceExhausted {
		t.Errorf("over gRPC: %v", err)
	}
	var bomb bytes.Buffer
	packed := zip.NewWriter(&bomb)
	for range 256 {
		_, _ = packed.Write(make([]byte, 1<<20))
	}
	_ = packed.Close()
	for name, c := range map[string]struct {
		path, body, reason string
		code               int
	}{
		"cut off": {"/v1/jobs", "\x1f\x8b\x08", "MALFORMED_BODY", http.StatusBadRequest},
		"a bomb":  {"/v1/jobs", bomb.String(), "BODY_TOO_LARGE", http.StatusRequestEntityTooLarge},
	} {
		resp, body := h.rest("ann", call{method: "POST", path: c.path, header: map[string]string{"Content-Encoding": "gzip"}, body: strings.NewReader(c.body), length: int64(len(c.body))})
		t.Logf("%s over REST: %s", name, resp.Status)
		refusedAs(t, resp, body, c.code, c.reason)
	}
	// JSON of Connect, which is translated before the gRPC server has it: one such message became 4.2 GB.
	for media, path := range map[string]string{
		"application/json": "/stint.jobs.v1.JobService/BatchSubmit", "application/grpc-web+json": "/stint.jobs.v1.JobService/BatchSubmit",
		"application/connect+json": "/stint.jobs.v1.JobService/WatchStatus",
	} {
		text := bomb.String()
		if media != "application/json" {
			text = string(append(binary.BigEndian.AppendUint32([]byte{1}, uint32(len(text))), text...)) //nolint:gosec // small
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url(path), strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"Content-Type": media, "Content-Encoding": "gzip", "Connect-Content-Encoding": "gzip", "Grpc-Encoding": "gzip", "Authorization": "Bearer " + h.token["ann"]} {
			req.Header.Set(name, value)
		}
		if media != "application/json" {
			req.Header.Del("Content-Encoding")
		}
		before := h.settle()
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		cost := h.highest() - before
		t.Logf("%s: %s, %.0f MB", media, resp.Status, cost)
		if !strings.Contains(string(body)+resp.Header.Get("Grpc-Message"), "larger than this call takes") {
			t.Errorf("%s: %s %.300s", media, resp.Header, body)
		}
		if cost > 64 {
			t.Errorf("%s costs %.0f MB", media, cost)
		}
	}
}

package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func contextFor(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}

// refusedBy reads how often a limit refused something.
func (h *hostile) refusedBy(limit string) float64 {
	h.Helper()
	return h.metric(fmt.Sprintf("stint_refused_total{limit=%q}", limit))
}

// Connections that are slow in every way there is hold up nobody, and do not
// fill the memory; those that never say what they want are closed.
func attackSlow(t *testing.T, h *hostile) {
	t.Helper()
	const each = 50
	big := strings.Repeat("0123456789abcdef", 512<<10) // 8 MB
	if resp, body := h.rest("ann", call{method: http.MethodPut, path: "/v1/workspace/big?overwrite=true", body: strings.NewReader(big), length: int64(len(big))}); resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", resp.Status, body)
	}
	before := h.now()
	get := func(path string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer " + h.token["ann"] + "\r\n\r\n"
	}
	noWindow := []byte{0, 4, 0, 0, 0, 0} // SETTINGS_INITIAL_WINDOW_SIZE 0: nothing may be sent
	kinds := map[string]func() *wire{
		"half a header":   func() *wire { w := h.dial(t); w.send([]byte("GET /v1/jobs HTTP/1.1\r\nHost: x\r\nA: ")); return w },
		"half a preface":  func() *wire { w := h.dial(t); w.send([]byte(http2Preface[:10])); return w },
		"an SSE not read": func() *wire { w := h.dial(t); w.send([]byte(get("/v1/jobs:watch"))); return w },
		"a file not read": func() *wire { w := h.dial(t); w.send([]byte(get("/v1/workspace/big"))); return w },
		"half a body": func() *wire {
			w := h.dial(t)
			w.send([]byte("POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nAuthorization: Bearer " + h.token["ann"] + "\r\n\r\n" + strings.Repeat(" ", 100_000)))
			return w
		},
		"a gRPC not read": func() *wire {
			w := h.dialHTTP2(t, noWindow...)
			w.send(frame(frameHeaders, endHeaders, 1, grpcCall("/stint.workspace.v1.WorkspaceService/Download", h.token["ann"])))
			body := append([]byte{0x0a, 4}, "/big"...)
			w.send(frame(frameData, endStream, 1, message(uint32(len(body)), body))) //nolint:gosec // small
			return w
		},
	}
	open := make(map[string][]*wire)
	for name, dial := range kinds {
		for range each {
			open[name] = append(open[name], dial())
		}
	}
	slowest := time.Duration(0)
	for range 20 { // others do not notice
		begin := time.Now()
		ctx, cancel := contextFor(h.as("bob"), 10*time.Second)
		if _, err := h.jobs().List(ctx, &jobsv1.ListRequest{}); err != nil {
			t.Error(err)
		}
		cancel()
		if resp, body := h.rest("bob", call{path: "/v1/jobs"}); resp.StatusCode != http.StatusOK {
			t.Errorf("%s %s", resp.Status, body)
		}
		slowest = max(slowest, time.Since(begin))
	}
	during := h.now()
	t.Logf("%d slow connections: %+v, before %+v; the slowest of 20 pairs of calls took %s", each*len(kinds), during, before, slowest)
	if during.files-before.files < float64(each*len(kinds)) {
		t.Errorf("only %v connections are open", during.files-before.files)
	}
	if during.anonymous > mostMemory {
		t.Errorf("%.0f MB in memory", during.anonymous)
	}
	for _, name := range []string{"half a header", "half a preface"} {
		for _, w := range open[name] { // within the 40 s that a wire waits
			for buf := make([]byte, 512); ; {
				if _, err := w.Read(buf); err != nil {
					if !strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "reset") {
						t.Fatalf("%s was not closed: %v", name, err)
					}
					break
				}
			}
		}
	}
	for _, conns := range open {
		for _, w := range conns {
			_ = w.Close()
		}
	}
}

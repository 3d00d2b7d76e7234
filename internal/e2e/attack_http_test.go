package e2e_test

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// ask writes a request by hand and reads the code of the answer; 0 when the
// server ended the connection without one.
func (w *wire) ask(request string) int {
	w.Helper()
	go func() { _, _ = io.WriteString(w, request) }() // the server may answer, and close, before it has all
	resp, err := http.ReadResponse(bufio.NewReader(w), nil)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.Error("no answer, and no end of the connection")
	}
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// Headers beyond what is needed are refused before anything is made of them.
func attackHeaders(t *testing.T, h *hostile) {
	t.Helper()
	const begin = "GET /v1/jobs HTTP/1.1\r\nHost: x\r\n"
	for name, c := range map[string]struct {
		request string
		code    int
	}{
		"one huge header":            {begin + "A: " + strings.Repeat("a", 2<<20) + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"very many headers":          {begin + strings.Repeat("A: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 60_000) + "\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"a huge name":                {begin + strings.Repeat("a", 2<<20) + ": a\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"a huge URL":                 {"GET /" + strings.Repeat("a", 2<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"a huge token":               {begin + "Authorization: Bearer " + strings.Repeat("a", 400<<10) + "\r\n\r\n", http.StatusUnauthorized},
		"many headers, but not over": {begin + strings.Repeat("A: a\r\n", 10_000) + "\r\n", http.StatusUnauthorized},
		"a long URL, but not over":   {"GET /v1/" + strings.Repeat("a", 100_000) + " HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusNotFound},
	} {
		if code := h.dial(t).ask(c.request); code != c.code && (c.code != http.StatusRequestHeaderFieldsTooLarge || code != 0) {
			t.Errorf("%s: %d, want %d", name, code, c.code)
		}
	}
}

// What two readers could read differently is no request.
func attackMalformedHTTP(t *testing.T, h *hostile) {
	t.Helper()
	const begin = "POST /v1/jobs HTTP/1.1\r\nHost: x\r\n"
	for name, request := range map[string]string{
		"two lengths":                begin + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
		"a length that is none":      begin + "Content-Length: +2\r\n\r\n{}",
		"a space before the colon":   begin + "Content-Length : 2\r\n\r\n{}",
		"a line that is no header":   begin + "nothing\r\n\r\n",
		"NUL in a header":            begin + "A: \x00\r\n\r\n",
		"no host":                    "GET /v1/jobs HTTP/1.1\r\n\r\n",
		"two hosts":                  "GET /v1/jobs HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"a version of the future":    "GET /v1/jobs HTTP/7.0\r\nHost: x\r\n\r\n",
		"an encoding that is none":   begin + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
		"garbage":                    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no TLS here\r\n\r\n",
		"a header that is continued": begin + " A: x\r\n\r\n",
	} {
		if code := h.dial(t).ask(request); code != 0 && (code < 400 || code > 505) {
			t.Errorf("%s: %d", name, code)
		}
	}
}

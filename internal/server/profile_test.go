package server

import (
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestProfilesAreServedOnTheirSocketAlone asks a server for its profiles the way operators do.
func TestProfilesAreServedOnTheirSocketAlone(t *testing.T) {
	dir := t.TempDir()
	l, err := listenSocket(dir, debugSocketName)
	if err != nil {
		t.Fatal(err)
	}
	h := newProfiles()
	ended := make(chan error, 1)
	go func() { ended <- serveProfiles(h, l) }()
	defer func() {
		_ = h.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(dir, debugSocketName))
	}}}
	for _, c := range []struct {
		path   string
		code   int
		says   string
		method string // GET where it is empty
	}{
		{"/debug/pprof/goroutine?debug=1", http.StatusOK, "goroutine profile: total", ""},
		{"/debug/pprof/heap?debug=1", http.StatusOK, "heap profile", ""},
		{"/debug/pprof/mutex?seconds=1", http.StatusOK, "", ""},
		{"/debug/pprof/block", http.StatusBadRequest, "Say for how long", ""},
		{"/debug/pprof/mutex?seconds=100000", http.StatusBadRequest, "at most 300", ""},
		{"/metrics", http.StatusNotFound, "", ""},
		{"/debug/free", http.StatusOK, "", http.MethodPost},
		{"/debug/free", http.StatusMethodNotAllowed, "", ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), cmp.Or(c.method, http.MethodGet), "http://stintd"+c.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != c.code || !strings.Contains(string(body), c.says) {
			t.Errorf("%s: %d %v: %.200q; want %d and %q", c.path, res.StatusCode, err, body, c.code, c.says)
		}
	}
}

package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
)

func verbAndPath(rule *annotations.HttpRule) (verb, path string) {
	for _, one := range []struct{ verb, path string }{
		{http.MethodGet, rule.GetGet()},
		{http.MethodPut, rule.GetPut()},
		{http.MethodPost, rule.GetPost()},
		{http.MethodDelete, rule.GetDelete()},
		{http.MethodPatch, rule.GetPatch()},
	} {
		if one.path != "" {
			return one.verb, one.path
		}
	}
	return "", ""
}

func unixTransport(path string) http.RoundTripper {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
}

// raw sends a request with a body and returns the status of its answer; 0 when the server hung up on the body.
func (h *hostile) raw(t *testing.T, c routeCall) int {
	t.Helper()
	ctx, cancel := context.WithCancel(h.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, c.verb, h.url(c.path), bytes.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.authorization != "" {
		req.Header.Set("Authorization", c.authorization)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s %s: %v", c.verb, c.path, err)
		}
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

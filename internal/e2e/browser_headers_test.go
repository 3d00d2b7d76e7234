package e2e_test

import (
	"net/http"
	"strings"
	"testing"
)

// What browsers are told with every response, whatever it is: to keep to TLS for a year where the
// server has it, and to keep windows of other origins and the device's sensors away.
func TestEveryResponseTellsBrowsersWhatToHold(t *testing.T) {
	a := newAuthority(t)
	secure, _ := newTLSServer(t, a, "")
	plain := newServer(t, "--auth", "token")
	overTLS, overTCP := newDoor(t, secure, a.client("")), newDoor(t, plain, nil)
	for name, c := range map[string]struct {
		door       *door
		transports []string
		hsts       string
	}{
		"TLS":       {overTLS, []string{"h1", "h2", "both"}, "max-age=31536000"},
		"plaintext": {overTCP, []string{"h1", "h2c"}, ""}, // browsers take no notice there, and a proxy says it itself
	} {
		for _, transport := range c.transports {
			client := c.door.dial(t, transport)
			for _, r := range []struct {
				method, path, media, token string
				status                     int
			}{
				{http.MethodGet, "/", "", "", http.StatusOK},
				{http.MethodGet, "/nothing.js", "", "", http.StatusNotFound},
				{http.MethodGet, "/healthz", "", "", http.StatusOK},
				{http.MethodGet, "/openapi.json", "", "", http.StatusOK},
				{http.MethodGet, "/v1/auth/whoami", "", c.door.token, http.StatusOK},
				{http.MethodGet, "/v1/auth/whoami", "", "", http.StatusUnauthorized},
				{http.MethodGet, "/v1/nothing", "", c.door.token, http.StatusNotFound},
				{http.MethodPost, "/", "", "", http.StatusMethodNotAllowed},
				{http.MethodGet, "/v1/jobs/" + c.door.done + ":watch?untilFinal=true", "", c.door.token, http.StatusOK},
				{http.MethodGet, "/v1/jobs/" + c.door.done + "/logs/stdout", "", c.door.token, http.StatusOK},
				{http.MethodGet, "/metrics", "", "", http.StatusUnauthorized},
				{http.MethodPost, "/stint.auth.v1.AuthService/WhoAmI", "application/json", c.door.token, http.StatusOK},
				{http.MethodPost, "/stint.auth.v1.AuthService/WhoAmI", "application/json", "", http.StatusUnauthorized},
			} {
				req, err := http.NewRequestWithContext(t.Context(), r.method, c.door.base+r.path, strings.NewReader(map[bool]string{true: "{}"}[r.media != ""]))
				if err != nil {
					t.Fatal(err)
				}
				if r.media != "" {
					req.Header.Set("Content-Type", r.media)
				}
				if r.token != "" {
					req.Header.Set("Authorization", "Bearer "+r.token)
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				h := resp.Header
				if resp.StatusCode != r.status {
					t.Errorf("%s over %s, %s %s %s: %s, want %d", name, transport, r.method, r.path, r.media, resp.Status, r.status)
				}
				if h.Get("Strict-Transport-Security") != c.hsts || h.Get("Cross-Origin-Opener-Policy") != "same-origin" ||
					!strings.Contains(h.Get("Permissions-Policy"), "camera=()") || h.Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("%s over %s, %s %s: HSTS %q, COOP %q, Permissions-Policy %q, %q", name, transport, r.method, r.path, h.Get("Strict-Transport-Security"),
						h.Get("Cross-Origin-Opener-Policy"), h.Get("Permissions-Policy"), h.Get("X-Content-Type-Options"))
				}
			}
		}
	}
}

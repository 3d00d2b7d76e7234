package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestALoginIsForTheServerThatItWasMadeFor(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("STINT_TOKEN", "")
	l := &login{Server: "gateway.example.org:8421", Token: "secret", Ends: time.Now().Add(time.Hour)}
	if err := l.write(); err != nil {
		t.Fatal(err)
	}
	for server, want := range map[string]bool{
		"gateway.example.org": true, "https://gateway.example.org:8421": true,
		"gateway.example.org:8422": false, "evil.example:8421": false, "127.0.0.1": false,
	} {
		a := newApp(nil, io.Discard, io.Discard)
		a.link.server = server
		to, err := a.link.target()
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.credentials(to)
		if err != nil || (got != nil) != want {
			t.Errorf("%s gets %v, %v; want a login: %t", server, got, err, want)
		}
	}
}

// Whoever can pose as the issuer gets the user's sign-in.
func TestIssuersThatCannotBeTrusted(t *testing.T) {
	var said string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved/.well-known/openid-configuration" {
			http.Redirect(w, r, "/.well-known/openid-configuration", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, strings.ReplaceAll(said, "SELF", "http://"+r.Host))
	}))
	defer s.Close()
	for what, c := range map[string]struct{ at, said, want string }{
		"plain, elsewhere":         {"http://id.example.org", "", "must be https"},
		"no URL":                   {"id", "", "no URL"},
		"somebody else":            {s.URL, `{"issuer": "https://id.example.org"}`, "there is the issuer https://id.example.org"},
		"a plain address of its":   {s.URL, `{"issuer": "SELF", "token_endpoint": "http://evil.example/token"}`, "must be https"},
		"another plain address":    {s.URL, `{"issuer": "SELF", "device_authorization_endpoint": "http://evil.example/d"}`, "must be https"},
		"what leads elsewhere":     {s.URL + "/moved", `{"issuer": "SELF/moved"}`, "302"},
		"what is no answer at all": {s.URL, "<html>", "read what the issuer says"},
	} {
		said = c.said
		if _, err := findIssuer(t.Context(), c.at); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
	said = `{"issuer": "SELF", "token_endpoint": "SELF/token"}`
	if _, err := findIssuer(t.Context(), s.URL); err != nil {
		t.Error(err)
	}
}

package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
)

// fakeIssuer is an issuer with a device flow, as a script says.
type fakeIssuer struct {
	*httptest.Server
	f *fake

	mu      sync.Mutex
	decided string
	ends    time.Time
	lost    bool
	issued  map[string]string
	revoked string
}

// GetSignInOptions answers that there is the issuer, if there is.
func (f *fake) GetSignInOptions(context.Context, *authv1.GetSignInOptionsRequest) (*authv1.GetSignInOptionsResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.issuer == nil {
		return &authv1.GetSignInOptionsResponse{}, nil
	}
	return &authv1.GetSignInOptionsResponse{OidcIssuer: f.issuer.URL, OidcDeviceClientId: "stint-cli", OidcScopes: []string{"openid"}}, nil
}

func (f *fake) startIssuer() {
	i := &fakeIssuer{f: f, ends: time.Now().Add(time.Hour), issued: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.answer(w, http.StatusOK, map[string]any{
			"issuer": i.URL, "device_authorization_endpoint": i.URL + "/device", "token_endpoint": i.URL + "/token",
			"revocation_endpoint": i.URL + "/revoke", "scopes_supported": []string{"openid", "offline_access"},
		})
	})
	mux.HandleFunc("POST /device", i.device)
	mux.HandleFunc("POST /token", i.exchange)
	mux.HandleFunc("POST /revoke", func(_ http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		i.revoked = r.FormValue("token")
		i.mu.Unlock()
		f.note("revoke " + r.FormValue("token"))
	})
	i.Server = httptest.NewServer(mux)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.issuer = i
}

func (i *fakeIssuer) answer(w http.ResponseWriter, code int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

// decide says what becomes of a sign-in.
func (i *fakeIssuer) decide(what string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch what {
	case "short":
		i.ends = time.Now().Add(-time.Second)
	case "lost":
		i.lost = true
	default:
		i.decided = what
	}
}

func (i *fakeIssuer) device(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("client_id") != "stint-cli" || r.FormValue("scope") != "openid offline_access" {
		i.answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_request"})
		return
	}
	i.f.note("device")
	i.answer(w, http.StatusOK, map[string]any{
		"device_code": "d1", "user_code": "WXYZ-1234", "verification_uri": i.URL + "/enter", "expires_in": 600, "interval": 1,
	})
}

func (i *fakeIssuer) exchange(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	refuse := func(why string) { i.answer(w, http.StatusBadRequest, map[string]any{"error": why}) }
	name := "first"
	switch {
	case r.FormValue("grant_type") == "refresh_token":
		if i.lost || r.FormValue("refresh_token") != "r1" {
			refuse("invalid_grant")
			return
		}
		name, i.ends = "renewed", time.Now().Add(time.Hour)
	case r.FormValue("device_code") != "d1":
		refuse("invalid_grant")
		return
	case i.decided == "":
		i.f.note("poll")
		refuse("authorization_pending")
		return
	case i.decided != "allow":
		refuse(map[string]string{"deny": "access_denied", "expire": "expired_token"}[i.decided])
		return
	}
	claims := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp": %d, "jti": %q}`, i.ends.Unix(), name))
	i.issued[name] = "e30." + claims + ".c2ln"
	i.answer(w, http.StatusOK, map[string]any{"access_token": "opaque", "token_type": "Bearer", "expires_in": 3600, "id_token": i.issued[name], "refresh_token": "r1"})
}

// token is one that was given out.
func (i *fakeIssuer) token(name string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.issued[name]
}

// lastToken is what the last call came with.
func (f *fake) lastToken() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.tokens) == 0 {
		return ""
	}
	return f.tokens[len(f.tokens)-1]
}

package auth

import (
	"errors"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// maxLogoutBody bounds what the issuer sends to tell of a logout.
const maxLogoutBody = jwtMost + 1<<10

// logoutAge is how old a logout token may be. It is for the moment.
const logoutAge = 5 * time.Minute

// backchannel takes in that a user signed out at the issuer, as OpenID Connect Back-Channel Logout 1.0 says, and ends their
// sessions. The issuer itself calls it: it has no cookie, and only the token's signature counts.
func (s *SignIn) backchannel(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxLogoutBody)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form cannot be read", http.StatusBadRequest)
		return
	}
	token, err := s.oidc.verifyLogout(r, r.PostForm.Get("logout_token"))
	if err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, errIssuerDown) {
			status = http.StatusServiceUnavailable
		}
		s.log.Warn("a logout of the issuer was refused", "address", hostOf(r.RemoteAddr), "error", err)
		http.Error(w, "this is not a logout token of the issuer for this server", status)
		return
	}
	// A token that is sent again must not end a session that began since.
	n, err := s.sessions.RevokeOfIssuer(r.Context(), token.Subject, token.SessionID, token.IssuedAt.Add(time.Second))
	if err != nil {
		s.log.Error("sessions of a user who signed out at the issuer were not ended", "error", err)
		http.Error(w, "the sessions could not be ended; try again", http.StatusServiceUnavailable)
		return
	}
	s.log.Info("the issuer ended sessions", "sessions", n)
	w.WriteHeader(http.StatusOK)
}

// verifyLogout checks a logout token: that the issuer made it, a moment ago, for the client of the pages, and that it names
// a user.
func (o *OIDC) verifyLogout(r *http.Request, text string) (*oidc.LogoutToken, error) {
	o.mu.Lock()
	keys := o.keySet
	o.mu.Unlock()
	switch {
	case text == "" || len(text) > jwtMost:
		return nil, errMalformed
	case keys == nil:
		return nil, errIssuerDown
	}
	v := oidc.NewVerifier(o.cfg.Issuer, keys, &oidc.Config{ClientID: o.cfg.ClientID, SupportedSigningAlgs: algorithms})
	token, err := v.VerifyLogout(oidc.ClientContext(r.Context(), o.client), text)
	switch {
	case err != nil:
		return nil, errors.Join(errForged, err)
	case token.Subject == "" && token.SessionID == "":
		return nil, errors.Join(errForged, errors.New("it names nobody"))
	case time.Since(token.IssuedAt) > logoutAge || time.Until(token.IssuedAt) > skew:
		return nil, errors.Join(errForged, errors.New("it is not of this moment"))
	}
	return token, nil
}

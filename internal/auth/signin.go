package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/stint-jobs/stint/internal/job"
)

// Paths at which browsers sign in and out, below the server's own.
const (
	LoginPath    = "/auth/login"
	CallbackPath = "/auth/callback"
	LogoutPath   = "/auth/logout"
	// BackchannelPath is where the issuer reports that users signed out there.
	BackchannelPath = "/auth/backchannel-logout"
	stylePath       = "/auth/page.css"
)

// SignIn signs browsers in and out. It is an http.Handler for the paths above.
type SignIn struct {
	oidc     *OIDC
	sessions *Sessions
	log      *slog.Logger
	seal     sealer
	prefix   string // path that browsers see the server below, without a slash at its end
	secure   bool   // browsers see it under https
	mux      *http.ServeMux
}

// SignInConfig is what SignIn needs.
type SignInConfig struct {
	// OIDC has the client, and the address that browsers see.
	OIDC *OIDC
	// Sessions begin here.
	Sessions *Sessions
	// Key seals what a browser carries while it signs in: 32 secret bytes that stay the same over restarts.
	Key []byte
	// Logger is told of sign-ins that fail for no fault of the user's. Nil discards it.
	Logger *slog.Logger
}

// NewSignIn makes the handler.
func NewSignIn(cfg SignInConfig) (*SignIn, error) {
	public, err := url.Parse(cfg.OIDC.cfg.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("public-url: %w", err)
	}
	seal, err := newSealer(cfg.Key)
	if err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &SignIn{
		oidc: cfg.OIDC, sessions: cfg.Sessions, log: cfg.Logger, seal: seal, mux: http.NewServeMux(),
		prefix: strings.TrimRight(public.Path, "/"), secure: public.Scheme == "https",
	}
	s.mux.HandleFunc("GET "+LoginPath, s.login)
	s.mux.HandleFunc("GET "+CallbackPath, s.callback)
	s.mux.HandleFunc("POST "+LogoutPath, s.logout)
	s.mux.HandleFunc("POST "+BackchannelPath, s.backchannel)
	s.mux.HandleFunc("GET "+stylePath, s.style)
	s.mux.HandleFunc("/auth/", func(w http.ResponseWriter, r *http.Request) { s.fail(w, r, notHere) })
	return s, nil
}

// ServeHTTP answers below /auth/.
func (s *SignIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// What is sent here and what comes back is for this moment alone.
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	s.mux.ServeHTTP(w, r)
}

// attemptLife is how long a browser may take to sign in.
const attemptLife = 10 * time.Minute

// attempt is what a browser carries from login to callback, sealed.
type attempt struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"`
	Return   string    `json:"return"`
	Ends     time.Time `json:"ends"`
}

// client is how this server speaks to the issuer as its client.
func (s *SignIn) client(p *oidc.Provider) *oauth2.Config {
	c := s.oidc.cfg
	return &oauth2.Config{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, Endpoint: p.Endpoint(), Scopes: c.Scopes,
		RedirectURL: strings.TrimRight(c.PublicURL, "/") + CallbackPath,
	}
}

// login sends a browser to the issuer.
func (s *SignIn) login(w http.ResponseWriter, r *http.Request) {
	p, _ := s.oidc.issuer()
	if p == nil {
		s.fail(w, r, issuerDown)
		return
	}
	a := attempt{
		State: randomText(), Nonce: randomText(), Verifier: oauth2.GenerateVerifier(),
		Return: s.localPath(r.URL.Query().Get("return")), Ends: time.Now().Add(attemptLife),
	}
	sealed, err := s.seal.seal(a)
	if err != nil {
		s.fail(w, r, inside.because(err))
		return
	}
	http.SetCookie(w, s.cookie(s.attemptCookie(), sealed, attemptLife))
	address := s.client(p).AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier))
	http.Redirect(w, r, address, http.StatusSeeOther)
}

// callback takes a browser back from the issuer, and begins its session.
func (s *SignIn) callback(w http.ResponseWriter, r *http.Request) {
	var a attempt
	cookie, err := r.Cookie(s.attemptCookie())
	http.SetCookie(w, s.cookie(s.attemptCookie(), "", -1)) // an attempt is good for one answer
	if err != nil || s.seal.open(cookie.Value, &a) != nil || !time.Now().Before(a.Ends) {
		s.fail(w, r, notBegun)
		return
	}
	q := r.URL.Query()
	if len(q["state"]) != 1 || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(a.State)) != 1 {
		s.fail(w, r, notBegun.to(a.Return))
		return
	}
	if iss := q.Get("iss"); iss != "" && iss != s.oidc.cfg.Issuer {
		s.fail(w, r, notBegun.to(a.Return).because(fmt.Errorf("an answer of the issuer %q", clipText(iss))))
		return
	}
	if code := q.Get("error"); code != "" {
		s.fail(w, r, refusedThere.to(a.Return).because(fmt.Errorf("the issuer says %q", clipText(code))))
		return
	}
	begin, err := s.exchange(r.Context(), q.Get("code"), a)
	if err != nil {
		s.fail(w, r, failureOf(err).to(a.Return))
		return
	}
	if old := s.secretOf(r); old != "" {
		if err := s.sessions.End(r.Context(), old); err != nil {
			s.log.Warn("the session before was not ended", "error", err)
		}
	}
	begin.Address, begin.UserAgent = hostOf(r.RemoteAddr), r.UserAgent()
	secret, err := s.sessions.Begin(r.Context(), begin)
	if errors.Is(err, job.ErrUserDisabled) {
		s.fail(w, r, failureOf(errDisabled).to(a.Return))
		return
	}
	if err != nil {
		s.fail(w, r, inside.to(a.Return).because(err))
		return
	}
	http.SetCookie(w, s.cookie(s.SessionCookie(), secret, s.sessions.cfg.Life))
	http.Redirect(w, r, a.Return, http.StatusSeeOther)
}

// exchange turns the issuer's code into who the user is.
func (s *SignIn) exchange(ctx context.Context, code string, a attempt) (begin Beginning, err error) {
	p, _ := s.oidc.issuer()
	if p == nil {
		return begin, errIssuerDown
	}
	ctx = oidc.ClientContext(ctx, s.oidc.client)
	tokens, err := s.client(p).Exchange(ctx, code, oauth2.VerifierOption(a.Verifier))
	if err != nil {
		if _, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
			return begin, fmt.Errorf("%w: %w", errCode, err)
		}
		return begin, fmt.Errorf("%w: %w", errIssuerDown, err)
	}
	text, _ := tokens.Extra("id_token").(string)
	token, said, err := s.oidc.verify(ctx, text)
	switch {
	case err != nil:
		return begin, err
	case subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(a.Nonce)) != 1:
		return begin, fmt.Errorf("%w: it answers another sign-in", errForged)
	case !s.oidc.forClient(token.Audience, said.checked.Party):
		return begin, errAudience
	}
	if err := s.oidc.complete(ctx, p, tokens, said.all); err != nil {
		return begin, err
	}
	begin.Subject = token.Subject
	begin.IssuerSession, _ = said.all.text("sid")
	who, err := s.oidc.identify(said.all)
	begin.User, begin.Roles, begin.Groups = who.user, who.roles, who.groups
	return begin, err
}

// errCode is an answer of the issuer's that does not hold when it is asked.
var errCode = errors.New("the issuer does not take its own code back")

// forClient reports whether a token was given to the client of the pages.
func (o *OIDC) forClient(audience []string, party string) bool {
	return slices.Contains(audience, o.cfg.ClientID) && (party == o.cfg.ClientID || party == "" && len(audience) == 1)
}

// complete asks the issuer for the claims that it did not put into the token.
func (o *OIDC) complete(ctx context.Context, p *oidc.Provider, tokens *oauth2.Token, have claims) error {
	_, named := have.text(o.cfg.UsernameClaim)
	has := func(claim string) bool { return claim == "" || have.at(claim) != nil }
	if named && has(o.cfg.RolesClaim) && has(o.cfg.GroupsClaim) || p.UserInfoEndpoint() == "" {
		return nil
	}
	info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return fmt.Errorf("%w: ask for more about the user: %w", errIssuerDown, err)
	}
	if sub, _ := have.text("sub"); info.Subject != sub {
		return fmt.Errorf("%w: the issuer tells of somebody else", errForged)
	}
	var more claims
	if err := info.Claims(&more); err != nil {
		return fmt.Errorf("%w: %w", errForged, err)
	}
	for name, value := range more {
		if _, ok := have[name]; !ok {
			have[name] = value
		}
	}
	return nil
}

// logout ends the session of a browser. A request that may come from another site is refused.
func (s *SignIn) logout(w http.ResponseWriter, r *http.Request) {
	if !sameOrigin(r) {
		s.fail(w, r, crossSite)
		return
	}
	if secret := s.secretOf(r); secret != "" {
		if err := s.sessions.End(r.Context(), secret); err != nil {
			s.fail(w, r, inside.because(err))
			return
		}
	}
	http.SetCookie(w, s.cookie(s.SessionCookie(), "", -1))
	if wantsJSON(r) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Redirect(w, r, s.prefix+"/", http.StatusSeeOther)
}

// sameOrigin reports whether a page of this very server sent a request. Only
// browsers have cookies, and all of them say where a request comes from.
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	origin, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && origin.Host != "" && origin.Host == r.Host
}

func (s *SignIn) secretOf(r *http.Request) string {
	c, err := r.Cookie(s.SessionCookie())
	if err != nil {
		return ""
	}
	return c.Value
}

package server

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	"github.com/stint-jobs/stint/internal/auth"
)

// OIDCConfig is the section `oidc` of the configuration file: the issuer whose users may sign in.
type OIDCConfig struct {
	// Issuer is its URL, as its tokens name it.
	Issuer string `yaml:"issuer"`
	// ClientID is the client of the pages. Without one browsers cannot sign in.
	ClientID string `yaml:"client-id"`
	// ClientSecretFile holds the client's secret. Empty is for a public client.
	ClientSecretFile string `yaml:"client-secret-file"`
	// DeviceClientID is the public client of `stint login`.
	DeviceClientID string `yaml:"device-client-id"`
	// Audiences are further audiences whose tokens are taken.
	Audiences []string `yaml:"audiences"`
	// UsernameClaim is the claim that names the user. Empty means `sub`.
	UsernameClaim string `yaml:"username-claim"`
	// RolesClaim is the claim that says what the user is.
	RolesClaim string `yaml:"roles-claim"`
	// Roles are the roles that its values stand for.
	Roles map[string]string `yaml:"roles"`
	// GroupsClaim is the claim that says which groups the user is in, for the rules `allow` of clusters.
	GroupsClaim string `yaml:"groups-claim"`
	// Scopes are asked of the issuer. Empty means openid, profile, email.
	Scopes []string `yaml:"scopes"`
	// PublicURL is the address of this server as browsers see it.
	PublicURL string `yaml:"public-url"`
	// CAFile has the authorities that the issuer's certificate is checked against. Empty means the system's.
	CAFile string `yaml:"ca-file"`
}

// enabled reports whether there is an issuer.
func (c *OIDCConfig) enabled() bool { return c != nil }

// checkSignIn finds what is wrong with how users sign in.
func (c Config) checkSignIn() error {
	switch {
	case !c.OIDC.enabled():
		return nil
	case c.Auth == string(auth.ModeDev):
		return errors.New("--auth dev takes everybody for the local user, so that nobody can sign in: leave the section oidc out, or use --auth token")
	case c.SessionIdle <= 0 || c.SessionLife <= 0:
		return errors.New("--session-idle and --session-life must be more than 0")
	}
	return nil
}

// authMode is who may call without credentials. Where users can sign in, nobody.
func (c Config) authMode() auth.Mode {
	if c.OIDC.enabled() && c.Auth == string(auth.ModeAuto) {
		return auth.ModeToken
	}
	return auth.Mode(c.Auth)
}

// openSignIn makes what the section oidc asks for. It asks nothing of the issuer yet.
func (s *server) openSignIn() (err error) {
	if !s.cfg.OIDC.enabled() {
		return nil
	}
	c, err := s.cfg.oidc()
	if err != nil {
		return fmt.Errorf("oidc: %w: %w", err, errUsage)
	}
	c.Logger = s.log
	if s.oidc, err = auth.NewOIDC(c); err != nil {
		return fmt.Errorf("oidc: %w: %w", err, errUsage)
	}
	if c.ClientID == "" {
		return nil
	}
	s.sessions, err = auth.NewSessions(auth.SessionsConfig{Store: auditedSessions{s.store}, Idle: s.cfg.SessionIdle, Life: s.cfg.SessionLife, Logger: s.log})
	if err != nil {
		return err
	}
	s.signIn, err = auth.NewSignIn(auth.SignInConfig{OIDC: s.oidc, Sessions: s.sessions, Key: s.store.Settings().GetPageTokenKey(), Logger: s.log})
	return err
}

// oidc is the section in the words of package auth.
func (c Config) oidc() (auth.OIDCConfig, error) {
	o := c.OIDC
	out := auth.OIDCConfig{
		Issuer: o.Issuer, ClientID: o.ClientID, DeviceClientID: o.DeviceClientID, Audiences: o.Audiences,
		UsernameClaim: o.UsernameClaim, RolesClaim: o.RolesClaim, GroupsClaim: o.GroupsClaim, Groups: c.groups(), Scopes: o.Scopes, PublicURL: o.PublicURL, CAFile: o.CAFile,
		Roles: make(map[string]auth.Role, len(o.Roles)),
	}
	for value, role := range o.Roles {
		out.Roles[value] = auth.Role(role)
	}
	if host, _, err := net.SplitHostPort(c.Listen); out.PublicURL == "" && err == nil && (host == "127.0.0.1" || host == "localhost") {
		out.PublicURL = c.TLS.scheme() + "://" + c.Listen + "/" + strings.Trim(c.PathPrefix, "/")
	}
	// What is not below it would not come back from the issuer to the page that was asked for.
	if u, err := url.Parse(out.PublicURL); err == nil && strings.Trim(u.Path, "/") != strings.Trim(c.PathPrefix, "/") {
		return out, fmt.Errorf("public-url: the path of %s must be that of --path-prefix, %q", out.PublicURL, c.PathPrefix)
	}
	if o.ClientSecretFile != "" {
		b, err := os.ReadFile(o.ClientSecretFile)
		if err != nil {
			return out, fmt.Errorf("client-secret-file: %w", err)
		}
		if out.ClientSecret = strings.TrimSpace(string(b)); out.ClientSecret == "" {
			return out, fmt.Errorf("client-secret-file: %s is empty", o.ClientSecretFile)
		}
	}
	return out, nil
}

// signInOptions is what callers are told of how to sign in.
func (s *server) signInOptions() *authv1.GetSignInOptionsResponse {
	res := &authv1.GetSignInOptionsResponse{Open: s.mode == auth.ModeDev, ClientCertificates: s.cfg.TLS.ClientCA != ""}
	if s.oidc != nil {
		res.OidcIssuer, res.OidcDeviceClientId, res.OidcScopes = s.oidc.Options()
	}
	if s.signIn != nil {
		res.LoginPath = auth.LoginPath
	}
	return res
}

package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

const (
	// issuerTimeout bounds one request to an issuer.
	issuerTimeout = 20 * time.Second
	// issuerMost bounds its answer.
	issuerMost = 1 << 20
	// renewBefore is how long before a token ends a new one is asked for.
	renewBefore = 30 * time.Second
)

// issuer is what an issuer of OpenID Connect says of itself.
type issuer struct {
	Issuer     string   `json:"issuer"`
	Device     string   `json:"device_authorization_endpoint"`
	Token      string   `json:"token_endpoint"`
	Revocation string   `json:"revocation_endpoint"`
	Scopes     []string `json:"scopes_supported"`
}

// issuerClient follows no redirects: what is sent to an issuer is for nobody else.
func issuerClient() *http.Client {
	return &http.Client{
		Timeout:       issuerTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// findIssuer reads what the issuer at a URL says of itself.
func findIssuer(ctx context.Context, at string) (issuer, error) {
	var i issuer
	if err := trusted(at); err != nil {
		return i, fmt.Errorf("the server names the issuer %s: %w", clean(at), err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(at, "/")+"/.well-known/openid-configuration", nil)
	if err != nil {
		return i, fmt.Errorf("ask the issuer: %w", err)
	}
	resp, err := issuerClient().Do(r)
	if err != nil {
		return i, fmt.Errorf("the issuer %s cannot be reached: %w", clean(at), err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return i, fmt.Errorf("the issuer %s answers %s", clean(at), resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, issuerMost)).Decode(&i); err != nil {
		return i, fmt.Errorf("read what the issuer says: %w", err)
	}
	if i.Issuer != at {
		return i, fmt.Errorf("at %s there is the issuer %s", clean(at), clean(i.Issuer))
	}
	for _, address := range []string{i.Device, i.Token, i.Revocation} {
		if err := trusted(address); address != "" && err != nil {
			return i, fmt.Errorf("the issuer names %s: %w", clean(address), err)
		}
	}
	return i, nil
}

// trusted wants an address that nobody between can read along, or one of this machine.
func trusted(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return errors.New("that is no URL")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	default:
		return errors.New("it must be https")
	}
}

// client is how this program speaks to the issuer.
func (i issuer) client(id string, scopes []string) *oauth2.Config {
	// Without it many issuers give nothing to renew a login with, and some refuse it when they do not know it.
	if slices.Contains(i.Scopes, "offline_access") && !slices.Contains(scopes, "offline_access") {
		scopes = append(slices.Clone(scopes), "offline_access")
	}
	return &oauth2.Config{ClientID: id, Scopes: scopes, Endpoint: oauth2.Endpoint{
		DeviceAuthURL: i.Device, TokenURL: i.Token, AuthStyle: oauth2.AuthStyleInParams, // a program on users' machines has no secret
	}}
}

// bearerOf is the token for the server, and when it ends: the ID token, which
// is for the client that the server named, or the access token where there is none.
func bearerOf(t *oauth2.Token) (text string, ends time.Time) {
	if id, ok := t.Extra("id_token").(string); ok && id != "" {
		return id, endOf(id)
	}
	return t.AccessToken, t.Expiry
}

// endOf reads when a JSON web token ends. Whether it is genuine is for the server to see. Zero is unknown.
func endOf(jwt string) time.Time {
	var claims struct {
		Expires float64 `json:"exp"`
	}
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(b, &claims) != nil || claims.Expires <= 0 {
		return time.Time{}
	}
	return time.Unix(int64(claims.Expires), 0)
}

// revoke tells the issuer that a refresh token is no longer needed.
func (i issuer) revoke(ctx context.Context, client, token string) error {
	if i.Revocation == "" || token == "" {
		return nil
	}
	form := url.Values{"client_id": {client}, "token": {token}, "token_type_hint": {"refresh_token"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, i.Revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("tell the issuer: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := issuerClient().Do(r)
	if err != nil {
		return fmt.Errorf("tell the issuer: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the issuer answers %s", resp.Status)
	}
	return nil
}

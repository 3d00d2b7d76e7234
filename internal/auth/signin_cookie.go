package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// cookie makes a cookie that scripts cannot read and that other sites' posts do not carry. A life below zero deletes it.
func (s *SignIn) cookie(name, value string, life time.Duration) *http.Cookie {
	c := &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode, MaxAge: int(life.Seconds())}
	if life < 0 {
		c.MaxAge = -1
	}
	return c
}

// SessionCookie is the name of the cookie with a session's secret. Browsers
// take one with the prefix from this very host alone, over TLS.
func (s *SignIn) SessionCookie() string {
	if s.secure {
		return SecureSessionCookie
	}
	return SessionCookie
}

// attemptCookie is the name of the cookie of a sign-in that has begun.
func (s *SignIn) attemptCookie() string { return s.SessionCookie() + "_attempt" }

// sealer encrypts what a browser carries for the server.
type sealer struct{ aead cipher.AEAD }

func newSealer(key []byte) (sealer, error) {
	if len(key) < 32 {
		return sealer{}, errors.New("sign-in: the key must have 32 bytes")
	}
	// The key is for other things too: what was made for one must be no use for another.
	own, err := hkdf.Key(sha256.New, key, nil, "stint sign-in attempt", 32)
	if err != nil {
		return sealer{}, fmt.Errorf("derive the key of sign-ins: %w", err)
	}
	block, err := aes.NewCipher(own)
	if err != nil {
		return sealer{}, fmt.Errorf("make the cipher of sign-ins: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealer{aead}, err
}

func (s sealer) seal(v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, nil)), nil
}

func (s sealer) open(text string, into any) error {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	plain, err := s.aead.Open(nil, nil, sealed, nil)
	if err != nil {
		return fmt.Errorf("unseal: %w", err)
	}
	return json.Unmarshal(plain, into)
}

// randomText is text that nobody guesses: 256 random bits.
func randomText() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// longestReturn bounds the path that a browser comes back to.
const longestReturn = 2000

// localPath is where a browser goes after it signed in: a path of this server's
// pages, whatever was asked for. Everything that a browser could take for another site's address is not one.
func (s *SignIn) localPath(asked string) string {
	home := s.prefix + "/"
	if len(asked) > longestReturn || strings.ContainsFunc(asked, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return home
	}
	u, err := url.Parse(asked)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return home
	}
	rest, ok := strings.CutPrefix(u.Path, home)
	if !ok || strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, "auth/") || strings.Contains("/"+rest+"/", "/../") {
		return home
	}
	u.Fragment, u.RawFragment = "", ""
	return u.String()
}

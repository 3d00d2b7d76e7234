package auth

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	// keysBurst is how often the issuer may be asked for its keys at once, and keysEvery how often from then on. A token
	// with a key that is not known makes the server ask, and anybody can make such tokens.
	keysBurst = 5
	keysEvery = 10 * time.Second
	// keysFor is how long the issuer's keys are believed without a new look at them, and a token that was checked with one.
	keysFor = 10 * time.Minute
	// issuerMost bounds an answer of the issuer.
	issuerMost = 1 << 20
)

// clientOf is a client that follows no redirects: what is sent to the issuer is for nobody else.
func clientOf(t http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     t,
		Timeout:       issuerTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// calmTransport bounds what the issuer answers, and how often it is asked for its keys:
// beyond that the last answer is given again, be it an error.
type calmTransport struct {
	base http.RoundTripper
	now  func() time.Time

	mu     sync.Mutex
	url    string
	at     time.Time // of the last request for the keys
	spent  float64   // of the burst
	status int
	header http.Header
	body   []byte
	err    error
}

// calm says which address has the keys.
func (t *calmTransport) calm(url string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.url = url
}

// RoundTrip sends a request to the issuer.
func (t *calmTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.mu.Lock()
	if r.Method != http.MethodGet || t.url == "" || r.URL.String() != t.url {
		t.mu.Unlock()
		return t.bounded(r)
	}
	defer t.mu.Unlock()
	now := t.now()
	spent := max(0, t.spent-now.Sub(t.at).Seconds()/keysEvery.Seconds())
	if t.at.IsZero() || spent+1 <= keysBurst {
		t.at, t.spent = now, spent+1
		t.fetch(r)
	}
	if t.err != nil {
		return nil, t.err
	}
	return &http.Response{
		Status: http.StatusText(t.status), StatusCode: t.status, Header: t.header.Clone(), Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(t.body)), Body: io.NopCloser(bytes.NewReader(t.body)),
	}, nil
}

// fetch asks for the keys. Who asks may go away; the others still want the answer.
func (t *calmTransport) fetch(r *http.Request) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), issuerTimeout)
	defer cancel()
	t.body = nil
	var resp *http.Response
	if resp, t.err = t.bounded(r.Clone(ctx)); t.err != nil {
		return
	}
	defer resp.Body.Close()
	t.status, t.header = resp.StatusCode, resp.Header
	t.body, t.err = io.ReadAll(resp.Body)
}

// bounded fails where an answer is too long.
func (t *calmTransport) bounded(r *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedAnswer{ReadCloser: resp.Body, left: issuerMost}
	return resp, nil
}

// CloseIdleConnections lets the client end what it holds open.
func (t *calmTransport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

var errTooMuch = errors.New("the issuer's answer is too long")

type boundedAnswer struct {
	io.ReadCloser
	left int64
}

// Read reads, up to the bound.
func (b *boundedAnswer) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooMuch
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

// keySet is the issuer's keys. It tells an issuer that cannot be asked from a token that is no good.
type keySet struct{ remote *oidc.RemoteKeySet }

type unreachableKey struct{}

// VerifySignature checks a signature.
func (k *keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.remote.VerifySignature(ctx, jwt)
	if err == nil || err.Error() == wrongSignature {
		return payload, err
	}
	if unreachable, ok := ctx.Value(unreachableKey{}).(*error); ok {
		*unreachable = err
	}
	return nil, err
}

// nobodysToken is signed with a key of a name that no issuer has.
const nobodysToken = "eyJhbGciOiJSUzI1NiIsImtpZCI6InN0aW50IGxvb2tzIGF0IHRoZSBrZXlzIGFnYWluIn0.e30.AA" //nolint:gosec // no credential

// look asks for the keys anew, and fails where the issuer does not answer: then those that
// are known go on. go-oidc by itself does so only when a token comes with a key that it does not
// know, so that a key which the issuer took back, because it was stolen, could be good here for ever.
func (k *keySet) look(ctx context.Context) error {
	if _, err := k.remote.VerifySignature(ctx, nobodysToken); err != nil && err.Error() != wrongSignature {
		return err
	}
	return nil
}

// wrongSignature is what go-oidc says when it has the keys and none of them fits; whatever else
// it says is about getting them. A test compares.
const wrongSignature = "failed to verify id token signature"

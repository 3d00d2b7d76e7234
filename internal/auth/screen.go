package auth

import (
	"context"
	"net/http"
	"strings"
)

// screenedKey finds whom Screen has let in.
type screenedKey struct{}

// Screen decides about a call by its headers and by what is in memory, before its message is read. It reads no file, asks
// nobody and waits for nobody, so it may run where a connection's frames are read. The context that it returns spares Layer
// to ask again. A credential that memory does not tell about, such as one that was not used of late, is left to Layer.
func (a *Authenticator) Screen(ctx context.Context, method string) (context.Context, error) {
	if _, known := rules[method]; !known || Open(method) {
		return ctx, nil // what there is not, gRPC refuses without reading a message
	}
	var c Credentials
	c.ofCall(ctx)
	p := new(Principal)
	decided, err := a.fromMemory(ctx, &c, p)
	if !decided {
		return ctx, nil
	}
	if err = a.complete(err, &c, p); err == nil {
		err = mayUse(p, method)
	}
	if err != nil {
		return ctx, err
	}
	return context.WithValue(ctx, screenedKey{}, p), nil
}

// Admitted returns a context by which Layer takes a call for one of p, whom AdmitRequest returned for it.
func Admitted(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, screenedKey{}, p)
}

// fromMemory is identify by what is in memory. decided is false where that does not tell.
func (a *Authenticator) fromMemory(ctx context.Context, c *Credentials, p *Principal) (decided bool, err error) {
	switch {
	case !c.Socket && len(c.Authorization) > 0:
		return a.bearerFromMemory(ctx, c.Authorization, p)
	case !c.Socket && c.Session != "" && a.cfg.Session != nil:
		return false, nil
	default:
		return true, a.identify(ctx, c, p)
	}
}

func (a *Authenticator) bearerFromMemory(ctx context.Context, values []string, p *Principal) (decided bool, err error) {
	text, err := bearerText(values)
	switch {
	case err != nil:
		return true, err
	case strings.HasPrefix(text, jobTokenPrefix) && a.cfg.Job != nil:
		*p, err = a.cfg.Job(ctx, text)
		return true, err
	case strings.Count(text, ".") == 2 && a.cfg.JWT != nil:
		return false, nil // it may take the issuer's keys
	case len(text) != tokenLength:
		return true, errMalformed
	}
	hash := Hash(text)
	if a.remembered(&hash, p) {
		return true, nil
	}
	if _, err := ParseSecret(text); err != nil {
		return true, errMalformed
	}
	return false, nil
}

// AdmitRequest finds out who sent a request for a call, and refuses those who may not make it at all. It reads nothing of the body.
func (a *Authenticator) AdmitRequest(r *http.Request, method string) (*Principal, error) {
	if _, known := rules[method]; !known || Open(method) {
		return nil, nil //nolint:nilnil // nobody needs to be anybody; what there is not, gRPC refuses
	}
	c := credentialsOfRequest(r, a.cfg.SessionCookie)
	p := new(Principal)
	if err := a.find(r.Context(), &c, p); err != nil {
		return nil, err
	}
	if err := mayUse(p, method); err != nil {
		return p, err
	}
	return p, nil
}

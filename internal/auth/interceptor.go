package auth

import (
	"context"
	"errors"

	"github.com/stint-jobs/stint/internal/layers"
)

// Layer authenticates calls and refuses those that the table does not allow the caller at all.
// The context of a stream ends when the caller's credential expires or is revoked; then the stream ends with UNAUTHENTICATED,
// also when the handler waits for a client that sends or reads nothing.
func (a *Authenticator) Layer(c *layers.Call) (end func(error) error, err error) {
	if Open(c.Method) {
		return nil, nil
	}
	p, err := a.admit(c.Context(), c.Method)
	if err != nil {
		return nil, err
	}
	c.SetContext(withPrincipal(c.Context(), p))
	if !c.IsStream() {
		return nil, nil
	}
	return a.endWith(c, p)
}

// endWith has a stream end with the credential of its caller.
func (a *Authenticator) endWith(c *layers.Call, p *Principal) (end func(error) error, err error) {
	cut, err := cutter(c.Context())
	if err != nil {
		return nil, err
	}
	ctx, stop := a.guard(c.Context(), *p, cut)
	c.SetContext(ctx)
	return func(err error) error {
		why := ended(ctx)
		stop()
		if err != nil && why != nil {
			return why
		}
		return err
	}, nil
}

// admit authenticates a call, by its connection and its metadata, and asks the table whether there is anything to go on for.
func (a *Authenticator) admit(ctx context.Context, method string) (*Principal, error) {
	rule, known := rules[method]
	if !known {
		return nil, refuse(errMethod)
	}
	var c Credentials
	c.ofCall(ctx)
	p := new(Principal)
	if err := a.find(ctx, &c, p); err != nil {
		return nil, err
	}
	if !p.InScope(rule.scope) {
		return nil, refuse(errScope)
	}
	if !mayCall(*p, method) {
		return nil, refuse(errRole)
	}
	return p, nil
}

// ended is why the credential behind ctx stopped working; nil when it did not.
func ended(ctx context.Context) error {
	if r, ok := errors.AsType[*refusal](context.Cause(ctx)); ok {
		return r
	}
	return nil
}

package auth

import (
	"context"
	"errors"

	"google.golang.org/grpc"

	"github.com/stint-jobs/stint/internal/layers"
)

// Unary authenticates unary calls and refuses those that the table does not allow the caller at all.
func (a *Authenticator) Unary() grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if Open(info.FullMethod) {
			return handler(ctx, req)
		}
		p, err := a.admit(ctx, info.FullMethod)
		if err != nil {
			return nil, err
		}
		return handler(withPrincipal(ctx, p), req)
	}
}

// Stream is Unary for streams. The context of the stream ends when the
// caller's credential expires or is revoked; then the call ends with UNAUTHENTICATED,
// also when the handler waits for a client that sends or reads nothing.
func (a *Authenticator) Stream(s *layers.Stream) (end func(error) error, err error) {
	if Open(s.Method) {
		return nil, nil
	}
	p, err := a.admit(s.Context(), s.Method)
	if err != nil {
		return nil, err
	}
	cut, err := cutter(s.Context())
	if err != nil {
		return nil, err
	}
	ctx, stop := a.guard(withPrincipal(s.Context(), p), *p, cut)
	s.SetContext(ctx)
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

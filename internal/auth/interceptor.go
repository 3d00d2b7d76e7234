package auth

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stint-jobs/stint/internal/layers"
)

// statusWriter is what a stream of gRPC's own HTTP/2 transport can do beside
// what grpc.ServerTransportStream says: end with a status, from any goroutine. That also ends the stream's context, and what
// its handler waits for in Send and Recv. An interceptor has no other way to do so: SendMsg itself tells the client the
// status of a stream whose context was cancelled, which would not say why.
type statusWriter interface {
	WriteStatus(s *status.Status) error
}

// Layer authenticates calls and refuses those that the table does not allow the caller at all.
// The context of a stream ends when the caller's credential expires or is revoked; then the stream ends with UNAUTHENTICATED,
// also when the handler waits for a client that sends or reads nothing.
func (a *Authenticator) Layer(c *layers.Call) (end func(error) error, err error) {
	if Open(c.Method) {
		return nil, nil
	}
	p, ok := c.Context().Value(screenedKey{}).(*Principal)
	if !ok {
		var err error
		if p, err = a.admit(c.Context(), c.Method); err != nil {
			return nil, err
		}
	}
	c.SetContext(withPrincipal(c.Context(), p))
	if !c.IsStream() {
		return nil, nil
	}
	return a.endWith(c, p)
}

// endWith has a stream end with the credential of its caller.
func (a *Authenticator) endWith(c *layers.Call, p *Principal) (end func(error) error, err error) {
	stream, ok := grpc.ServerTransportStreamFromContext(c.Context()).(statusWriter)
	if !ok {
		return nil, status.Error(codes.Internal, "this transport cannot end a stream when its credential ends")
	}
	if p.TokenID == "" && p.Expires.IsZero() {
		return nil, nil // nothing ends it
	}
	g, err := a.guard(p, stream)
	if err != nil {
		return nil, err
	}
	return func(err error) error {
		if why := a.release(g); err != nil && why != nil {
			return why
		}
		return err
	}, nil
}

// admit authenticates a call, by its connection and its metadata, and asks the table whether there is anything to go on for.
func (a *Authenticator) admit(ctx context.Context, method string) (*Principal, error) {
	if _, known := rules[method]; !known {
		return nil, refuse(errMethod)
	}
	var c Credentials
	c.ofCall(ctx)
	p := new(Principal)
	if err := a.find(ctx, &c, p); err != nil {
		return nil, err
	}
	return p, mayUse(p, method)
}

// mayUse asks the table whether there is anything that the principal may call a method on.
func mayUse(p *Principal, method string) error {
	switch {
	case !p.InScope(rules[method].scope):
		return refuse(errScope)
	case !mayCall(*p, method):
		return refuse(errRole)
	}
	return nil
}

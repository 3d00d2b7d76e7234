package auth

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
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
		return handler(NewContext(ctx, p), req)
	}
}

// Stream is Unary for streams. The context of the stream ends when the
// caller's token expires or is revoked; then the call ends with UNAUTHENTICATED,
// also when the handler waits for a client that sends or reads nothing.
func (a *Authenticator) Stream() grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		if Open(info.FullMethod) {
			return handler(srv, ss)
		}
		p, err := a.admit(ss.Context(), info.FullMethod)
		if err != nil {
			return err
		}
		cut, err := cutter(ss.Context())
		if err != nil {
			return err
		}
		ctx, stop := a.guard(NewContext(ss.Context(), p), p, cut)
		defer stop()
		err = handler(srv, &guardedStream{ServerStream: ss, ctx: ctx})
		if why := ended(ctx); err != nil && why != nil {
			return why
		}
		return err
	}
}

// admit authenticates a call and asks the table whether there is anything to go on for.
func (a *Authenticator) admit(ctx context.Context, method string) (Principal, error) {
	if _, known := rules[method]; !known {
		return Principal{}, refuse(errMethod)
	}
	p, err := a.Authenticate(ctx)
	if err != nil {
		return Principal{}, err
	}
	if !p.InScope(rules[method].scope) {
		return Principal{}, refuse(errScope)
	}
	if !mayCall(p, method) {
		return Principal{}, refuse(errRole)
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

// guardedStream carries the context of Guard.
type guardedStream struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // this is how a stream hands on its context
}

// Context is the stream's, with the principal.
func (s *guardedStream) Context() context.Context { return s.ctx }

// SendMsg sends m. Where the credential ended first, the error says so.
func (s *guardedStream) SendMsg(m any) error { return s.because(s.ServerStream.SendMsg(m)) }

// RecvMsg receives into m. Where the credential ended first, the error says so.
func (s *guardedStream) RecvMsg(m any) error { return s.because(s.ServerStream.RecvMsg(m)) }

func (s *guardedStream) because(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	if why := ended(s.ctx); why != nil {
		return why
	}
	return err
}

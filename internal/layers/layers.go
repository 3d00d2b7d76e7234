// Package layers makes one gRPC interceptor of all that happens around a stream.
//
// gRPC chains interceptors as calls within calls, and a stream that waits
// keeps the frames of all of them on its stack. With eight of them an idle watcher needed 16 KiB of stack, and 8 with one.
// Its invariant: what a layer began is ended, once, in the opposite order, whatever happens inside of it.
package layers

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"

	"google.golang.org/grpc"
)

// Stream is a stream as the layers outside have made it.
type Stream struct {
	grpc.ServerStream
	// Method is the full name of what is called.
	Method string

	ctx  context.Context //nolint:containedctx // this is how a stream hands on its context
	ends []func(error) error
}

// Context is the stream's, as the layers have made it.
func (s *Stream) Context() context.Context { return s.ctx }

// SetContext is what a layer does that adds to the context.
func (s *Stream) SetContext(ctx context.Context) { s.ctx = ctx }

// Wrap is what a layer does that looks at the messages: it replaces the stream by what is made of it.
func (s *Stream) Wrap(wrap func(grpc.ServerStream) grpc.ServerStream) {
	s.ServerStream = wrap(&Stream{ServerStream: s.ServerStream, Method: s.Method, ctx: s.ctx})
}

// Layer begins what it does around a stream, or refuses it. The function that
// it answers, unless that is nil, gets the error with which what is inside ended, and answers the one that goes on
// outward. It gets a PanicError where what is inside panicked.
type Layer func(s *Stream) (end func(error) error, err error)

// Interceptor begins the layers from the first to the last, handles the stream, and ends them from the last to the first.
func Interceptor(layers ...Layer) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
		s := &Stream{ServerStream: ss, Method: info.FullMethod, ctx: ss.Context()}
		defer func() { err = s.end(err, recover()) }()
		if err := s.begin(layers); err != nil {
			return err
		}
		return handle(srv, s)
	}
}

func (s *Stream) begin(layers []Layer) error {
	s.ends = make([]func(error) error, 0, len(layers))
	for _, l := range layers {
		end, err := l(s)
		if err != nil {
			return err
		}
		if end != nil {
			s.ends = append(s.ends, end)
		}
	}
	return nil
}

func (s *Stream) end(err error, panicked any) error {
	if panicked != nil {
		err = Panicked(panicked)
	}
	for _, end := range slices.Backward(s.ends) {
		err = end(err)
	}
	return err
}

// PanicError is a panic that was stopped.
type PanicError struct {
	// Value is what it was called with, and Stack where.
	Value any
	Stack string
}

// Error says that there was a panic, and with what.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Panicked is the error for what recover answered, which must not be nil. It is called by the function that recovered.
func Panicked(value any) *PanicError { return &PanicError{Value: value, Stack: string(debug.Stack())} }

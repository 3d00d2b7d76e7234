// Package layers makes one gRPC interceptor of all that happens around a call.
//
// gRPC chains interceptors as calls within calls, and a call that waits
// keeps the frames of all of them on its stack. With eight of them an idle watcher needed 16 KiB of stack, and 8 with one;
// a unary call's stack grew once more, by copying, where it began with 8.
// Its invariant: what a layer began is ended, once, in the opposite order, whatever happens inside of it.
package layers

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"

	"google.golang.org/grpc"
)

// Call is a call, unary or a stream, as the layers outside have made it.
type Call struct {
	// ServerStream is what the layers outside have made of a stream; nil for a unary call.
	grpc.ServerStream
	// Method is the full name of what is called.
	Method string
	// Request is the message of a unary call; nil for a stream, whose messages come later. It is empty before Receive.
	Request any

	read func() error // fills Request; nil once it did

	ctx  context.Context //nolint:containedctx // this is how a stream hands on its context
	ends []func(error) error
	room [usual]func(error) error // of ends, so that they need no memory of their own
}

// usual is how many layers have something to end at most, usually.
const usual = 6

// Context is the call's, as the layers have made it.
func (c *Call) Context() context.Context { return c.ctx }

// SetContext is what a layer does that adds to the context.
func (c *Call) SetContext(ctx context.Context) { c.ctx = ctx }

// IsStream reports whether messages come and go while the call lasts.
func (c *Call) IsStream() bool { return c.ServerStream != nil }

// Unread is the request of a unary call that was not decoded yet. It takes the place of the request on its way to Unary.
type Unread struct {
	// Message is what Read fills.
	Message any
	// Read decodes the request. It is called at most once.
	Read func() error
}

// Receive decodes the request of a unary call. The layers outside of the one that calls it run before a byte of the
// request is looked at. It does nothing for a request that was decoded, and for a stream.
func (c *Call) Receive() error {
	read := c.read
	if c.read = nil; read == nil {
		return nil
	}
	return read()
}

// Wrap is what a layer does that looks at the messages of a stream: it replaces the stream by what is made of it.
func (c *Call) Wrap(wrap func(grpc.ServerStream) grpc.ServerStream) {
	c.ServerStream = wrap(&Call{ServerStream: c.ServerStream, Method: c.Method, ctx: c.ctx})
}

// Layer begins what it does around a call, or refuses it. The function that
// it answers, unless that is nil, gets the error with which what is inside ended, and answers the one that goes on
// outward. It gets a PanicError where what is inside panicked.
type Layer func(c *Call) (end func(error) error, err error)

// Unary begins the layers from the first to the last, handles the call, and ends them from the last to the first.
func Unary(layers ...Layer) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (resp any, err error) {
		c := &Call{Method: info.FullMethod, Request: req, ctx: ctx}
		if u, ok := req.(*Unread); ok {
			c.Request, c.read = u.Message, u.Read
		}
		defer func() { err = c.end(err, recover()) }()
		if err := c.begin(layers); err != nil {
			return nil, err
		}
		if err := c.Receive(); err != nil {
			return nil, err
		}
		return handle(c.ctx, c.Request)
	}
}

// Refuse runs layers around a call that is refused with err before its request is read, and returns what the caller is told.
func Refuse(ctx context.Context, method string, err error, layers ...Layer) error {
	c := &Call{Method: method, ctx: ctx}
	if refused := c.begin(layers); refused != nil {
		err = refused
	}
	return c.end(err, nil)
}

// Stream is Unary for streams.
func Stream(layers ...Layer) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
		c := &Call{ServerStream: ss, Method: info.FullMethod, ctx: ss.Context()}
		defer func() { err = c.end(err, recover()) }()
		if err := c.begin(layers); err != nil {
			return err
		}
		return handle(srv, c)
	}
}

func (c *Call) begin(layers []Layer) error {
	c.ends = c.room[:0]
	for _, l := range layers {
		end, err := l(c)
		if err != nil {
			return err
		}
		if end != nil {
			c.ends = append(c.ends, end)
		}
	}
	return nil
}

func (c *Call) end(err error, panicked any) error {
	if panicked != nil {
		err = Panicked(panicked)
	}
	for _, end := range slices.Backward(c.ends) {
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

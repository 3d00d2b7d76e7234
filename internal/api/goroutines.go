package api

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	"github.com/stint-jobs/stint/internal/warm"
)

// Goroutines say what the unary calls of a server run on. The zero value leaves that to gRPC.
//
// gRPC gives a call to one of its workers, whose stacks have grown, and a new goroutine where none is free. A stream
// keeps its worker for as long as it lasts, so that a server with as many streams as workers has none for its calls.
type Goroutines struct {
	// Kept are for unary calls. The server's codec must be Codec.
	Kept *warm.Pool
	// Streams are so many that fewer leave gRPC's own workers to unary calls. Zero means that there are no such workers.
	Streams int64
	// Decoding bounds what the messages of streams become. Nil is no bound.
	Decoding *Decoding
}

// calls are those of one server.
type calls struct {
	Goroutines
	streams atomic.Int64 // that are open
}

// answer is a message that is encoded already.
type answer struct{ bytes mem.BufferSlice }

// stream counts the streams of a handler while they are open.
func (c *calls) stream(handle grpc.StreamHandler) grpc.StreamHandler {
	if c.Kept == nil {
		return handle
	}
	return func(srv any, ss grpc.ServerStream) error {
		c.streams.Add(1)
		defer c.streams.Add(-1)
		return handle(srv, ss)
	}
}

// unary has a handler run on a goroutine that is kept where gRPC would have it run on a new one. Reading the request and
// writing the answer with its headers take as much stack as the handler, so that they are done there, too.
func (c *calls) unary(handle grpc.MethodHandler) grpc.MethodHandler {
	if c.Kept == nil {
		return handle
	}
	encode := Codec(nil).Marshal
	return func(srv any, ctx context.Context, read func(any) error, in grpc.UnaryServerInterceptor) (resp any, err error) {
		if c.streams.Load() < c.Streams {
			return handle(srv, ctx, read, in)
		}
		c.Kept.Do(func() {
			if resp, err = handle(srv, ctx, read, in); err != nil {
				return
			}
			if bytes, failed := encode(resp); failed == nil { // otherwise gRPC fails in the same way, and says so
				resp = &answer{bytes}
				_ = grpc.SendHeader(ctx, nil) // its error is that of sending the answer, too
			}
		})
		return resp, err
	}
}

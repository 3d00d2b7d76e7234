package auth

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// statusWriter is what a stream of gRPC's own HTTP/2 transport can do beside
// what grpc.ServerTransportStream says: end with a status, from any goroutine. That also ends what its handler
// waits for, in Send and Recv too. An interceptor has no other way to do so: SendMsg itself tells the client the
// status of a stream whose context was cancelled, which would not say why.
type statusWriter interface {
	WriteStatus(s *status.Status) error
}

// cutter answers the function that ends the stream of ctx from outside.
func cutter(ctx context.Context) (cut func(why error), err error) {
	w, ok := grpc.ServerTransportStreamFromContext(ctx).(statusWriter)
	if !ok {
		return nil, status.Error(codes.Internal, "this transport cannot end a stream when its credential ends")
	}
	return func(why error) {
		_ = w.WriteStatus(status.Convert(why)) // fails where the stream is over already
	}, nil
}

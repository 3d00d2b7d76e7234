package api

import (
	"context"
	"log/slog"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// UnaryErrors gives the errors of unary calls the form in which clients see
// them, logs what clients are not told, and keeps a panic from ending the server. It goes outermost.
func UnaryErrors(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
		defer func() { err = finish(log, info.FullMethod, err, recover()) }()
		return next(ctx, req)
	}
}

// StreamErrors is UnaryErrors for streams.
func StreamErrors(log *slog.Logger) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
		defer func() { err = finish(log, info.FullMethod, err, recover()) }()
		return next(srv, ss)
	}
}

func finish(log *slog.Logger, method string, err error, panicked any) error {
	if panicked != nil {
		log.Error("a call panicked", "method", method, "panic", panicked, "stack", string(debug.Stack()))
		return toStatus(errPanic).Err()
	}
	if err == nil {
		return nil
	}
	st := toStatus(err)
	if st.Code() == codes.Internal || st.Code() == codes.Unknown {
		log.Error("a call went wrong", "method", method, "error", err)
	}
	return st.Err()
}

type panicError string

func (e panicError) Error() string { return string(e) }

const errPanic = panicError("a call panicked")

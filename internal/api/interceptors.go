package api

import (
	"context"
	"errors"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/stint-jobs/stint/internal/layers"
)

// UnaryErrors gives the errors of unary calls the form in which clients see
// them, logs what clients are not told, and keeps a panic from ending the server. It goes outermost.
func UnaryErrors(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
		defer func() {
			if value := recover(); value != nil {
				err = layers.Panicked(value)
			}
			err = finish(log, info.FullMethod, err)
		}()
		return next(ctx, req)
	}
}

// StreamErrors is UnaryErrors for streams.
func StreamErrors(log *slog.Logger) layers.Layer {
	return func(s *layers.Stream) (func(error) error, error) {
		return func(err error) error { return finish(log, s.Method, err) }, nil
	}
}

func finish(log *slog.Logger, method string, err error) error {
	if p, ok := errors.AsType[*layers.PanicError](err); ok {
		log.Error("a call panicked", "method", method, "panic", p.Value, "stack", p.Stack)
		return toStatus(p).Err()
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

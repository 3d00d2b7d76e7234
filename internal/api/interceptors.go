package api

import (
	"errors"
	"log/slog"

	"google.golang.org/grpc/codes"

	"github.com/stint-jobs/stint/internal/layers"
)

// Errors gives the errors of calls the form in which clients see them, logs what
// clients are not told, among it a panic, which it makes an error like others. It goes outermost.
func Errors(log *slog.Logger) layers.Layer {
	return func(c *layers.Call) (func(error) error, error) {
		return func(err error) error { return finish(log, c.Method, err) }, nil
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

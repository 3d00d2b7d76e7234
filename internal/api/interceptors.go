package api

import (
	"context"
	"errors"
	"log/slog"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/api/status"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/layers"
	"github.com/stint-jobs/stint/internal/store"
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
		return status.Of(p).Err()
	}
	if err == nil {
		return nil
	}
	st := status.Of(err)
	if st.Code() == codes.Internal || st.Code() == codes.Unknown {
		log.Error("a call went wrong", "method", method, "error", err)
	}
	return st.Err()
}

// Known refuses calls that there are not, which gRPC would refuse without a reason.
func Known(c *layers.Call) (func(error) error, error) {
	if SizeOf(c.Method) == (Size{}) {
		return nil, status.Unknown().Err()
	}
	return nil, nil
}

// RefuseUnknown is what a server does with a call that there is not, should it come as far.
func RefuseUnknown(any, grpc.ServerStream) error { return status.Unknown().Err() }

// Outcome is the code of how a call ended, and the stable reason of an error.
func Outcome(err error) (code codes.Code, reason string) {
	st := status.Of(err)
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			reason = info.GetReason()
		}
	}
	return st.Code(), reason
}

// Refusal gives the error of a request that becomes no call the form in which clients see it.
func Refusal(err error) error {
	if err == nil {
		return nil
	}
	return status.Of(err).Err()
}

// Audited says to the store who makes a call. It goes behind the layer that authenticates, and reads the request.
func Audited(st *store.Store) layers.Layer {
	return func(c *layers.Call) (func(error) error, error) {
		if err := c.Receive(); err != nil {
			return nil, err
		}
		ctx, err := audited(c.Context(), st, c.Method, c.Request)
		c.SetContext(ctx)
		return nil, err
	}
}

// audited is the context of a call that is audited as the table says.
func audited(ctx context.Context, st *store.Store, method string, req any) (context.Context, error) {
	p, ok := auth.FromContext(ctx)
	if !ok {
		return ctx, nil
	}
	switch auth.AuditOf(method) {
	case auth.AuditChanges:
		e := call.AuditEntry(p, method)
		if r, ok := req.(interface{ GetReason() string }); ok {
			e.Reason = r.GetReason()
		}
		return store.WithAudit(ctx, e), nil
	case auth.AuditCalls:
		return ctx, st.Audit(ctx, call.AuditEntry(p, method))
	case auth.AuditViews:
		return ctx, st.AuditRead(ctx, call.AuditEntry(p, method))
	case auth.AuditNothing, auth.AuditReads:
		fallthrough
	default:
		return ctx, nil
	}
}

package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	admingw "github.com/stint-jobs/stint/internal/gen/stint/admin/v1"
	authgw "github.com/stint-jobs/stint/internal/gen/stint/auth/v1"
	cataloggw "github.com/stint-jobs/stint/internal/gen/stint/catalog/v1"
	jobsgw "github.com/stint-jobs/stint/internal/gen/stint/jobs/v1"
	workspacegw "github.com/stint-jobs/stint/internal/gen/stint/workspace/v1"
)

// newMux makes grpc-gateway's mux with everything turned off that would let a
// request mean something other than what its method, path and body say.
func (g *gateway) newMux() (*runtime.ServeMux, error) {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, g.newJSONMarshaler()),
		runtime.WithMarshalerOption(eventStream, &sseMarshaler{g.newJSONMarshaler()}),
		runtime.WithMiddlewares(g.check),
		runtime.WithUnescapingMode(runtime.UnescapingModeAllExceptSlash),
		runtime.WithStrictDeepWildcardMatching(),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithDisableHTTPMethodOverride(),
		runtime.WithDisableChunkedEncoding(), // net/http chunks by itself where HTTP/1.1 is spoken
		runtime.WithIncomingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingTrailerMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithMetadata(func(_ context.Context, r *http.Request) metadata.MD { return g.callMetadata(r) }),
		runtime.WithErrorHandler(g.handleError),
		runtime.WithStreamErrorHandler(g.handleStreamError),
		runtime.WithRoutingErrorHandler(g.handleRoutingError),
	)
	ctx := context.Background() // not kept by these functions
	for _, err := range []error{
		jobsgw.RegisterJobServiceHandlerClient(ctx, mux, g.jobs),
		cataloggw.RegisterCatalogServiceHandlerClient(ctx, mux, catalogv1.NewCatalogServiceClient(g.Conn)),
		workspacegw.RegisterWorkspaceServiceHandlerClient(ctx, mux, g.workspace),
		admingw.RegisterAdminServiceHandlerClient(ctx, mux, adminv1.NewAdminServiceClient(g.Conn)),
		admingw.RegisterQueueServiceHandlerClient(ctx, mux, adminv1.NewQueueServiceClient(g.Conn)),
		admingw.RegisterStatusServiceHandlerClient(ctx, mux, adminv1.NewStatusServiceClient(g.Conn)),
		authgw.RegisterAuthServiceHandlerClient(ctx, mux, authv1.NewAuthServiceClient(g.Conn)),
		authgw.RegisterTokenServiceHandlerClient(ctx, mux, authv1.NewTokenServiceClient(g.Conn)),
		authgw.RegisterSessionServiceHandlerClient(ctx, mux, authv1.NewSessionServiceClient(g.Conn)),
		admingw.RegisterUserServiceHandlerClient(ctx, mux, adminv1.NewUserServiceClient(g.Conn)),
	} {
		if err != nil {
			return nil, fmt.Errorf("register the REST handlers: %w", err)
		}
	}
	return mux, nil
}

// handleError answers a call that failed before anything was sent.
//
//nolint:revive // the arguments are grpc-gateway's
func (g *gateway) handleError(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
	var p *problem
	if body, ok := r.Body.(*requestBody); ok && body.problem != nil {
		p = body.problem // the generated code made a text of it
	} else {
		p = g.problemOf(ctx, err)
	}
	if stream, ok := w.(*streamWriter); ok {
		stream.problem = p
		return
	}
	g.refuse(w, r, p)
}

// handleStreamError gives the error that ends a stream its form.
func (g *gateway) handleStreamError(ctx context.Context, err error) *status.Status {
	p := g.problemOf(ctx, err)
	if stream, ok := ctx.Value(streamKey{}).(*streamWriter); ok {
		stream.problem = p
	}
	noteProblem(ctx, p)
	return status.FromProto(p.status)
}

// handleRoutingError answers a request that the mux has no operation for.
//
//nolint:revive // the arguments are grpc-gateway's
func (g *gateway) handleRoutingError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, _ int) {
	verbs := g.operations.verbs(r.URL.Path)
	if len(verbs) == 0 {
		g.refuse(w, r, noRoute())
		return
	}
	w.Header().Set("Allow", strings.Join(verbs, ", "))
	g.refuse(w, r, methodNotAllowed())
}

// newJSONMarshaler writes and reads the contract's JSON.
//
// Fields with their zero value are written, so that a client can say
// `.jobs[]` or `.total.queued` without asking first; messages and optional
// fields that are unset are left out, because null would say less than absence.
func (g *gateway) newJSONMarshaler() *jsonMarshaler {
	return &jsonMarshaler{runtime.JSONPb{MarshalOptions: protojson.MarshalOptions{EmitDefaultValues: true}}, g.Turn}
}

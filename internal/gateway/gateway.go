// Package gateway speaks HTTP for the gRPC services: every answer it gives, be
// it a result, a stream, a file or a refusal, has the form that the published
// contract promises, and it decides nothing that the services could decide.
//
// A request takes one way. ServeHTTP guards (host, origin, deadlines, headers);
// files are read and written beside the mux, because they need ranges and exact
// paths; the rest goes through grpc-gateway's mux, whose middleware checks the
// query, the path and the body against the contract before a call is made.
// Calls go over one connection to the gRPC server, so that its interceptors
// authenticate and limit REST like any other caller.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/rs/cors"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// Config says what a gateway serves. Only Conn is needed.
type Config struct {
	// Conn reaches the gRPC server. It must accept messages as large as the
	// server sends (grpc.MaxCallRecvMsgSize).
	Conn grpc.ClientConnInterface
	// Caller is what calls tell the server about who sent a request, besides its
	// Authorization header. Nil tells nothing. What Caller writes is never mixed with
	// what a client sends: of a request's headers only those named in headers.go reach a call.
	Caller func(r *http.Request) metadata.MD
	// Admit is asked before anything is made of a request, its body included. Where it says no, the
	// request is refused with the wait that it answers. Nil admits all.
	Admit func(r *http.Request) (wait time.Duration, ok bool)
	// Authenticate refuses a request for an RPC, by its full name, of those who may not make it, before anything of its query
	// and its body is read. Its errors have a gRPC status. Nil leaves that to the RPC alone.
	Authenticate func(r *http.Request, method string) error
	// SizeOf says how many bytes and elements the body of an RPC may have. Nil, or no bytes, means MaxBodyBytes and no bound of elements.
	SizeOf func(method string) (bytes int64, elements int)
	// Decode is asked for room for what a body becomes, in bytes and elements. What it admits is given back by done. Nil admits all.
	Decode func(bytes, elements int) (done func(), ok bool)
	// Turn waits until a long response may be made JSON of, and returns what ends that. Nil does not wait.
	Turn func() (end func())
	// GRPC serves gRPC calls over connections that carry other requests, too. Nil refuses them.
	GRPC http.Handler
	// Services are the full names of the services of GRPC whose calls are also taken in gRPC-Web and Connect.
	Services []string
	// Done is told how each request ended. Nil tells nobody.
	Done func(r *http.Request, o Outcome)
	// Logger gets what clients are not told. Nil discards it.
	Logger *slog.Logger
	// Next serves the paths that are not of the API, such as the pages. Nil means
	// that there are none. It is guarded like the API.
	Next http.Handler
	// PathPrefix is the path below which a proxy publishes the server, for example
	// `/stint`. Requests are taken with and without it. Empty means none.
	PathPrefix string
	// NotLocal says why a request must not be served by a server that takes local callers without credentials; empty is for one
	// that may. Nil asks nobody.
	NotLocal func(r *http.Request) string
	// LoopbackOnly refuses requests that name a host other than this machine's
	// loopback. A server that lets local callers in without credentials needs
	// it: otherwise a web site whose name resolves to 127.0.0.1 is a local caller.
	LoopbackOnly bool
	// AllowedHosts are the host names, without port, that requests may name
	// besides those of the loopback. Empty allows all, unless LoopbackOnly is set.
	AllowedHosts []string
	// TrustedOrigins are origins such as `https://gateway.example.org` whose pages
	// may post across sites. A server behind a proxy that changes the Host
	// header needs its own public origin here.
	TrustedOrigins []string
	// EmbedOrigins are the sites whose pages may show the indicator: they get
	// its script, the counts and the watch with the user's cookie. See CheckOrigin.
	EmbedOrigins []string
	// ContentOrigin is the origin at which browsers show results with scripts, such as `https://results.example.org`: another
	// name of this server, at which there is nothing else. Empty means that they are saved instead. See CheckOrigin.
	ContentOrigin string
	// CORSOrigins are the sites whose pages may call with a bearer token: REST, gRPC-Web and Connect. See CheckOrigin.
	CORSOrigins []string
	// MaxBodyBytes limits a JSON body. 0 means 4 MiB, the limit of a gRPC message.
	MaxBodyBytes int64
	// ReadTimeout is how long a JSON body may take as a whole, and how long an
	// upload may stand still. 0 means 30 s.
	ReadTimeout time.Duration
	// WriteTimeout is how long a client may take to accept what is written to it
	// before it is cut off. 0 means 30 s.
	WriteTimeout time.Duration
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = 4 << 20
	}
	if c.ReadTimeout == 0 {
		c.ReadTimeout = 30 * time.Second
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = 30 * time.Second
	}
	if c.PathPrefix = strings.Trim(c.PathPrefix, "/"); c.PathPrefix != "" {
		c.PathPrefix = "/" + c.PathPrefix
	}
	return c
}

// gateway is the handler that New makes.
type gateway struct {
	Config

	jobs       jobsv1.JobServiceClient
	workspace  workspacev1.WorkspaceServiceClient
	mux        *runtime.ServeMux
	operations *operations
	documents  map[string]document // of OpenAPI, by path
	origins    *http.CrossOriginProtection
	calls      *calls
	translated http.Handler // calls in gRPC-Web and Connect; nil without GRPC
	refusals   *connect.ErrorWriter
	cors       *cors.Cors
	content    *contentOrigin // nil without Config.ContentOrigin
	compressed http.Handler   // serve, with compressed responses
}

// New makes the handler for the whole of a server's HTTP side: the API below
// `/v1`, its descriptions at `/openapi.json` and `/openapi-3.0.json`, and Config.Next for the rest. It
// must be the outermost handler, because it sets the deadlines of connections;
// NewServer makes a server that fits. It starts nothing.
func New(cfg Config) (http.Handler, error) {
	if cfg.Conn == nil {
		return nil, errors.New("make the gateway: no connection to the gRPC server")
	}
	g := &gateway{
		Config:    cfg.withDefaults(),
		jobs:      jobsv1.NewJobServiceClient(cfg.Conn),
		workspace: workspacev1.NewWorkspaceServiceClient(cfg.Conn),
	}
	var err error
	if g.operations, err = newOperations(); err != nil {
		return nil, err
	}
	if g.calls, err = newCalls(g.Services); err != nil {
		return nil, err
	}
	g.refusals = connect.NewErrorWriter()
	if g.GRPC != nil {
		if g.translated, err = g.newTranslator(); err != nil {
			return nil, err
		}
	}
	g.documents = newDocuments()
	if g.origins, err = newOrigins(g.TrustedOrigins); err != nil {
		return nil, err
	}
	g.cors = newCORS(g.CORSOrigins)
	if g.content, err = newContentOrigin(g.ContentOrigin); err != nil {
		return nil, err
	}
	for _, origin := range slices.Concat(g.EmbedOrigins, g.CORSOrigins) {
		if err := CheckOrigin(origin); err != nil {
			return nil, err
		}
	}
	if g.compressed, err = newCompressed(g.serve); err != nil {
		return nil, err
	}
	if g.mux, err = g.newMux(); err != nil {
		return nil, err
	}
	return g, nil
}

// ServeHTTP guards the request and hands it to the part that answers it.
func (g *gateway) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if g.GRPC != nil && isGRPC(r.Header) && !g.content.at(r) {
		g.serveGRPC(rw, r)
		return
	}
	if g.compresses(r.URL.Path) && !g.content.at(r) {
		g.compressed.ServeHTTP(rw, r)
		return
	}
	g.serve(rw, r)
}

// serve serves a request that is no gRPC call.
func (g *gateway) serve(rw http.ResponseWriter, r *http.Request) {
	w := newBoundedWriter(rw, g.WriteTimeout)
	defer w.finish()
	r, outcome := withOutcome(r)
	r, wasCall := withReached(r)
	defer func() {
		if !*wasCall {
			g.done(w, r, outcome)
		}
	}()
	defer g.recoverPanic(w, r)
	body := newBoundedBody(rw, r, g.ReadTimeout)
	defer body.finish()
	setSecurityHeaders(w.Header(), r)
	r = trimPrefix(r.WithContext(r.Context()), g.PathPrefix)
	r.Body = body
	if g.content.at(r) {
		g.serveContent(w, r)
		return
	}
	named, asked := g.isNamed(r), isPreflight(r)
	if named && !asked {
		g.cors.HandlerFunc(w, r)
	}
	if p := g.guard(r); p != nil {
		g.refuse(w, r, p)
		return
	}
	if named && asked {
		g.cors.HandlerFunc(w, r)
		return
	}
	if g.share(w, r) {
		return
	}
	switch path := r.URL.Path; {
	case g.documents[path].text != nil:
		g.serveDocument(w, r, g.documents[path])
	case g.translated != nil && g.calls.at(path):
		g.serveCall(w, r, body)
	case path == "/v1" || strings.HasPrefix(path, "/v1/"):
		g.serveAPI(w, r)
	case g.Next != nil && isPage(path) && !reads(r.Method):
		w.Header().Set("Allow", "GET, HEAD")
		g.refuse(w, r, methodNotAllowed())
	case g.Next != nil:
		g.Next.ServeHTTP(w, r)
	default:
		g.refuse(w, r, noRoute())
	}
}

// isPage reports whether a path that is not of the API is one of the pages. Signing in has its own.
func isPage(path string) bool { return !strings.HasPrefix(path, "/auth/") }

// reads reports whether a method changes nothing.
func reads(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// done tells how a request ended.
func (g *gateway) done(w *boundedWriter, r *http.Request, o *Outcome) {
	if o.Status = w.status; g.Done != nil {
		g.Done(r, *o)
	}
}

// recoverPanic makes a mistake in the program an error of one request. An answer
// that was begun is broken off.
func (g *gateway) recoverPanic(w *boundedWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	g.Logger.ErrorContext(r.Context(), "panic in a request", "method", r.Method, "path", r.URL.Path,
		"cause", cause, "stack", string(debug.Stack()))
	if w.begun {
		panic(http.ErrAbortHandler)
	}
	g.refuse(w, r, internalProblem())
}

// serveAPI answers what is below /v1.
func (g *gateway) serveAPI(w http.ResponseWriter, r *http.Request) {
	setAPIHeaders(w.Header())
	if p := checkRequestHeaders(r.Header); p != nil {
		g.refuse(w, r, p)
		return
	}
	if isTus(r) {
		g.serveTus(w, r)
		return
	}
	if route, ok := parseFileRoute(r.URL.EscapedPath()); ok && !(route.kind == workspaceFile && r.Method == http.MethodDelete) {
		g.serveFile(w, r, route)
		return
	}
	if r.Method == http.MethodHead { // as GET, of which net/http sends the header alone
		r = r.WithContext(context.WithValue(r.Context(), headKey{}, true))
		r.Method = http.MethodGet
	}
	g.mux.ServeHTTP(w, r)
}

// headKey marks a request for a header in its context.
type headKey struct{}

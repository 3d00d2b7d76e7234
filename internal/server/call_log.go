package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/stint-jobs/stint/internal/api"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/gateway"
	"github.com/stint-jobs/stint/internal/layers"
	"github.com/stint-jobs/stint/internal/limit"
)

// accessLogs are the values of --access-log.
var accessLogs = []string{"none", "errors", "all"}

const (
	// refusalsLogged is how many refusals have a line each second. How many had none is in the next line.
	refusalsLogged = 50
	// requestIDHeader is how a client or a proxy names a request, and is told its name.
	requestIDHeader = "X-Request-Id"
	// requestIDMetadata is the same in gRPC.
	requestIDMetadata = "x-request-id"
	// maxRequestID is how long a name is taken.
	maxRequestID = 128
)

// callLog has the lines of calls. Each call has at most one, when it has ended:
//
//   - msg=refused, at WARN, for who was not let in: 401, 403 and 429, whatever --access-log is;
//   - msg=call, for the others that --access-log wants.
//
// It is outside of all that refuses, so that nothing escapes it. REST is logged as the requests that it consists of and not
// as the calls that these make.
type callLog struct {
	log     *slog.Logger
	which   string // of accessLogs
	rate    *limit.Rates[struct{}]
	skipped atomic.Int64
	denied  [len(refusedCodes)]atomic.Uint64 // by the index of their code, with those that were skipped
}

func newCallLog(log *slog.Logger, which string) *callLog {
	return &callLog{log: log, which: which, rate: limit.NewRates[struct{}](limit.RateOptions{PerSecond: refusalsLogged, Burst: 2 * refusalsLogged})}
}

// callLine is what a line says.
type callLine struct {
	route, requestID, presented, address string
	who                                  auth.Principal
	code                                 codes.Code
	reason                               string
	http                                 int // 0 for gRPC
	took                                 time.Duration
	err                                  error
}

// layer writes the line of a gRPC call.
func (l *callLog) layer(c *layers.Call) (end func(error) error, err error) {
	begin := time.Now()
	return func(err error) error {
		if err == nil && l.which != "all" {
			return nil
		}
		l.ended(c, begin, err)
		return err
	}, nil
}

func (l *callLog) ended(c *layers.Call, begin time.Time, err error) {
	ctx := c.Context()
	line := callLine{route: c.Method, took: time.Since(begin), err: err, presented: auth.PresentedID(ctx), requestID: idOfCall(ctx)}
	line.who, _ = auth.FromContext(ctx)
	if p, ok := peer.FromContext(ctx); ok {
		if addr := addrOf(p.Addr); addr.IsValid() {
			line.address = addr.String()
		}
	}
	line.code, line.reason = api.Outcome(err)
	if err != nil {
		_ = grpc.SetTrailer(ctx, metadata.Pairs(requestIDMetadata, line.requestID)) // fails where the call is refused before it is one
	}
	l.write(ctx, line)
}

// refusedCodes has the codes of who is not let in, and refusedNames their names in the metric.
var (
	refusedCodes = [...]codes.Code{codes.Unauthenticated, codes.PermissionDenied, codes.ResourceExhausted}
	refusedNames = [len(refusedCodes)]string{"UNAUTHENTICATED", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED"}
)

// refusedAs returns the index in refusedCodes of a line of who is not let in, or -1 for another line. What is not of the API has a
// status of HTTP alone.
func (c *callLine) refusedAs() int {
	code := c.code
	switch c.http {
	case http.StatusUnauthorized:
		code = codes.Unauthenticated
	case http.StatusForbidden, http.StatusMisdirectedRequest:
		code = codes.PermissionDenied
	case http.StatusTooManyRequests:
		code = codes.ResourceExhausted
	}
	return slices.Index(refusedCodes[:], code)
}

// write writes the line, if it is to be written.
func (l *callLog) write(ctx context.Context, line callLine) {
	refused := line.refusedAs()
	failed := line.code != codes.OK && line.code != codes.Canceled || line.http >= http.StatusBadRequest
	switch {
	case refused >= 0:
		l.denied[refused].Add(1)
		if _, ok := l.rate.Take(struct{}{}); !ok {
			l.skipped.Add(1)
			return
		}
		attrs := line.attrs()
		if n := l.skipped.Swap(0); n > 0 {
			attrs = append(attrs, slog.Int64("skipped", n))
		}
		l.log.LogAttrs(ctx, slog.LevelWarn, "refused", attrs...)
	case l.which == "all" || l.which == "errors" && failed && !errors.Is(line.err, context.Canceled):
		l.log.LogAttrs(ctx, slog.LevelInfo, "call", line.attrs()...)
	}
}

func (c *callLine) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("route", c.route)}
	if c.code != codes.OK || c.http < http.StatusBadRequest { // of what is not of the API, HTTP's status says all
		attrs = append(attrs, slog.String("code", c.code.String()))
	}
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	if c.http != 0 {
		attrs = append(attrs, slog.Int("status", c.http))
	}
	credential := c.who.TokenID
	if credential == "" {
		credential = c.presented
	}
	text("reason", c.reason)
	text("user", c.who.User)
	text("actor", c.who.Actor)
	text("how", string(c.who.How))
	text("credential", credential)
	text("address", c.address)
	text("request_id", c.requestID)
	attrs = append(attrs, slog.Float64("duration_ms", float64(c.took.Microseconds())/1000))
	if c.err != nil {
		text("error", c.err.Error())
	}
	return attrs
}

// idOfCall is the name of a call, as its client gives it, or a new one.
func idOfCall(ctx context.Context) string {
	if values := metadata.ValueFromIncomingContext(ctx, requestIDMetadata); len(values) == 1 && validRequestID(values[0]) {
		return values[0]
	}
	return newRequestID()
}

func newRequestID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}

func validRequestID(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return id != "" && len(id) <= maxRequestID
}

// requestKey finds the request in the context of an HTTP request.
type requestKey struct{}

// request is what becomes known of an HTTP request while it is served.
type request struct {
	begin time.Time
	id    string
	who   *auth.Principal // nil while nobody is known
}

// begin names a request over HTTP. It is outermost.
func (l *callLog) begin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if !validRequestID(id) {
			id = newRequestID()
		}
		w.Header().Set(requestIDHeader, id)
		r.Header.Set(requestIDHeader, id) // for what is inside: a gRPC call has it in its metadata
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, &request{begin: time.Now(), id: id})))
	})
}

// done writes the line of a request over HTTP.
func (l *callLog) done(r *http.Request, o gateway.Outcome) {
	known, ok := r.Context().Value(requestKey{}).(*request)
	if !ok {
		return
	}
	line := callLine{
		route: o.Route, requestID: known.id, presented: auth.PresentedIDOf(r), code: o.Code, reason: o.Reason, http: o.Status, took: time.Since(known.begin),
	}
	if known.who != nil {
		line.who = *known.who
	}
	if addr, ok := parseHost(r.RemoteAddr); ok {
		line.address = addr.String()
	}
	l.write(r.Context(), line)
}

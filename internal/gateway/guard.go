package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/stint-jobs/stint/internal/reason"
)

const (
	// maxStreams is how many requests one HTTP/2 connection may have at a time.
	maxStreams = 250 // as the listener says beforehand
	// streamWindow is how much of a body may be on its way.
	streamWindow = 64 << 10
)

// NewServer makes the http.Server that a gateway is written for. Requests end
// when ctx does; end streams there before Shutdown, which waits for them.
// Bodies and answers are bounded by the gateway request by request, so the server has no
// timeout for a whole request: it would end every stream.
func NewServer(ctx context.Context, h http.Handler, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true) // with prior knowledge, as proxies speak it
	return &http.Server{
		Handler:           h,
		Protocols:         protocols,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		// A filter of 100,000 characters, each of them escaped, still reaches
		// the service that refuses it with the right words.
		MaxHeaderBytes: 512 << 10,
		// gRPC calls share a connection, a proxy's that of everybody. One whose window holds fewer streams than it has would let
		// some uploads that nobody reads stop all the others.
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerStream: streamWindow, MaxReceiveBufferPerConnection: maxStreams * streamWindow,
			SendPingTimeout: time.Minute, PingTimeout: 20 * time.Second,
		},
		BaseContext: func(net.Listener) context.Context { return ctx },
		// Clients that break off or speak nonsense. The gateway logs panics itself.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// setSecurityHeaders sets what holds for every answer. Pages replace the policy by their own.
func setSecurityHeaders(h http.Header, r *http.Request) {
	h.Set("X-Content-Type-Options", "nosniff")
	// Not no-referrer: with that, browsers send no usable Origin with a form.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	// A page that another site opened is not that site's to hold on to.
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", permissions)
	if r.TLS != nil {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// permissions turns off what no page of this server uses, in frames too.
const permissions = "accelerometer=(), autoplay=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), " +
	"microphone=(), midi=(), payment=(), publickey-credentials-get=(), screen-wake-lock=(), usb=(), xr-spatial-tracking=()"

// setAPIHeaders sets what holds for every answer of the API.
func setAPIHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// trimPrefix takes the prefix that a proxy publishes the server under off the request's path.
func trimPrefix(r *http.Request, prefix string) *http.Request {
	path, ok := strings.CutPrefix(r.URL.Path, prefix)
	raw, rawOK := strings.CutPrefix(r.URL.RawPath, prefix)
	if prefix == "" || !ok || (path != "" && path[0] != '/') || (r.URL.RawPath != "" && !rawOK) {
		return r
	}
	trimmed := *r
	trimmed.URL = new(url.URL)
	*trimmed.URL = *r.URL
	trimmed.URL.Path, trimmed.URL.RawPath = path, raw
	if path == "" {
		trimmed.URL.Path = "/"
	}
	return &trimmed
}

// guard refuses requests of those who send too many, that a browser was tricked into, and what is no REST request at all.
func (g *gateway) guard(r *http.Request) *problem {
	if p := g.admit(r); p != nil {
		return p
	}
	byBearer := g.byBearer(r)
	switch {
	case !strings.HasPrefix(r.URL.Path, "/"):
		return noRoute()
	case !g.hostAllowed(r.Host):
		return newProblem(reason.HostNotAllowed,
			fmt.Sprintf("This server does not answer to the host name %q.", clip(r.Host, 100)))
	case !byBearer && g.origins.Check(r) != nil:
		return newProblem(reason.CrossSite, "Requests that change something are not taken from pages of other sites.")
	case !byBearer && g.foreign(r) != nil:
		return g.foreign(r)
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") && (g.GRPC == nil || !isGRPC(r.Header) && !g.calls.at(r.URL.Path)):
		return newProblem(reason.GRPCNotHere,
			"There is no call at this path: calls are made at /SERVICE/METHOD, such as /stint.jobs.v1.JobService/Get.")
	}
	return nil
}

// admit refuses requests of those who send too many, or who are not the local user that the server is for.
func (g *gateway) admit(r *http.Request) *problem {
	if g.Admit != nil {
		if wait, ok := g.Admit(r); !ok {
			return newProblem(reason.RateLimited, "Too many requests come from your address. Send fewer a second.",
				&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
		}
	}
	if g.NotLocal != nil {
		if why := g.NotLocal(r); why != "" {
			return newProblem(reason.DevelopmentMode, why)
		}
	}
	return nil
}

// hostAllowed reports whether requests may name the host.
func (g *gateway) hostAllowed(hostport string) bool {
	if !g.LoopbackOnly && len(g.AllowedHosts) == 0 {
		return true
	}
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if addr, err := netip.ParseAddr(host); err == nil && addr.Unmap().IsLoopback() {
		return true
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") ||
		slices.ContainsFunc(g.AllowedHosts, func(allowed string) bool { return strings.EqualFold(allowed, host) })
}

func newOrigins(trusted []string) (*http.CrossOriginProtection, error) {
	origins := http.NewCrossOriginProtection()
	for _, origin := range trusted {
		if err := origins.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("trust origin %q: %w", origin, err)
		}
	}
	return origins, nil
}

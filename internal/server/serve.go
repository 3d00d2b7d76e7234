package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // clients compress when they like; what comes out is bounded as if it had come so
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/test/bufconn"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/api"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/api/validate"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/gateway"
	"github.com/stint-jobs/stint/internal/layers"
	"github.com/stint-jobs/stint/internal/warm"
	"github.com/stint-jobs/stint/internal/webui"
)

const (
	// maxMessage is the largest message that is received, maxResponse the largest sent.
	maxMessage  = api.MaxMessage
	maxResponse = page.MaxAnswer
	// streamWorkers are goroutines that wait for calls, each with the stack that the one before needed: growing one
	// anew for each call costs a twentieth of it. Calls for which there is none, as beside many watches, get their own.
	streamWorkers = 512
	// keptGoroutines are for unary calls beside so many streams that half of those workers may be theirs.
	keptGoroutines = 512
	// maxStreams bounds the calls on one connection.
	maxStreams = 1000
	// memoryWindow is how far ahead of their readers REST's streams may be.
	memoryWindow = 256 << 10
	// callWindow is how far ahead of the server a gRPC connection's requests may be. One that grows by itself, to 16 MB,
	// asks the client for its round-trip time with nearly every call, which wakes both for an answer to nothing.
	callWindow = 1 << 20
	// maxHeaderList bounds the metadata of a call; a token of the largest issuers has a quarter of it.
	maxHeaderList = 64 << 10
)

// front is what listens.
type front struct {
	*server
	health    *health.Server
	grpc      *grpc.Server // for everybody
	web       *grpc.Server // for clients that may send REST on the same connection; served by net/http
	memory    *grpc.Server // for the gateway
	local     *grpc.Server // for the operator's socket
	http      *http.Server
	debug     *http.Server // profiles, on a socket of their own
	misplaced *http.Server // what comes to the port for gRPC and is none; nil without that port
	metrics   *grpcprom.ServerMetrics
	limits    *limits
	kept      *warm.Pool
	decodes   *api.Decoding
	validator *validate.Validator
	calls     *callLog
	streams   context.CancelFunc // ends the requests of HTTP
	wg        sync.WaitGroup
	failed    chan error
}

// serve listens, says so, and serves until ctx ends.
func (s *server) serve(ctx context.Context) error {
	f := &front{server: s, health: health.NewServer(), failed: make(chan error, 8), metrics: grpcprom.NewServerMetrics(), kept: warm.New(keptGoroutines), decodes: api.NewDecoding(), calls: newCallLog(s.log, s.cfg.AccessLog)}
	defer f.kept.Close()
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	transport, err := s.cfg.TLS.open(s.log)
	if err != nil {
		return err
	}
	l, socket, profiles, err := f.listen()
	if err != nil {
		return err
	}
	calls, err := f.listenGRPC()
	if err != nil {
		return errors.Join(err, l.Close(), socket.Close(), profiles.Close())
	}
	s.address = l.Addr()
	s.logReports()
	if err := f.build(background); err != nil {
		if calls != nil {
			err = errors.Join(err, calls.Close())
		}
		return errors.Join(err, l.Close(), socket.Close(), profiles.Close())
	}
	split := NewSplit(f.limits.bound(l), SplitOptions{TLS: transport, MaxUndecided: maxUndecided(), Proxy: f.limits.isProxy})
	f.run("split the port", func() error { return split.Run(background) })
	f.run("serve gRPC", func() error { return f.grpc.Serve(split.GRPC()) })
	f.runGRPCPort(background, calls, transport)
	f.run("serve the operator's socket", func() error { return f.local.Serve(socket) })
	f.run("serve profiles", func() error { return serveProfiles(f.debug, profiles) })
	f.run("serve HTTP", func() error { return notClosed(f.http.Serve(split.HTTP())) })
	for name, c := range s.clusters {
		f.run("follow the cluster "+name, func() error { return c.Run(background) })
	}
	f.run("schedule", func() error { return s.scheduler.Run(background) })
	f.run("watch the disk", func() error { return f.space.run(background) })
	f.runUpkeep(background)
	f.healthy()
	for _, address := range s.cfg.addresses() {
		if !s.cfg.TLS.enabled() && !auth.Loopback(address) {
			s.log.Warn("connections are not encrypted: whoever is on the network reads tokens and data (--insecure-plaintext)", "address", address)
		}
	}
	s.log.Info("serving", "address", l.Addr().String(), "scheme", s.cfg.TLS.scheme(), "auth", string(s.mode), "version", s.cfg.Version)
	fmt.Fprintf(s.std.Out, "stintd is serving on %s://%s\n", s.cfg.TLS.scheme(), l.Addr())

	select {
	case <-ctx.Done():
		err = nil
	case err = <-f.failed:
	}
	f.drain()
	stop()
	f.wg.Wait()
	return err
}

// runUpkeep runs what nobody calls for.
func (f *front) runUpkeep(background context.Context) {
	s := f.server
	f.run("watch the store", func() error { return f.watchStore(background) })
	f.run("note how far the store is", func() error { s.notes.run(background); return nil })
	f.run("keep the services current", func() error { s.reloadOnHangup(background); return nil })
	f.run("keep the audit", func() error { s.keepAudit(background); return nil })
	j := newJanitor(s.store, s.folders, s.log)
	f.run("delete old jobs", func() error { s.retain(background, j); return nil })
	f.run("remove what deleted jobs leave", func() error { return j.Run(background) })
	f.run("drop old uploads", func() error { s.dropUploads(background); return nil })
	if s.backups != nil {
		f.run("back up the store", func() error { return s.backups.Run(background) })
	}
	if s.oidc != nil {
		f.run("find the issuer", func() error { return s.oidc.Run(background) })
	}
	if s.sessions != nil {
		f.run("end old sessions", func() error { return s.sessions.Run(background) })
	}
	f.run("note the uses of tokens", func() error { return s.auth.Run(background, s.log) })
	f.run("pass on reports", func() error { return s.reports.Run(background) })
}

// services are the full names of a server's services, sorted.
func services(g *grpc.Server) []string { return slices.Sorted(maps.Keys(g.GetServiceInfo())) }

// maxUndecided leaves half of the files that may be open to connections that speak.
// All watchers come back at once after a restart, and on a busy machine are heard late: many must be let wait.
func maxUndecided() int {
	const most, least = 16 << 10, 256
	return max(least, min(most, openFiles()/2))
}

// openFiles is how many files the process may have open.
func openFiles() int {
	const most = 1 << 20
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return int(min(most, limit.Cur)) //nolint:gosec // at most most
}

// run runs a part until it returns; a part that fails ends the server.
func (f *front) run(what string, part func() error) {
	f.wg.Go(func() {
		if err := part(); err != nil {
			select {
			case f.failed <- fmt.Errorf("%s: %w", what, err):
			default:
			}
		}
	})
}

func notClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (f *front) listen() (port, socket, profiles net.Listener, err error) {
	port, err = net.Listen("tcp", f.cfg.Listen) //nolint:noctx // listening does not block
	if err != nil {
		return nil, nil, nil, fmt.Errorf("listen on %s: %w", f.cfg.Listen, err)
	}
	socket, err = listenSocket(f.cfg.folders().state, socketName)
	if err != nil {
		return nil, nil, nil, errors.Join(err, port.Close())
	}
	profiles, err = listenSocket(f.cfg.folders().state, debugSocketName)
	if err != nil {
		return nil, nil, nil, errors.Join(err, port.Close(), socket.Close())
	}
	return port, socket, profiles, nil
}

// build makes the servers. REST reaches the gRPC server over a connection in
// memory, so that the same interceptors see it.
func (f *front) build(ctx context.Context) (err error) {
	if f.limits, err = newLimits(f.cfg.Limits, f.mode == auth.ModeDev, openFiles()); err != nil {
		return err
	}
	if f.validator, err = api.NewValidator(); err != nil {
		return err
	}
	f.grpc = f.newGRPC(SplitCredentials(), fromNetwork(f.limits), grpc.InTapHandle(f.screen),
		grpc.MaxConcurrentStreams(maxStreams), grpc.NumStreamWorkers(streamWorkers),
		grpc.StaticStreamWindowSize(callWindow), grpc.StaticConnWindowSize(callWindow),
		grpc.MaxHeaderListSize(maxHeaderList), grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: time.Minute, Timeout: 20 * time.Second, MaxConnectionIdle: 10 * time.Minute,
		}))
	f.web = f.newGRPC(SplitCredentials(), fromWeb(f.limits), grpc.StatsHandler(takenMessages{}), grpc.MaxHeaderListSize(maxHeaderList))
	f.local = f.newGRPC(auth.SocketCreds(), fromNowhere, grpc.MaxConcurrentStreams(maxStreams))
	responses := newHandover()
	f.memory = f.newGRPC(auth.MemoryCreds(), fromGateway, grpc.StaticStreamWindowSize(memoryWindow), // all of REST is one connection of its
		grpc.ChainUnaryInterceptor(responses.server))
	f.metrics.InitializeMetrics(f.grpc)
	memory := bufconn.Listen(1 << 20)
	f.run("serve REST's calls", func() error { return f.memory.Serve(memory) })
	conn, err := grpc.NewClient("passthrough:///memory",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxResponse)), grpc.WithUnaryInterceptor(responses.client),
		// By itself the window grows to 16 MB, and each download whose client does not read would hold as much.
		grpc.WithStaticStreamWindowSize(memoryWindow),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return memory.DialContext(ctx) }))
	if err != nil {
		return err
	}
	f.closeLater(conn.Close)
	reg := newRegistry(&stintCollector{store: f.store, scheduler: f.scheduler, limits: f.limits, calls: f.calls, decisions: f.decisions, backups: f.backups})
	reg.MustRegister(f.metrics)
	pages, err := webui.New(webui.Config{PathPrefix: f.cfg.PathPrefix, EmbedOrigins: f.cfg.EmbedOrigins, ContentOrigin: f.cfg.ContentOrigin, Site: f.cfg.Site})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", f.healthz)
	mux.Handle("GET /metrics", metricsHandler(reg, func(r *http.Request) (auth.Principal, error) {
		return f.limits.authenticate(r, func() (auth.Principal, error) { return f.auth.AuthenticateRequest(r) })
	}))
	mux.Handle("/", pages)
	if f.signIn != nil {
		mux.Handle("/auth/", withAddress(f.signIn))
	}
	var local func(*http.Request) string
	if f.mode == auth.ModeDev {
		local = notLocal
	}
	handler, err := gateway.New(gateway.Config{
		Conn: conn, NotLocal: local, GRPC: asAdmitted(f.limits.payAsRead(paced(f.web))), Services: services(f.web), Caller: f.auth.CallerMetadata, Admit: f.limits.admitRequest, Authenticate: f.admit, SizeOf: sizeOf, Decode: f.decode, Turn: f.turns.Take, Done: f.calls.done, Logger: f.log, Next: mux, PathPrefix: f.cfg.PathPrefix, LoopbackOnly: f.mode == auth.ModeDev,
		AllowedHosts: f.cfg.AllowedHosts, TrustedOrigins: f.cfg.TrustedOrigins, EmbedOrigins: f.cfg.EmbedOrigins, ContentOrigin: f.cfg.ContentOrigin, CORSOrigins: f.cfg.CORSOrigins, MaxBodyBytes: maxMessage,
	})
	if err != nil {
		return err
	}
	requests, cancel := context.WithCancel(ctx)
	f.streams = cancel
	f.http = gateway.NewServer(requests, knowTLS(f.calls.begin(f.limits.front(handler))), f.log)
	f.http.ConnContext = withConn
	f.debug = newProfiles()
	return nil
}

// newGRPC makes a gRPC server with all services. from tells where its callers are.
func (f *front) newGRPC(creds credentials.TransportCredentials, from origin, more ...grpc.ServerOption) *grpc.Server {
	around := append(f.around(from), api.Known, f.auth.Layer, f.limits.user, f.decodes.Layer, f.limits.received,
		f.limits.announced, f.space.layer, api.Validated(f.validator), f.audited.layer, api.Audited(f.store))
	g := grpc.NewServer(append(more,
		grpc.Creds(creds),
		grpc.ForceServerCodecV2(api.Codec(f.decodes)),
		grpc.ChainUnaryInterceptor(f.metrics.UnaryServerInterceptor(), layers.Unary(around...)),
		grpc.ChainStreamInterceptor(f.metrics.StreamServerInterceptor(), layers.Stream(around...)),
		grpc.UnknownServiceHandler(api.RefuseUnknown),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxSendMsgSize(maxResponse),
		grpc.ConnectionTimeout(20*time.Second),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	)...)
	services := api.Registrar(g, api.Goroutines{Kept: f.kept, Streams: streamWorkers / 2, Decoding: f.decodes})
	jobsv1.RegisterJobServiceServer(services, f.api.Jobs)
	catalogv1.RegisterCatalogServiceServer(services, f.api.Catalog)
	workspacev1.RegisterWorkspaceServiceServer(services, f.api.Workspace)
	adminv1.RegisterAdminServiceServer(services, f.api.Admin)
	adminv1.RegisterQueueServiceServer(services, f.api.Queue)
	adminv1.RegisterStatusServiceServer(services, f.api.Status)
	authv1.RegisterAuthServiceServer(services, f.api.Auth)
	authv1.RegisterTokenServiceServer(services, f.api.Tokens)
	authv1.RegisterSessionServiceServer(services, f.api.Sessions)
	adminv1.RegisterUserServiceServer(services, f.api.Users)
	healthpb.RegisterHealthServer(services, f.health)
	reflection.Register(g)
	return g
}

// watchStore returns an error when the store can no longer save, which ends the server: its supervisor starts it again,
// and jobs go on meanwhile.
func (f *front) watchStore(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-f.store.Failed():
		f.health.Shutdown()
		return f.store.Healthy()
	}
}

// drain ends what is served: streams are told to come back, calls get a bounded time.
func (f *front) drain() {
	f.log.Info("stopping")
	f.health.Shutdown()
	close(f.draining)
	f.api.Drain()
	f.reports.stop()
	ctx, cancel := context.WithTimeout(context.Background(), f.cfg.DrainTimeout)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var wg sync.WaitGroup
		wg.Go(f.grpc.GracefulStop)
		wg.Go(f.memory.GracefulStop)
		wg.Go(f.local.GracefulStop)
		if f.misplaced != nil {
			wg.Go(func() { _ = f.misplaced.Shutdown(ctx) })
		}
		wg.Go(func() {
			_ = f.http.Shutdown(ctx)
			f.web.Stop() // GracefulStop would cut the calls that net/http has
		})
		wg.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		f.log.Warn("calls did not end in time; cutting them off")
		f.streams()
		f.grpc.Stop()
		f.web.Stop()
		f.memory.Stop()
		f.local.Stop()
		_ = f.http.Close()
		if f.misplaced != nil {
			_ = f.misplaced.Close()
		}
		<-done
	}
	f.streams()
	_ = f.debug.Close() // last, so that a slow end can be looked at
}

package cli

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

const (
	defaultServer = "127.0.0.1:8421"
	defaultPort   = "8421"
	// mostMessage is the largest answer taken: a page of jobs in full can exceed gRPC's own 4 MiB.
	mostMessage = 64 << 20
)

// link is how to get to the server.
type link struct {
	server    string
	tokenFile string
	caFile    string
	certFile  string
	keyFile   string
	actFor    string
	tls       bool
	insecure  bool
	timeout   time.Duration
}

func (l *link) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&l.server, "server", envOr("STINT_SERVER", defaultServer), "server, as HOST:PORT (env STINT_SERVER)")
	flags.StringVar(&l.tokenFile, "token-file", os.Getenv("STINT_TOKEN_FILE"), "file with your token, for which the default is "+tokenFileHelp+"; the variable STINT_TOKEN gives the token itself")
	flags.BoolVar(&l.tls, "tls", envBool("STINT_TLS"), "use TLS also to this machine (env STINT_TLS)")
	flags.StringVar(&l.caFile, "ca-file", os.Getenv("STINT_CA_FILE"), "trust the certificate authorities in this PEM file instead of the system's (env STINT_CA_FILE)")
	flags.StringVar(&l.certFile, "cert-file", os.Getenv("STINT_CERT_FILE"), "show the client certificate in this PEM file (env STINT_CERT_FILE)")
	flags.StringVar(&l.keyFile, "key-file", os.Getenv("STINT_KEY_FILE"), "key of the client certificate, in PEM form (env STINT_KEY_FILE)")
	flags.StringVar(&l.actFor, "act-for", os.Getenv("STINT_ACT_FOR"), "call as this user; for service accounts (env STINT_ACT_FOR)")
	flags.BoolVar(&l.insecure, "insecure", envBool("STINT_INSECURE"), "do not encrypt the connection to another machine (env STINT_INSECURE)")
	flags.DurationVar(&l.timeout, "timeout", 30*time.Second, "longest wait for one answer")
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

func envBool(name string) bool {
	on, err := strconv.ParseBool(os.Getenv(name))
	return err == nil && on
}

// address is the server as messages name it.
func (l *link) address() string {
	if t, err := l.target(); err == nil {
		return t.hostPort
	}
	return l.server
}

// target is where to connect and how.
type target struct {
	hostPort string
	tls      bool
	loopback bool
}

// target reads the server's address: HOST:PORT, HOST, or with http:// or
// https:// before it. To another machine it is TLS unless --insecure says otherwise.
func (l *link) target() (target, error) {
	rest, scheme := l.server, ""
	if before, after, ok := strings.Cut(rest, "://"); ok {
		scheme, rest = before, strings.TrimSuffix(after, "/")
	}
	host, port, err := splitHostPort(rest)
	if err != nil {
		return target{}, usagef("--server %q is no HOST:PORT: %v", l.server, err)
	}
	t := target{hostPort: net.JoinHostPort(host, port), loopback: isLoopback(host)}
	switch {
	case scheme != "" && scheme != "http" && scheme != "https":
		return target{}, usagef("--server %q: the scheme may be http or https", l.server)
	case l.insecure && (l.tls || scheme == "https"):
		return target{}, usagef("--insecure and TLS exclude each other")
	case l.tls && scheme == "http":
		return target{}, usagef("--tls and http:// exclude each other")
	case scheme == "http" && !t.loopback && !l.insecure:
		return target{}, usagef("%s is another machine: use https://, or --insecure for a connection that is not encrypted", t.hostPort)
	}
	t.tls = l.tls || scheme == "https" || (l.caFile != "" || l.certFile != "") && scheme != "http" && !l.insecure || !t.loopback && !l.insecure
	return t, nil
}

func splitHostPort(s string) (host, port string, err error) {
	s = strings.TrimSuffix(s, "/") // of a URL
	if s == "" || strings.ContainsAny(s, "/ ") {
		return "", "", fmt.Errorf("there is no host in it")
	}
	if addr, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return addr.String(), defaultPort, nil
	}
	if !strings.Contains(s, ":") {
		return s, defaultPort, nil
	}
	host, port, err = net.SplitHostPort(s)
	if err != nil {
		return "", "", err
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", "", fmt.Errorf("the port must be from 1 to 65535")
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return host, port, nil
}

// isLoopback reports whether host is this machine for certain.
func isLoopback(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// connect makes the connection that all verbs of this run share. Nothing is
// sent until the first call.
func (a *app) connect() (*grpc.ClientConn, error) {
	if a.conn != nil {
		return a.conn, nil
	}
	t, err := a.link.target()
	if err != nil {
		return nil, err
	}
	transport, err := a.link.transport(t)
	if err != nil {
		return nil, err
	}
	creds, err := a.credentials(t)
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithUserAgent("stint/" + version()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(mostMessage)),
		// The retries here decide when to try again; gRPC's own wait must not be longer than theirs.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           grpcbackoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, MaxDelay: time.Second},
			MinConnectTimeout: 10 * time.Second,
		}),
		// Finds out about a peer that is gone without a word while a watch is quiet.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute, Timeout: 20 * time.Second}),
	}
	if creds != nil {
		if !t.tls && !t.loopback {
			fmt.Fprintln(a.err, "stint: warning: your token crosses the network unencrypted (--insecure)")
		}
		options = append(options, grpc.WithPerRPCCredentials(creds))
	}
	if a.link.actFor != "" && !a.anonymous {
		options = append(options, grpc.WithPerRPCCredentials(actFor{user: a.link.actFor, plaintext: !t.tls}))
	}
	a.conn, err = grpc.NewClient("dns:///"+t.hostPort, options...)
	if err != nil {
		return nil, usagef("--server %q: %v", a.link.server, err)
	}
	return a.conn, nil
}

func (l *link) transport(t target) (credentials.TransportCredentials, error) {
	if !t.tls {
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if l.caFile != "" {
		pem, err := os.ReadFile(l.caFile)
		if err != nil {
			return nil, usagef("--ca-file: %v", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usagef("--ca-file %s holds no certificate in PEM form", l.caFile)
		}
	}
	if l.certFile != "" || l.keyFile != "" {
		if l.certFile == "" || l.keyFile == "" {
			return nil, usagef("--cert-file and --key-file go together")
		}
		cert, err := tls.LoadX509KeyPair(l.certFile, l.keyFile)
		if err != nil {
			return nil, usagef("--cert-file and --key-file: %v", err)
		}
		config.Certificates = []tls.Certificate{cert}
	}
	return credentials.NewTLS(config), nil
}

func (a *app) jobs() (jobsv1.JobServiceClient, error) {
	conn, err := a.connect()
	return jobsv1.NewJobServiceClient(conn), err
}

func (a *app) catalog() (catalogv1.CatalogServiceClient, error) {
	conn, err := a.connect()
	return catalogv1.NewCatalogServiceClient(conn), err
}

func (a *app) workspace() (workspacev1.WorkspaceServiceClient, error) {
	conn, err := a.connect()
	return workspacev1.NewWorkspaceServiceClient(conn), err
}

func (a *app) tokens() (authv1.TokenServiceClient, error) {
	conn, err := a.connect()
	return authv1.NewTokenServiceClient(conn), err
}

func (a *app) sessions() (authv1.SessionServiceClient, error) {
	conn, err := a.connect()
	return authv1.NewSessionServiceClient(conn), err
}

func (a *app) usersService() (adminv1.UserServiceClient, error) {
	conn, err := a.connect()
	return adminv1.NewUserServiceClient(conn), err
}

func (a *app) queueService() (adminv1.QueueServiceClient, error) {
	conn, err := a.connect()
	return adminv1.NewQueueServiceClient(conn), err
}

func (a *app) statusService() (adminv1.StatusServiceClient, error) {
	conn, err := a.connect()
	return adminv1.NewStatusServiceClient(conn), err
}

func (a *app) admin() (adminv1.AdminServiceClient, error) {
	conn, err := a.connect()
	return adminv1.NewAdminServiceClient(conn), err
}

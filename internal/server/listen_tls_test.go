package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/test/bufconn"
)

// newCertificate makes a certificate for 127.0.0.1 and the pool that trusts it.
func newCertificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "test"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestSplitTellsTLSClientsApartByWhatTheyOffer(t *testing.T) {
	checkLeaks(t)
	certificate, pool := newCertificate(t)
	for _, test := range []struct {
		name   string
		config *tls.Config
	}{
		{"one configuration", &tls.Config{Certificates: []tls.Certificate{certificate}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := listenLoopback(t)
			s := runSplit(t, l, SplitOptions{TLS: test.config})
			serveHealth(t, s.GRPC(), grpc.Creds(SplitCredentials()))
			serveProtocol(t, s.HTTP())

			conn, err := grpc.NewClient("passthrough:///"+l.Addr().String(),
				grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
				t.Errorf("gRPC: %v", err)
			}
			for _, web := range []struct {
				offer []string
				want  string
			}{
				{nil, "HTTP/1.1 tls=true"},
				{[]string{"http/1.1"}, "HTTP/1.1 tls=true"},
				{[]string{"h2", "http/1.1"}, "HTTP/2.0 tls=true"},
				{[]string{"h2"}, "HTTP/2.0 tls=true"},
			} {
				transport := &http.Transport{
					TLSClientConfig:   &tls.Config{RootCAs: pool, NextProtos: web.offer},
					ForceAttemptHTTP2: slices.Contains(web.offer, "h2"),
				}
				if got := get(t, transport, "https://"+l.Addr().String()); got != web.want {
					t.Errorf("a client that offers %v was served as %q, want %q", web.offer, got, web.want)
				}
				transport.CloseIdleConnections()
			}
		})
	}
}

func get(t *testing.T, transport *http.Transport, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestSplitBoundsTheHandshake(t *testing.T) {
	certificate, _ := newCertificate(t)
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		runSplit(t, l, SplitOptions{TLS: &tls.Config{Certificates: []tls.Certificate{certificate}}, Timeout: 7 * time.Second})
		start := time.Now()
		if client := l.dial(); !isClosed(client) {
			t.Error("a client that does not shake hands is still connected")
		}
		if waited := time.Since(start); waited != 7*time.Second {
			t.Errorf("it was dropped after %v, want 7s", waited)
		}
		plain := l.dial()
		go func() { _, _ = io.WriteString(plain, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") }()
		if answer, _ := io.ReadAll(plain); len(answer) > 64 {
			t.Errorf("plaintext was answered with %q", answer)
		}
	})
}

// peerServer answers with nothing and keeps what it learned of its peer.
type peerServer struct {
	healthpb.UnimplementedHealthServer

	peers chan credentials.AuthInfo
}

func (s *peerServer) Check(ctx context.Context, _ *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	p, _ := peer.FromContext(ctx)
	s.peers <- p.AuthInfo
	return &healthpb.HealthCheckResponse{}, nil
}

func TestSplitCredentialsTellWhoThePeerIs(t *testing.T) {
	checkLeaks(t)
	certificate, pool := newCertificate(t)
	l := listenLoopback(t)
	s := runSplit(t, l, SplitOptions{TLS: &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequestClientCert}})
	memory := bufconn.Listen(1 << 16)
	handler := &peerServer{peers: make(chan credentials.AuthInfo, 1)}
	server := grpc.NewServer(grpc.Creds(SplitCredentials()))
	healthpb.RegisterHealthServer(server, handler)
	done := make(chan struct{}, 2)
	for _, l := range []net.Listener{s.GRPC(), memory} {
		go func() { _ = server.Serve(l); done <- struct{}{} }()
	}
	defer func() { server.Stop(); <-done; <-done }()

	check := func(target string, options ...grpc.DialOption) credentials.AuthInfo {
		t.Helper()
		conn, err := grpc.NewClient("passthrough:///"+target, options...)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
			t.Fatal(err)
		}
		return <-handler.peers
	}

	info, ok := check(l.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(
		&tls.Config{RootCAs: pool, ServerName: "127.0.0.1", Certificates: []tls.Certificate{certificate}}))).(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) != 1 || info.SecurityLevel != credentials.PrivacyAndIntegrity {
		t.Errorf("over TLS the peer is %+v, want its certificate and a private connection", info)
	}
	inMemory := check("memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return memory.DialContext(ctx) }))
	if got := inMemory.AuthType(); got != "insecure" {
		t.Errorf("in memory the peer is of type %q, want insecure", got)
	}
}

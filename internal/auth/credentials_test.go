package auth

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// withHooks is a fixture that knows a JWT, a session and a job's token.
func withHooks(t *testing.T, mode Mode) *fixture {
	t.Helper()
	f := newFixture(t, mode)
	hook := func(good string, p Principal) func(context.Context, string) (Principal, error) {
		return func(_ context.Context, text string) (Principal, error) {
			if text != good {
				return Principal{}, errUnknown
			}
			return p, nil
		}
	}
	f.auth.cfg.JWT = hook("a.b.c", Principal{User: "jo", Roles: []Role{RoleUser}, How: HowOIDC})
	f.auth.cfg.Session = hook("cookie", Principal{User: "sam", Roles: []Role{RoleUser}, How: HowSession, TokenID: "s1"})
	f.auth.cfg.Job = hook("stintjob_1", Principal{User: "kim", Roles: []Role{RoleJob}, How: HowJob, Job: 7})
	return f
}

func TestWhichCredentialsCount(t *testing.T) {
	for _, mode := range []Mode{ModeToken, ModeDev} {
		f := withHooks(t, mode)
		_, token := f.token(t, Grant{User: "alice"})
		for _, c := range []struct {
			name         string
			given        Credentials
			user, reason string
		}{
			{"an API token", Credentials{Authorization: []string{"Bearer " + token}}, "alice", ""},
			{"a JWT", Credentials{Authorization: []string{"Bearer a.b.c"}}, "jo", ""},
			{"another JWT", Credentials{Authorization: []string{"Bearer a.b.d"}}, "", "TOKEN_UNKNOWN"},
			{"almost a JWT", Credentials{Authorization: []string{"Bearer a.b"}}, "", "TOKEN_MALFORMED"},
			{"a job's token", Credentials{Authorization: []string{"Bearer stintjob_1"}}, "kim", ""},
			{"another job's token", Credentials{Authorization: []string{"Bearer stintjob_2"}}, "", "TOKEN_UNKNOWN"},
			{"a session", Credentials{Session: "cookie"}, "sam", ""},
			{"a session of the past", Credentials{Session: "old"}, "", "TOKEN_UNKNOWN"},
			{"a token in a browser that signed in", Credentials{Session: "cookie", Authorization: []string{"Bearer " + token}}, "alice", ""},
			{"a bad token in a browser that signed in", Credentials{Session: "cookie", Authorization: []string{"Bearer x"}}, "", "TOKEN_MALFORMED"},
			{"the socket", Credentials{Socket: true, Authorization: []string{"Bearer x"}}, adminUser, ""},
		} {
			t.Run(string(mode)+" "+c.name, func(t *testing.T) {
				c.given.Address = "192.0.2.7"
				p, err := f.auth.Identify(t.Context(), c.given)
				if c.reason != "" {
					wantStatus(t, err, codes.Unauthenticated, c.reason)
					return
				}
				if err != nil || p.User != c.user || p.Address != "192.0.2.7" {
					t.Fatalf("called by %+v, %v", p, err)
				}
			})
		}
	}
}

func TestEveryKindOfCredentialEndsInTheSameWay(t *testing.T) {
	f := withHooks(t, ModeToken)
	given := Credentials{Session: "cookie"}
	p, err := f.auth.Identify(t.Context(), given)
	if err != nil {
		t.Fatal(err)
	}
	stream := guarded(t, f.auth, p)
	f.auth.Revoked(p.TokenID)
	wantStatus(t, stream.end(), codes.Unauthenticated, "SESSION_ENDED")
	_, err = f.auth.Identify(t.Context(), given) // also when the hook has not heard of it yet
	wantStatus(t, err, codes.Unauthenticated, "SESSION_ENDED")
	f.auth.cfg.JWT = func(context.Context, string) (Principal, error) {
		return Principal{User: "jo", How: HowOIDC, Expires: time.Now()}, nil
	}
	_, err = f.auth.Identify(t.Context(), Credentials{Authorization: []string{"Bearer a.b.c"}})
	wantStatus(t, err, codes.Unauthenticated, "TOKEN_EXPIRED")
}

func TestAWayToSignInThatFailsIsTheServersFault(t *testing.T) {
	f := withHooks(t, ModeDev)
	inner := errors.New("dial tcp: lookup issuer.internal: no such host")
	f.auth.cfg.JWT = func(context.Context, string) (Principal, error) { return Principal{}, inner }
	_, err := f.auth.Identify(t.Context(), Credentials{Authorization: []string{"Bearer a.b.c"}})
	wantStatus(t, err, codes.Unavailable, "UNAVAILABLE")
	if !errors.Is(err, inner) || strings.Contains(status.Convert(err).Message(), "issuer.internal") {
		t.Fatalf("the log gets %q, the client %q", err, status.Convert(err).Message())
	}
}

// gatewaysView are the credentials that a call over a listener brings, as the server takes them.
func gatewaysView(t *testing.T, l net.Listener, creds credentials.TransportCredentials, md metadata.MD) (Credentials, error) {
	t.Helper()
	seen := make(chan Credentials, 1)
	server := grpc.NewServer(grpc.Creds(creds), grpc.UnaryInterceptor(
		func(ctx context.Context, _ any, _ *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
			var c Credentials
			c.ofCall(ctx)
			seen <- c
			return &jobsv1.GetResponse{}, nil
		}))
	jobsv1.RegisterJobServiceServer(server, jobsv1.UnimplementedJobServiceServer{})
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			if memory, ok := l.(*bufconn.Listener); ok {
				return memory.DialContext(ctx)
			}
			return (&net.Dialer{}).DialContext(ctx, l.Addr().Network(), l.Addr().String())
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		conn.Close()
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	_, err = jobsv1.NewJobServiceClient(conn).Get(metadata.NewOutgoingContext(t.Context(), md), &jobsv1.GetRequest{})
	if err != nil {
		return Credentials{}, err
	}
	return <-seen, nil
}

// request is one of a browser that signed in over TLS with a certificate.
func request(t *testing.T) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "https://stint.example.org/v1/jobs", nil)
	r.RemoteAddr = "[2001:db8::7]:4711"
	r.AddCookie(&http.Cookie{Name: SecureSessionCookie, Value: "secret"})
	return r
}

func TestOnlyTheGatewayIsBelievedAboutOthers(t *testing.T) {
	overTLS := &Authenticator{cfg: Config{SessionCookie: SecureSessionCookie}}
	planted := request(t)
	planted.Header.Set("Cookie", SessionCookie+"=planted")
	if md := overTLS.CallerMetadata(planted); len(md) != 1 {
		t.Errorf("where browsers come by TLS, a cookie without the prefix counts: %v", md)
	}
	md := overTLS.CallerMetadata(request(t))
	if len(md) != 2 {
		t.Fatalf("the gateway says %v", md)
	}
	got, err := gatewaysView(t, bufconn.Listen(1<<16), MemoryCreds(), md)
	if diff := cmp.Diff(Credentials{Session: "secret", Address: "2001:db8::7"}, got); err != nil || diff != "" {
		t.Fatal(err, diff)
	}
	tcp := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	got, err = gatewaysView(t, tcp(), insecure.NewCredentials(), md)
	if diff := cmp.Diff(Credentials{Address: "127.0.0.1"}, got); err != nil || diff != "" {
		t.Fatal(err, diff)
	}
	if _, err = gatewaysView(t, tcp(), MemoryCreds(), md); status.Code(err) != codes.Unavailable {
		t.Fatalf("a connection from outside took the gateway's place: %v", err)
	}
	got, err = gatewaysView(t, listenUnix(t), SocketCreds(), md)
	if diff := cmp.Diff(Credentials{Socket: true}, got); err != nil || diff != "" {
		t.Fatal(err, diff)
	}
}

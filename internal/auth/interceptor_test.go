package auth

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/emptypb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/layers"
)

// service answers and notes who called.
type service struct {
	caller chan Principal
	ended  chan error // what the handler of a stream saw at its end
}

type (
	jobService struct {
		jobsv1.UnimplementedJobServiceServer
		*service
	}
	adminService struct {
		adminv1.UnimplementedAdminServiceServer
		*service
	}
	tokenService struct {
		authv1.UnimplementedTokenServiceServer
		*service
	}
	workspaceService struct {
		workspacev1.UnimplementedWorkspaceServiceServer
		*service
	}
)

func (s *service) note(ctx context.Context) {
	p, _ := FromContext(ctx)
	s.caller <- p
}

func (s jobService) Get(ctx context.Context, _ *jobsv1.GetRequest) (*jobsv1.GetResponse, error) {
	s.note(ctx)
	return &jobsv1.GetResponse{}, nil
}

func (s tokenService) ListTokens(ctx context.Context, _ *authv1.ListTokensRequest) (*authv1.ListTokensResponse, error) {
	s.note(ctx)
	return &authv1.ListTokensResponse{}, nil
}

// WatchStatus sends one frame and then waits for its context.
func (s jobService) WatchStatus(_ *jobsv1.WatchStatusRequest, stream grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
	s.note(stream.Context())
	if err := stream.Send(&jobsv1.WatchStatusResponse{}); err != nil {
		return err
	}
	<-stream.Context().Done()
	s.ended <- context.Cause(stream.Context())
	return stream.Context().Err()
}

// Backup sends more than anybody reads.
func (s adminService) Backup(_ *adminv1.BackupRequest, stream grpc.ServerStreamingServer[adminv1.BackupResponse]) error {
	s.note(stream.Context())
	for {
		if err := stream.Send(&adminv1.BackupResponse{Data: make([]byte, 1<<16)}); err != nil {
			s.ended <- err
			return err
		}
	}
}

// Upload waits for frames.
func (s workspaceService) Upload(stream grpc.ClientStreamingServer[workspacev1.UploadRequest, workspacev1.UploadResponse]) error {
	s.note(stream.Context())
	for {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return stream.SendAndClose(&workspacev1.UploadResponse{})
		} else if err != nil {
			s.ended <- err
			return err
		}
	}
}

// unlisted is a service that nobody wrote a row for.
var unlisted = grpc.ServiceDesc{
	ServiceName: "stint.test.Unlisted",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Do",
		Handler: func(srv any, ctx context.Context, dec func(any) error, inter grpc.UnaryServerInterceptor) (any, error) {
			return inter(ctx, &emptypb.Empty{}, &grpc.UnaryServerInfo{Server: srv, FullMethod: "/stint.test.Unlisted/Do"},
				func(context.Context, any) (any, error) { return &emptypb.Empty{}, dec(&emptypb.Empty{}) })
		},
	}},
	Streams: []grpc.StreamDesc{{StreamName: "Stream", ServerStreams: true, Handler: func(any, grpc.ServerStream) error { return nil }}},
}

// serve runs the service behind the interceptors and answers a connection to it.
func (f *fixture) serve(t *testing.T) (*service, *grpc.ClientConn) {
	t.Helper()
	s := &service{caller: make(chan Principal, 1), ended: make(chan error, 1)}
	server := grpc.NewServer(grpc.UnaryInterceptor(layers.Unary(f.auth.Layer)), grpc.StreamInterceptor(layers.Stream(f.auth.Layer)))
	jobsv1.RegisterJobServiceServer(server, jobService{service: s})
	adminv1.RegisterAdminServiceServer(server, adminService{service: s})
	authv1.RegisterTokenServiceServer(server, tokenService{service: s})
	workspacev1.RegisterWorkspaceServiceServer(server, workspaceService{service: s})
	healthv1.RegisterHealthServer(server, health.NewServer())
	server.RegisterService(&unlisted, struct{}{})
	listener := bufconn.Listen(1 << 16)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, conn
}

func with(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

func TestUnaryCallsAreAuthenticated(t *testing.T) {
	f := newFixture(t, ModeToken)
	s, conn := f.serve(t)
	jobs := jobsv1.NewJobServiceClient(conn)
	id, text := f.token(t, Grant{User: "alice"})
	if _, err := jobs.Get(with(t.Context(), text), &jobsv1.GetRequest{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Principal{User: "alice", Roles: []Role{RoleUser}, How: HowToken, TokenID: id}, <-s.caller); diff != "" {
		t.Fatal(diff)
	}
	_, err := jobs.Get(t.Context(), &jobsv1.GetRequest{})
	wantStatus(t, err, codes.Unauthenticated, "CREDENTIALS_MISSING")
	_, err = jobs.Get(with(t.Context(), text+"x"), &jobsv1.GetRequest{})
	wantStatus(t, err, codes.Unauthenticated, "TOKEN_MALFORMED")
	_, err = jobs.Get(with(with(t.Context(), text), text), &jobsv1.GetRequest{})
	wantStatus(t, err, codes.Unauthenticated, "CREDENTIALS_UNSUPPORTED")
}

func TestOnlyOperatorsReachWhatIsTheirs(t *testing.T) {
	f := newFixture(t, ModeToken)
	s, conn := f.serve(t)
	admin := adminv1.NewAdminServiceClient(conn)
	_, user := f.token(t, Grant{User: "alice"})
	_, operator := f.token(t, Grant{User: "bob", Roles: []string{"operator"}})
	_, narrow := f.token(t, Grant{User: "bob", Roles: []string{"operator"}, Scopes: []string{"jobs:read"}})
	_, err := admin.ListIssues(with(t.Context(), user), &adminv1.ListIssuesRequest{})
	wantStatus(t, err, codes.PermissionDenied, "ROLE_REQUIRED")
	_, err = admin.ListIssues(with(t.Context(), narrow), &adminv1.ListIssuesRequest{})
	wantStatus(t, err, codes.PermissionDenied, "SCOPE_REQUIRED")
	stream, err := admin.Backup(with(t.Context(), user), &adminv1.BackupRequest{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	wantStatus(t, err, codes.PermissionDenied, "ROLE_REQUIRED")
	if _, err := authv1.NewTokenServiceClient(conn).ListTokens(with(t.Context(), operator), &authv1.ListTokensRequest{}); err != nil {
		t.Fatal(err)
	}
	if p := <-s.caller; p.User != "bob" || !p.Has(RoleOperator) {
		t.Fatalf("called by %+v", p)
	}
}

func TestWhatHasNoRowIsRefusedEvenToOperators(t *testing.T) {
	for _, mode := range []Mode{ModeToken, ModeDev} {
		f := newFixture(t, mode)
		_, conn := f.serve(t)
		_, operator := f.token(t, Grant{User: "bob", Roles: []string{"operator"}})
		err := conn.Invoke(with(t.Context(), operator), "/stint.test.Unlisted/Do", &emptypb.Empty{}, &emptypb.Empty{})
		wantStatus(t, err, codes.PermissionDenied, "CALL_NOT_OPEN")
		stream, err := conn.NewStream(with(t.Context(), operator), &unlisted.Streams[0], "/stint.test.Unlisted/Stream")
		if err != nil {
			t.Fatal(err)
		}
		wantStatus(t, stream.RecvMsg(&emptypb.Empty{}), codes.PermissionDenied, "CALL_NOT_OPEN")
	}
}

func TestHealthIsOpen(t *testing.T) {
	f := newFixture(t, ModeToken)
	_, conn := f.serve(t)
	if _, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch, err := healthv1.NewHealthClient(conn).Watch(ctx, &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
}

func TestDevelopmentModeIsTheLocalOperator(t *testing.T) {
	f := newFixture(t, ModeDev)
	s, conn := f.serve(t)
	if _, err := authv1.NewTokenServiceClient(conn).ListTokens(t.Context(), &authv1.ListTokensRequest{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Principal{User: "me", Roles: []Role{RoleUser, RoleOperator}, How: HowDev}, <-s.caller); diff != "" {
		t.Fatal(diff)
	}
	_, unknown := NewSecret()
	_, err := jobsv1.NewJobServiceClient(conn).Get(with(t.Context(), unknown), &jobsv1.GetRequest{})
	wantStatus(t, err, codes.Unauthenticated, "TOKEN_UNKNOWN")
}

// end is a way for a token to stop working.
type end struct {
	name    string
	expires time.Duration
	do      func(*testing.T, *fixture, string)
	reason  string
}

var waysToEnd = []end{
	{"revoked", 0, func(t *testing.T, f *fixture, id string) {
		t.Helper()
		if err := f.tokens.Revoke(t.Context(), id, ""); err != nil {
			t.Error(err)
		}
	}, "TOKEN_REVOKED"},
	{"expired", time.Hour, func(*testing.T, *fixture, string) { <-time.After(time.Hour) }, "TOKEN_EXPIRED"},
}

// inEachEnd runs a stream in a bubble up to where everything waits, ends the
// token, and checks what the client sees.
func inEachEnd(t *testing.T, open func(context.Context, *testing.T, *grpc.ClientConn) (last func() error)) {
	t.Helper()
	for _, e := range waysToEnd {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, ModeToken)
				s, conn := f.serve(t)
				grant := Grant{User: "alice", Roles: []string{"operator"}}
				if e.expires > 0 {
					grant.Expires = time.Now().Add(e.expires)
				}
				id, text := f.token(t, grant)
				_, other := f.token(t, Grant{User: "alice"})
				last := open(with(t.Context(), text), t, conn)
				synctest.Wait()
				if p := <-s.caller; p.TokenID != id {
					t.Fatalf("called by %+v", p)
				}
				e.do(t, f, id)
				if err := <-s.ended; err == nil {
					t.Fatal("the handler saw no error")
				}
				wantStatus(t, last(), codes.Unauthenticated, e.reason)
				synctest.Wait() // the client may hear of the end before the handler has returned
				if len(f.auth.guards) != 0 {
					t.Fatalf("%d sessions are left", len(f.auth.guards))
				}
				if _, err := jobsv1.NewJobServiceClient(conn).Get(with(t.Context(), other), &jobsv1.GetRequest{}); err != nil {
					t.Fatalf("another token on the same connection: %v", err)
				}
			})
		})
	}
}

func TestAStreamThatWaitsEndsWithItsToken(t *testing.T) {
	inEachEnd(t, func(ctx context.Context, t *testing.T, conn *grpc.ClientConn) func() error {
		t.Helper()
		stream, err := jobsv1.NewJobServiceClient(conn).WatchStatus(ctx, &jobsv1.WatchStatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		return func() error { _, err := stream.Recv(); return err }
	})
}

func TestAStreamThatNobodyReadsEndsWithItsToken(t *testing.T) {
	inEachEnd(t, func(ctx context.Context, t *testing.T, conn *grpc.ClientConn) func() error {
		t.Helper()
		stream, err := adminv1.NewAdminServiceClient(conn).Backup(ctx, &adminv1.BackupRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return func() error {
			for {
				if _, err := stream.Recv(); err != nil {
					return err
				}
			}
		}
	})
}

func TestAStreamThatNobodySendsOnEndsWithItsToken(t *testing.T) {
	inEachEnd(t, func(ctx context.Context, t *testing.T, conn *grpc.ClientConn) func() error {
		t.Helper()
		stream, err := workspacev1.NewWorkspaceServiceClient(conn).Upload(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&workspacev1.UploadRequest{}); err != nil {
			t.Fatal(err)
		}
		return func() error { _, err := stream.CloseAndRecv(); return err }
	})
}

func TestAStreamEndsByItselfAsItWould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, ModeToken)
		s, conn := f.serve(t)
		_, text := f.token(t, Grant{User: "alice", Expires: time.Now().Add(time.Hour)})
		upload, err := workspacev1.NewWorkspaceServiceClient(conn).Upload(with(t.Context(), text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := upload.CloseAndRecv(); err != nil {
			t.Fatal(err)
		}
		<-s.caller
		ctx, cancel := context.WithCancel(with(t.Context(), text))
		watch, err := jobsv1.NewJobServiceClient(conn).WatchStatus(ctx, &jobsv1.WatchStatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := watch.Recv(); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-s.ended; !errors.Is(err, context.Canceled) {
			t.Fatalf("the handler saw %v", err)
		}
		synctest.Wait()
		if len(f.auth.guards) != 0 {
			t.Fatalf("%d sessions are left", len(f.auth.guards))
		}
	})
}

func TestATokenRevokedBeforeTheStreamIsRegisteredEndsIt(t *testing.T) {
	f := newFixture(t, ModeToken)
	id, text := f.token(t, Grant{User: "alice"})
	p, err := f.header([]string{"Bearer " + text})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.tokens.Revoke(t.Context(), id, ""); err != nil {
		t.Fatal(err)
	}
	_, err = f.auth.guard(&p, make(cutStream, 1))
	wantStatus(t, err, codes.Unauthenticated, "TOKEN_REVOKED")
	if len(f.auth.guards) != 0 {
		t.Error("it is guarded all the same")
	}
}

func TestAStreamWithoutACredentialEndsByItself(t *testing.T) {
	f := newFixture(t, ModeDev)
	s, conn := f.serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	watch, err := jobsv1.NewJobServiceClient(conn).WatchStatus(ctx, &jobsv1.WatchStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	<-s.caller
	if f.auth.Revoked(""); len(f.auth.guards) != 0 {
		t.Error("there is something that could end it")
	}
	cancel()
	if err := <-s.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the handler saw %v", err)
	}
}

package cli

import (
	"context"
	"net"
	"path"
	"sync"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// fake is a server of the published API in memory, scripted to fail. Jobs do
// not run by themselves: a test says what becomes of them, except those of
// services that end at once.
type fake struct {
	advice *jobsv1.Advice // of a check
	jobsv1.UnimplementedJobServiceServer
	adminv1.UnimplementedAdminServiceServer
	adminv1.UnimplementedQueueServiceServer
	adminv1.UnimplementedStatusServiceServer
	authv1.UnimplementedAuthServiceServer
	authv1.UnimplementedTokenServiceServer
	authv1.UnimplementedSessionServiceServer
	adminv1.UnimplementedUserServiceServer
	files *fakeFiles

	addr   string
	server *grpc.Server

	mu       sync.Mutex
	jobs     []*fakeJob
	requests map[string]string // request id -> job id
	changes  []fakeChange
	revision uint64
	changed  chan struct{} // closed and made anew at every change
	oldest   uint64        // revisions up to this one are forgotten
	closed   string        // message while submissions are closed
	issues   []*adminv1.Issue
	shares   []*jobsv1.Share
	foreign  []string // ids of other users' jobs
	audit    []*adminv1.AuditEntry
	checks   []*adminv1.Check
	faults   map[string][]fault
	calls    map[string]int
	tokens   []string // authorization headers as they came
	granted  []*authv1.Token
	browsers []*authv1.Session
	known    []*adminv1.User
	catalog  []*catalogv1.Service
	issuer   *fakeIssuer // nil without one
	called   *sync.Cond  // tells of every call
}

// fault is what goes wrong with one call of a method.
type fault struct {
	err error
	// late says that the server acts and only its answer is lost.
	late bool
	// frames is how many frames of a stream pass before err ends it.
	frames int
	// eof ends a stream early as if all was said.
	eof bool
}

// startFake starts a server on a loopback port.
func startFake(tb testing.TB) *fake {
	tb.Helper()
	f, err := newFake()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(f.stop)
	return f
}

func newFake() (*fake, error) {
	f := &fake{
		requests: make(map[string]string), faults: make(map[string][]fault), calls: make(map[string]int),
		changed: make(chan struct{}), catalog: fakeCatalog(), files: newFakeFiles(),
	}
	f.called = sync.NewCond(&f.mu)
	return f, f.listen("127.0.0.1:0")
}

// listen serves on an address; after stop the same one gives a restart.
func (f *fake) listen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	f.addr = l.Addr().String()
	f.server = grpc.NewServer(grpc.UnaryInterceptor(f.unary), grpc.StreamInterceptor(f.stream))
	jobsv1.RegisterJobServiceServer(f.server, f)
	catalogv1.RegisterCatalogServiceServer(f.server, fakeServices{f: f})
	adminv1.RegisterAdminServiceServer(f.server, f)
	adminv1.RegisterQueueServiceServer(f.server, f)
	adminv1.RegisterStatusServiceServer(f.server, f)
	authv1.RegisterAuthServiceServer(f.server, f)
	authv1.RegisterTokenServiceServer(f.server, f)
	authv1.RegisterSessionServiceServer(f.server, f)
	adminv1.RegisterUserServiceServer(f.server, f)
	workspacev1.RegisterWorkspaceServiceServer(f.server, f.files)
	go f.server.Serve(l) //nolint:errcheck // ends with stop
	return nil
}

func (f *fake) stop() {
	f.server.Stop()
	if f.issuer != nil {
		f.issuer.Close()
	}
}

// fail makes the next calls of a method go wrong, one for each fault.
func (f *fake) fail(method string, faults ...fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[method] = append(f.faults[method], faults...)
}

// count is how often a method was called.
func (f *fake) count(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[method]
}

// note counts something as if it was a call.
func (f *fake) note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[what]++
	f.called.Broadcast()
}

// awaitCalls returns once a method was called n times.
func (f *fake) awaitCalls(method string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.calls[method] < n {
		f.called.Wait()
	}
}

// begin notes a call and takes the fault that waits for it.
func (f *fake) begin(ctx context.Context, full string) *fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	method := path.Base(full)
	f.calls[method]++
	f.called.Broadcast()
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		f.tokens = append(f.tokens, md.Get("authorization")...)
	}
	if len(f.faults[method]) == 0 {
		return nil
	}
	next := f.faults[method][0]
	f.faults[method] = f.faults[method][1:]
	return &next
}

func (f *fake) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	fault := f.begin(ctx, info.FullMethod)
	switch {
	case fault == nil:
		return handler(ctx, req)
	case fault.late:
		if _, err := handler(ctx, req); err != nil {
			return nil, err
		}
	}
	return nil, fault.err
}

func (f *fake) stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	fault := f.begin(s.Context(), info.FullMethod)
	if fault == nil {
		return handler(srv, s)
	}
	if fault.frames == 0 && !fault.late && !fault.eof {
		return fault.err
	}
	cut := &cutStream{ServerStream: s, left: fault.frames}
	err := handler(srv, cut)
	if cut.left >= 0 && err != nil {
		return err
	}
	if fault.eof {
		return nil
	}
	return fault.err
}

// cutStream ends a stream after some frames.
type cutStream struct {
	grpc.ServerStream
	left int
}

func (c *cutStream) SendMsg(m any) error {
	if c.left <= 0 {
		c.left = -1
		return status.Error(codes.Aborted, "cut")
	}
	c.left--
	return c.ServerStream.SendMsg(m)
}

// errLost is how gRPC reports a connection that is lost.
var errLost = status.Error(codes.Unavailable, "error reading from server: EOF")

// refuse is an error of the server itself.
func refuse(code codes.Code, reason, message string, details ...protoadapt.MessageV1) error {
	s, err := status.New(code, message).WithDetails(append([]protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: reason, Domain: "stint"}}, details...)...)
	if err != nil {
		return err
	}
	return s.Err()
}

func invalid(violations ...*errdetails.BadRequest_FieldViolation) error {
	return refuse(codes.InvalidArgument, "INVALID_ARGUMENT", "The request is invalid.", &errdetails.BadRequest{FieldViolations: violations})
}

func violation(field, description string) *errdetails.BadRequest_FieldViolation {
	return &errdetails.BadRequest_FieldViolation{Field: field, Description: description}
}

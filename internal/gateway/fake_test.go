package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake plays the services by a script: each function answers one RPC, and an
// RPC without a function is not expected.
type fake struct {
	jobsv1.UnimplementedJobServiceServer
	adminv1.UnimplementedAdminServiceServer

	submit      func(context.Context, *jobsv1.SubmitRequest) (*jobsv1.SubmitResponse, error)
	batchSubmit func(context.Context, *jobsv1.BatchSubmitRequest) (*jobsv1.BatchSubmitResponse, error)
	get         func(context.Context, *jobsv1.GetRequest) (*jobsv1.GetResponse, error)
	list        func(context.Context, *jobsv1.ListRequest) (*jobsv1.ListResponse, error)
	summarize   func(context.Context, *jobsv1.SummarizeRequest) (*jobsv1.SummarizeResponse, error)
	cancel      func(context.Context, *jobsv1.CancelRequest) (*jobsv1.CancelResponse, error)
	watch       func(*jobsv1.WatchStatusRequest, grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error
	logs        func(*jobsv1.StreamLogsRequest, grpc.ServerStreamingServer[jobsv1.StreamLogsResponse]) error
	listResults func(context.Context, *jobsv1.ListResultsRequest) (*jobsv1.ListResultsResponse, error)
	readResult  func(*jobsv1.ReadResultRequest, grpc.ServerStreamingServer[jobsv1.ReadResultResponse]) error
}

func (f *fake) Submit(ctx context.Context, r *jobsv1.SubmitRequest) (*jobsv1.SubmitResponse, error) {
	return f.submit(ctx, r)
}

func (f *fake) BatchSubmit(ctx context.Context, r *jobsv1.BatchSubmitRequest) (*jobsv1.BatchSubmitResponse, error) {
	return f.batchSubmit(ctx, r)
}

func (f *fake) Get(ctx context.Context, r *jobsv1.GetRequest) (*jobsv1.GetResponse, error) {
	return f.get(ctx, r)
}

func (f *fake) List(ctx context.Context, r *jobsv1.ListRequest) (*jobsv1.ListResponse, error) {
	return f.list(ctx, r)
}

func (f *fake) Summarize(ctx context.Context, r *jobsv1.SummarizeRequest) (*jobsv1.SummarizeResponse, error) {
	return f.summarize(ctx, r)
}

func (f *fake) Cancel(ctx context.Context, r *jobsv1.CancelRequest) (*jobsv1.CancelResponse, error) {
	return f.cancel(ctx, r)
}

func (f *fake) WatchStatus(r *jobsv1.WatchStatusRequest, s grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
	return f.watch(r, s)
}

func (f *fake) StreamLogs(r *jobsv1.StreamLogsRequest, s grpc.ServerStreamingServer[jobsv1.StreamLogsResponse]) error {
	return f.logs(r, s)
}

func (f *fake) ListResults(ctx context.Context, r *jobsv1.ListResultsRequest) (*jobsv1.ListResultsResponse, error) {
	return f.listResults(ctx, r)
}

func (f *fake) ReadResult(r *jobsv1.ReadResultRequest, s grpc.ServerStreamingServer[jobsv1.ReadResultResponse]) error {
	return f.readResult(r, s)
}

// fakeWorkspace plays the WorkspaceService, whose List is not the jobs' List.
type fakeWorkspace struct {
	workspacev1.UnimplementedWorkspaceServiceServer

	upload   func(grpc.ClientStreamingServer[workspacev1.UploadRequest, workspacev1.UploadResponse]) error
	download func(*workspacev1.DownloadRequest, grpc.ServerStreamingServer[workspacev1.DownloadResponse]) error
	remove   func(context.Context, *workspacev1.DeleteRequest) (*workspacev1.DeleteResponse, error)
}

func (f *fakeWorkspace) Upload(s grpc.ClientStreamingServer[workspacev1.UploadRequest, workspacev1.UploadResponse]) error {
	return f.upload(s)
}

func (f *fakeWorkspace) Download(r *workspacev1.DownloadRequest, s grpc.ServerStreamingServer[workspacev1.DownloadResponse]) error {
	return f.download(r, s)
}

func (f *fakeWorkspace) Delete(ctx context.Context, r *workspacev1.DeleteRequest) (*workspacev1.DeleteResponse, error) {
	return f.remove(ctx, r)
}

// script is what the services of a test do.
type script struct {
	jobs      fake
	workspace fakeWorkspace
}

// logBuffer keeps what was logged.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// newHandler makes a gateway before scripted services. Everything ends with the test.
func newHandler(t *testing.T, s *script, cfg Config) http.Handler {
	t.Helper()
	memory := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	jobsv1.RegisterJobServiceServer(server, &s.jobs)
	catalogv1.RegisterCatalogServiceServer(server, catalogv1.UnimplementedCatalogServiceServer{})
	adminv1.RegisterAdminServiceServer(server, &s.jobs)
	authv1.RegisterAuthServiceServer(server, authv1.UnimplementedAuthServiceServer{})
	authv1.RegisterTokenServiceServer(server, authv1.UnimplementedTokenServiceServer{})
	workspacev1.RegisterWorkspaceServiceServer(server, &s.workspace)
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(memory) }()
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return memory.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); server.Stop(); <-served })
	cfg.Conn = conn
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// site is a gateway on a real port of the loopback.
type site struct {
	*httptest.Server

	log *logBuffer
	// stop ends the context that all requests derive from.
	stop context.CancelFunc
}

// newSite serves scripted services over HTTP.
func newSite(t *testing.T, s *script, cfg Config) *site {
	t.Helper()
	st := &site{log: &logBuffer{}}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(st.log, nil))
	}
	// A busy machine is not a slow client; timing_test.go has those, in fake time.
	cfg.ReadTimeout, cfg.WriteTimeout = time.Hour, time.Hour
	handler := newHandler(t, s, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	st.stop = cancel
	st.Server = httptest.NewUnstartedServer(handler)
	st.Server.Config = NewServer(ctx, handler, cfg.Logger)
	st.Server.Config.ReadHeaderTimeout = time.Hour
	st.Start()
	t.Cleanup(func() { st.Client().CloseIdleConnections(); cancel(); st.Close() })
	return st
}

// reply is an answer read to its end.
type reply struct {
	*http.Response

	body string
	// err is the error that reading the body met.
	err error
}

// do sends a request. Header holds names and values by turns.
func (s *site) do(t *testing.T, method, path string, body io.Reader, header ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := s.Client().Transport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp, string(text), err}
}

func (s *site) get(t *testing.T, path string, header ...string) reply {
	t.Helper()
	return s.do(t, http.MethodGet, path, nil, header...)
}

func (s *site) post(t *testing.T, path, body string, header ...string) reply {
	t.Helper()
	return s.do(t, http.MethodPost, path, strings.NewReader(body), header...)
}

// refusal is what a test wants of an answer that says no.
type refusal struct {
	http   int
	code   codes.Code
	reason string
	// fields are the fields with violations, in their order.
	fields []string
}

// check compares an answer with the refusal, and looks for what no refusal may have.
func (want refusal) check(t *testing.T, got reply) {
	t.Helper()
	if got.StatusCode != want.http {
		t.Errorf("HTTP status %d, want %d: %s", got.StatusCode, want.http, got.body)
		return
	}
	if media := got.Header.Get("Content-Type"); media != "application/json" {
		t.Errorf("Content-Type %q of a refusal: %s", media, got.body)
		return
	}
	st := &spb.Status{}
	if err := protojson.Unmarshal([]byte(got.body), st); err != nil {
		t.Errorf("the refusal is no google.rpc.Status: %v: %s", err, got.body)
		return
	}
	reason, fields := explain(st)
	if code := codes.Code(st.GetCode()); code != want.code || reason != want.reason || !slices.Equal(fields, want.fields) {
		t.Errorf("refused with %v, %s, fields %q; want %v, %s, fields %q: %s", code, reason, fields, want.code, want.reason, want.fields, got.body)
	}
	for _, inner := range []string{"proto:", "strconv", "json:", "syntax error", "grpc:", "rpc error", "parsing", "protojson", "*", "\\u00a0", "google.protobuf.", "bufconn", "url:"} {
		if strings.Contains(st.GetMessage(), inner) || slices.ContainsFunc(descriptions(st), func(d string) bool { return strings.Contains(d, inner) }) {
			t.Errorf("the refusal speaks of inner workings (%q): %s", inner, got.body)
		}
	}
	if !strings.HasSuffix(st.GetMessage(), ".") {
		t.Errorf("the message is no sentence: %q", st.GetMessage())
	}
	if got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers of the refusal: %v", got.Header)
	}
}

// explain gives the stable reason of a status and its fields with violations.
func explain(st *spb.Status) (reason string, fields []string) {
	for _, detail := range status.FromProto(st).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.GetDomain() == "stint" {
				reason = detail.GetReason()
			}
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				fields = append(fields, violation.GetField())
			}
		}
	}
	return reason, fields
}

func descriptions(st *spb.Status) []string {
	var all []string
	for _, detail := range status.FromProto(st).Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			for _, violation := range bad.GetFieldViolations() {
				all = append(all, violation.GetDescription())
			}
		}
	}
	return all
}

// refused is an error as the services give it.
func refused(t *testing.T, code codes.Code, reason, message string, details ...proto.Message) error {
	t.Helper()
	all := []protoadapt.MessageV1{&errdetails.ErrorInfo{Domain: "stint", Reason: reason}}
	for _, detail := range details {
		all = append(all, protoadapt.MessageV1Of(detail))
	}
	st, err := status.New(code, message).WithDetails(all...)
	if err != nil {
		t.Fatal(err)
	}
	return st.Err()
}

// fromJSON reads an answer, or fails the test.
func fromJSON[M proto.Message](t *testing.T, text string, into M) M {
	t.Helper()
	if err := protojson.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("read %q: %v", text, err)
	}
	return into
}

// errBroken is for streams that a test breaks.
var errBroken = errors.New("broken by the test")

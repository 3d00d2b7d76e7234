package e2e_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// door is a way to reach a server: its own port, or a proxy in front of it.
type door struct {
	base  string      // http://HOST:PORT, or https, with the path below which the server is
	calls string      // likewise, for calls
	tls   *tls.Config // nil for plaintext
	ca    string      // the file of the authority; empty for plaintext
	token string      // of ann
	done  string      // a job of hers that is over
	// transports are what it speaks, in the words of dial.
	transports []string
}

// dial returns a client that speaks what is named.
func (d *door) dial(t *testing.T, protocol string) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	transport := &http.Transport{Protocols: protocols, MaxConnsPerHost: 1}
	switch protocol {
	case "h1":
		protocols.SetHTTP1(true)
	case "h2c":
		protocols.SetUnencryptedHTTP2(true)
	case "h2":
		protocols.SetHTTP2(true)
	case "both":
		protocols.SetHTTP1(true)
		protocols.SetHTTP2(true)
	default:
		t.Fatal(protocol)
	}
	if d.tls != nil {
		transport.TLSClientConfig = d.tls.Clone()
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (d *door) get(ctx context.Context, client *http.Client, path string, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+d.token)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return client.Do(req)
}

// rest tries REST: a request and an upload.
func (d *door) rest(t *testing.T, client *http.Client) {
	t.Helper()
	resp, err := d.get(t.Context(), client, "/v1/auth/whoami")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(body), `"ann"`) {
		t.Errorf("REST: %s %s", resp.Status, body)
	}
	file := strings.Repeat("a file\n", 100_000)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, d.base+"/v1/workspace/by-rest?overwrite=true", strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+d.token)
	if resp, err = client.Do(req); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("an upload: %s", resp.Status)
	}
}

// events reads a stream of events to its end, and opens it again.
func (d *door) events(t *testing.T, client *http.Client) {
	t.Helper()
	resp, err := d.get(t.Context(), client, "/v1/jobs/"+d.done+":watch?untilFinal=true", "Accept", "text/event-stream")
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	id := ""
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			events = append(events, name)
		}
		if last, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			id = last
		}
	}
	_ = resp.Body.Close()
	if len(events) == 0 || events[len(events)-1] != "end" || id == "" {
		t.Errorf("events %q, last id %q", events, id)
	}
	if resp, err = d.get(t.Context(), client, "/v1/jobs/"+d.done+":watch?untilFinal=true", "Accept", "text/event-stream", "Last-Event-ID", id); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Errorf("a stream that is over: %s", resp.Status)
	}
}

// call makes a unary call by a client of the Connect library.
func connectCall[Req, Resp any](d *door, client *http.Client, method string, req *Req, options ...connect.ClientOption) (*connect.Response[Resp], error) {
	r := connect.NewRequest(req)
	r.Header().Set("Authorization", "Bearer "+d.token)
	return connect.NewClient[Req, Resp](client, d.calls+method, options...).CallUnary(context.Background(), r)
}

// connectLibrary tries calls by connect-go, in the protocol of the options: unary, both kinds of streams, an error with its details.
func (d *door) connectLibrary(t *testing.T, client *http.Client, options ...connect.ClientOption) {
	t.Helper()
	if who, err := d.whoAmI(client, options...); err != nil || who != "ann" {
		t.Errorf("unary: %q, %v", who, err)
	}
	_, err := connectCall[jobsv1.GetRequest, jobsv1.GetResponse](d, client, jobsv1.JobService_Get_FullMethodName, &jobsv1.GetRequest{Id: "999"}, options...)
	if got := connectReason(err); connect.CodeOf(err) != connect.CodeNotFound || got != "NOT_FOUND" {
		t.Errorf("an error: %v, %q", err, got)
	}
	watch := connect.NewRequest(&jobsv1.WatchStatusRequest{Ids: []string{d.done}, UntilFinal: true})
	watch.Header().Set("Authorization", "Bearer "+d.token)
	stream, err := connect.NewClient[jobsv1.WatchStatusRequest, jobsv1.WatchStatusResponse](client, d.calls+jobsv1.JobService_WatchStatus_FullMethodName, options...).CallServerStream(t.Context(), watch)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for stream.Receive() {
		n++
	}
	if err := stream.Err(); err != nil || n < 2 {
		t.Errorf("a watch: %d messages, %v", n, err)
	}
	up := connect.NewClient[workspacev1.UploadRequest, workspacev1.UploadResponse](client, d.calls+workspacev1.WorkspaceService_Upload_FullMethodName, options...).CallClientStream(t.Context())
	up.RequestHeader().Set("Authorization", "Bearer "+d.token)
	send := func(m *workspacev1.UploadRequest) {
		if err := up.Send(m); err != nil {
			t.Errorf("an upload: %v", err)
		}
	}
	send(&workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Target{Target: &workspacev1.UploadTarget{Path: "by-connect", Overwrite: true}}})
	for range 20 {
		send(&workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Data{Data: make([]byte, 64<<10)}})
	}
	if stored, err := up.CloseAndReceive(); err != nil || stored.Msg.GetEntry().GetSizeBytes() != 20*64<<10 {
		t.Errorf("an upload: %v, %v", stored, err)
	}
	stranger := &door{calls: d.calls, token: "nonsense"}
	_, err = stranger.whoAmI(client, options...)
	if got := connectReason(err); connect.CodeOf(err) != connect.CodeUnauthenticated || got != "TOKEN_MALFORMED" {
		t.Errorf("a stranger: %v, %q", err, got)
	}
}

// whoAmI asks for the user by connect-go.
func (d *door) whoAmI(client *http.Client, options ...connect.ClientOption) (string, error) {
	who, err := connectCall[authv1.WhoAmIRequest, authv1.WhoAmIResponse](d, client, authv1.AuthService_WhoAmI_FullMethodName, &authv1.WhoAmIRequest{}, options...)
	if err != nil {
		return "", err
	}
	return who.Msg.GetUser(), nil
}

// connectReason is the stable word of a refusal.
func connectReason(err error) string {
	refused, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return fmt.Sprint(err)
	}
	for _, d := range refused.Details() {
		if m, err := d.Value(); err == nil {
			if info, ok := m.(*errdetails.ErrorInfo); ok {
				return info.GetReason()
			}
		}
	}
	return ""
}

// dialGRPC connects by grpc-go. The context carries the token.
func (d *door) dialGRPC(t *testing.T) (context.Context, *grpc.ClientConn) {
	t.Helper()
	transport := insecure.NewCredentials()
	if d.tls != nil {
		transport = credentials.NewTLS(d.tls.Clone())
	}
	_, address, _ := strings.Cut(d.base, "://")
	address, _, _ = strings.Cut(address, "/") // gRPC's libraries know no path before that of the call
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(transport))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+d.token), conn
}

// grpcLibrary tries calls by grpc-go: a call, a stream, and one that is refused.
func (d *door) grpcLibrary(t *testing.T) {
	t.Helper()
	ctx, conn := d.dialGRPC(t)
	if who, err := authv1.NewAuthServiceClient(conn).WhoAmI(ctx, &authv1.WhoAmIRequest{}); err != nil || who.GetUser() != "ann" {
		t.Errorf("gRPC: %v, %v", who, err)
	}
	watch, err := jobsv1.NewJobServiceClient(conn).WatchStatus(ctx, &jobsv1.WatchStatusRequest{Ids: []string{d.done}, UntilFinal: true})
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = watch.Recv()
	}
	if err != io.EOF { //nolint:errorlint // gRPC returns io.EOF itself
		t.Errorf("a watch: %v", err)
	}
	if _, err := authv1.NewAuthServiceClient(conn).WhoAmI(t.Context(), &authv1.WhoAmIRequest{}); reasonOf(status.Convert(err).Proto()) != "CREDENTIALS_MISSING" {
		t.Errorf("a stranger: %v", err)
	}
}

// health asks for a service's health by grpc-go, without a token.
func (d *door) health(t *testing.T) {
	t.Helper()
	_, conn := d.dialGRPC(t)
	if _, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: "stint.jobs.v1.JobService"}); err != nil {
		t.Errorf("health: %v", err)
	}
}

// reflection asks for the services by grpc-go, without a token.
func (d *door) reflection(t *testing.T) {
	t.Helper()
	_, conn := d.dialGRPC(t)
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err == nil {
		if err = stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err == nil {
			var list *reflectionpb.ServerReflectionResponse
			if list, err = stream.Recv(); err == nil && len(list.GetListServicesResponse().GetService()) < 8 {
				err = fmt.Errorf("services %v", list)
			}
		}
	}
	if err != nil {
		t.Errorf("reflection: %v", err)
	}
}

// newDoor has a job that is over on a server.
func newDoor(t *testing.T, s *server, config *tls.Config) *door {
	t.Helper()
	d := &door{base: "http://" + s.address, tls: config, token: s.token("--user", "ann")}
	if config != nil {
		d.base = "https://" + s.address
	}
	d.calls = d.base
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+d.token)
	job, err := s.jobs().Submit(ctx, &jobsv1.SubmitRequest{Job: &jobsv1.Job{Service: "Append"}})
	if err != nil {
		t.Fatal(err)
	}
	d.done = job.GetJob().GetId()
	watch, err := s.jobs().WatchStatus(ctx, &jobsv1.WatchStatusRequest{Ids: []string{d.done}, UntilFinal: true})
	for err == nil {
		_, err = watch.Recv()
	}
	if err != io.EOF { //nolint:errorlint // gRPC returns io.EOF itself
		t.Fatal(err)
	}
	return d
}

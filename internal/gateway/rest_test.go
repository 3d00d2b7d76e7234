package gateway

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func TestARequestArrivesAsTheContractSays(t *testing.T) {
	var got *jobsv1.SubmitRequest
	s := newSite(t, &script{jobs: fake{submit: func(_ context.Context, r *jobsv1.SubmitRequest) (*jobsv1.SubmitResponse, error) {
		got = r
		return &jobsv1.SubmitResponse{Job: &jobsv1.Job{Id: "7", State: jobsv1.State_STATE_QUEUED}}, nil
	}}}, Config{})
	resp := s.post(t, "/v1/jobs", `{"job": {"service": "Sleep", "output_name": "a<b>", "parameters": {"sleep_time": 3, "ünï": ["\u0000"]}}, "validateOnly": true}`)
	parameters, err := structpb.NewStruct(map[string]any{"sleep_time": 3, "ünï": []any{"\x00"}})
	if err != nil {
		t.Fatal(err)
	}
	want := &jobsv1.SubmitRequest{ValidateOnly: true, Job: &jobsv1.Job{Service: "Sleep", OutputName: "a<b>", Parameters: parameters}}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("the service got (-want +got):\n%s", diff)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
	answer := fromJSON(t, resp.body, &jobsv1.SubmitResponse{})
	if answer.GetJob().GetId() != "7" {
		t.Errorf("answered %s", resp.body)
	}
	// Zero values are there, unset messages and optional fields are not.
	for _, there := range []string{`"deduplicated":false`, `"warnings":[]`, `"revision":"0"`} {
		if !strings.Contains(strings.ReplaceAll(resp.body, " ", ""), there) {
			t.Errorf("%s is not in %s", there, resp.body)
		}
	}
	for _, absent := range []string{"submitTime", "exitCode", "null"} {
		if strings.Contains(resp.body, absent) {
			t.Errorf("%s is in %s", absent, resp.body)
		}
	}
}

func TestAQueryArrivesAsTheContractSays(t *testing.T) {
	var got *jobsv1.ListRequest
	s := newSite(t, &script{jobs: fake{list: func(_ context.Context, r *jobsv1.ListRequest) (*jobsv1.ListResponse, error) {
		got = r
		return &jobsv1.ListResponse{}, nil
	}}}, Config{})
	long := strings.Repeat("x", 100_000) // the service refuses it, in its own words
	resp := s.get(t, "/v1/jobs?filter="+long+"&pageSize=7&page_token=a%2Bb&view=JOB_VIEW_FULL&owner=*")
	want := &jobsv1.ListRequest{Filter: long, PageSize: 7, PageToken: "a+b", View: jobsv1.JobView_JOB_VIEW_FULL, Owner: "*"}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("the service got (-want +got):\n%s", diff)
	}
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", resp.Status, resp.body)
	}
}

func TestOnlyTheHeadersMeantForTheServicesReachThem(t *testing.T) {
	var got metadata.MD
	var deadline bool
	s := newSite(t, &script{jobs: fake{submit: func(ctx context.Context, _ *jobsv1.SubmitRequest) (*jobsv1.SubmitResponse, error) {
		got, _ = metadata.FromIncomingContext(ctx)
		_, deadline = ctx.Deadline()
		return &jobsv1.SubmitResponse{}, nil
	}}}, Config{Caller: func(r *http.Request) metadata.MD { return metadata.Pairs("stint-client-session", r.RemoteAddr[:3]) }})
	resp := s.post(t, "/v1/jobs", `{}`,
		"Stint-Client-Address", "10.1.1.1", "Stint-Client-Session", "forged", "Stint-Client-Certificate", "Zm9yZ2Vk",
		"Grpc-Metadata-Stint-Client-Address", "10.1.1.1", "Grpc-Metadata-Stint-Client-Session", "forged",
		"Authorization", "Bearer abc", "Idempotency-Key", "key 1", "Grpc-Metadata-Authorization", "Bearer other",
		"Grpc-Metadata-X", "y", "Cookie", "a=b", "X-Forwarded-For", "10.1.1.1", "X-Forwarded-Host", "evil.example", "Grpc-Timeout", "1S")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", resp.Status, resp.body)
	}
	want := metadata.MD{
		"authorization":        {"Bearer abc"},
		"idempotency-key":      {"key 1"},
		"stint-client-session": {"127"}, // what Caller says, and nobody else
		"x-forwarded-for":      {"127.0.0.1"},
		"x-forwarded-host":     {strings.TrimPrefix(s.URL, "http://")},
	}
	for _, ofGRPC := range []string{":authority", "content-type", "user-agent", "grpc-accept-encoding"} {
		delete(got, ofGRPC)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if deadline {
		t.Error("a header of gRPC set a deadline")
	}
}

func TestHeadersThatWouldBeLostAreRefused(t *testing.T) {
	s := newSite(t, &script{}, Config{})
	for _, test := range []struct {
		name   string
		header []string
		want   refusal
	}{
		{"a credential that is not ASCII", []string{"Authorization", "Bearer \xff"}, refusal{http: 401, code: codes.Unauthenticated, reason: "UNAUTHENTICATED"}},
		{"two credentials", []string{"Authorization", "Bearer a", "Authorization", "Bearer b"}, refusal{http: 401, code: codes.Unauthenticated, reason: "UNAUTHENTICATED"}},
		{"a key that is not ASCII", []string{"Idempotency-Key", "ü"}, refusal{http: 400, code: codes.InvalidArgument, reason: "INVALID_ARGUMENT", fields: []string{"Idempotency-Key"}}},
		{"a key too long", []string{"Idempotency-Key", strings.Repeat("k", 129)}, refusal{http: 400, code: codes.InvalidArgument, reason: "INVALID_ARGUMENT", fields: []string{"Idempotency-Key"}}},
		{"two keys", []string{"Idempotency-Key", "a", "Idempotency-Key", "b"}, refusal{http: 400, code: codes.InvalidArgument, reason: "INVALID_ARGUMENT", fields: []string{"Idempotency-Key"}}},
		{"a packed body", []string{"Content-Encoding", "br"}, refusal{http: 415, code: codes.InvalidArgument, reason: "UNSUPPORTED_MEDIA_TYPE", fields: []string{"Content-Encoding"}}},
	} {
		t.Run(test.name, func(t *testing.T) { test.want.check(t, s.post(t, "/v1/jobs", `{}`, test.header...)) })
	}
}

func TestErrorsOfTheServicesArriveWhole(t *testing.T) {
	var answer error
	s := newSite(t, &script{jobs: fake{get: func(context.Context, *jobsv1.GetRequest) (*jobsv1.GetResponse, error) {
		return nil, answer
	}}}, Config{})
	for _, test := range []struct {
		code codes.Code
		http int
	}{
		{codes.Canceled, 499},
		{codes.InvalidArgument, 400},
		{codes.DeadlineExceeded, 504},
		{codes.NotFound, 404},
		{codes.AlreadyExists, 409},
		{codes.PermissionDenied, 403},
		{codes.Unauthenticated, 401},
		{codes.ResourceExhausted, 429},
		{codes.FailedPrecondition, 400},
		{codes.Aborted, 409},
		{codes.OutOfRange, 400},
		{codes.Unimplemented, 501},
		{codes.Internal, 500},
		{codes.Unavailable, 503},
	} {
		answer = refused(t, test.code, "SOME_REASON", "Some message.", &errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)},
			&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "id", Description: "is bad"}}})
		resp := s.get(t, "/v1/jobs/1")
		refusal{http: test.http, code: test.code, reason: "SOME_REASON", fields: []string{"id"}}.check(t, resp)
		if got := resp.Header.Get("Retry-After"); got != "2" {
			t.Errorf("%v: Retry-After %q, want 2", test.code, got)
		}
		if got, want := resp.Header.Get("WWW-Authenticate") != "", test.code == codes.Unauthenticated; got != want {
			t.Errorf("%v: WWW-Authenticate is there: %v, want %v", test.code, got, want)
		}
	}
}

func TestErrorsNotMeantForClientsAreReplacedAndLogged(t *testing.T) {
	var answer error
	s := newSite(t, &script{jobs: fake{get: func(context.Context, *jobsv1.GetRequest) (*jobsv1.GetResponse, error) {
		return nil, answer
	}}}, Config{})
	for _, test := range []struct {
		code codes.Code
		want refusal
	}{
		{codes.Unknown, refusal{http: 500, code: codes.Internal, reason: "INTERNAL"}},
		{codes.Internal, refusal{http: 500, code: codes.Internal, reason: "INTERNAL"}},
		{codes.Unavailable, refusal{http: 503, code: codes.Unavailable, reason: "UNAVAILABLE"}},
		{codes.ResourceExhausted, refusal{http: 413, code: codes.ResourceExhausted, reason: "MESSAGE_TOO_LARGE"}},
		{codes.InvalidArgument, refusal{http: 400, code: codes.InvalidArgument, reason: "INVALID_ARGUMENT"}},
	} {
		secret := "open /srv/secret-" + test.code.String()
		answer = status.Error(test.code, secret)
		resp := s.get(t, "/v1/jobs/1")
		test.want.check(t, resp)
		if strings.Contains(resp.body, "secret") {
			t.Errorf("%v: inner words reached the client: %s", test.code, resp.body)
		}
		if !strings.Contains(s.log.String(), secret) {
			t.Errorf("%v: the log does not say what happened: %s", test.code, s.log)
		}
	}
}

func TestPathsAndMethodsThatDoNotExist(t *testing.T) {
	s := newSite(t, &script{}, Config{})
	for _, test := range []struct {
		method, path string
		want         refusal
		allow        string
	}{
		{"GET", "/", refusal{http: 404, code: codes.NotFound, reason: "NO_SUCH_ROUTE"}, ""},
		{"GET", "/v1", refusal{http: 404, code: codes.NotFound, reason: "NO_SUCH_ROUTE"}, ""},
		{"GET", "/v1/", refusal{http: 404, code: codes.NotFound, reason: "NO_SUCH_ROUTE"}, ""},
		{"GET", "/v2/jobs", refusal{http: 404, code: codes.NotFound, reason: "NO_SUCH_ROUTE"}, ""},
		{"GET", "/v1/jobs/", refusal{http: 404, code: codes.NotFound, reason: "NO_SUCH_ROUTE"}, ""},
		{"GET", "//v1/jobs", refusal{http: 404, code: codes.NotFound, reason: "NO_SUCH_ROUTE"}, ""},
		{"GET", "/v1/jobs/1/nothing", refusal{http: 404, code: codes.NotFound, reason: "NO_SUCH_ROUTE"}, ""},
		{"GET", "/v1/jobs:nothing", refusal{http: 404, code: codes.NotFound, reason: "NO_SUCH_ROUTE"}, ""},
		{"POST", "/v1/jobs:nothing", refusal{http: 404, code: codes.NotFound, reason: "NO_SUCH_ROUTE"}, ""},
		{"PUT", "/v1/jobs", refusal{http: 405, code: codes.Unimplemented, reason: "METHOD_NOT_ALLOWED"}, "GET, HEAD, POST"},
		{"GET", "/v1/jobs/1:cancel/", refusal{http: 404, code: codes.NotFound, reason: "NO_SUCH_ROUTE"}, ""},
		{"POST", "/v1/jobs/1:nothing", refusal{http: 405, code: codes.Unimplemented, reason: "METHOD_NOT_ALLOWED"}, "GET, HEAD"},
		{"DELETE", "/v1/jobs/1", refusal{http: 405, code: codes.Unimplemented, reason: "METHOD_NOT_ALLOWED"}, "GET, HEAD"},
		{"OPTIONS", "/v1/jobs", refusal{http: 405, code: codes.Unimplemented, reason: "METHOD_NOT_ALLOWED"}, "GET, HEAD, POST"},
		{"DELETE", "/v1/workspace", refusal{http: 405, code: codes.Unimplemented, reason: "METHOD_NOT_ALLOWED"}, "GET, HEAD"},
		{"POST", "/v1/workspace/a", refusal{http: 405, code: codes.Unimplemented, reason: "METHOD_NOT_ALLOWED"}, "DELETE, GET, HEAD, PUT"},
		{"POST", "/v1/jobs/1/results/a", refusal{http: 405, code: codes.Unimplemented, reason: "METHOD_NOT_ALLOWED"}, "GET, HEAD"},
		{"PUT", "/v1/jobs/1/results.zip", refusal{http: 405, code: codes.Unimplemented, reason: "METHOD_NOT_ALLOWED"}, "GET, HEAD"},
		{"POST", "/openapi.json", refusal{http: 405, code: codes.Unimplemented, reason: "METHOD_NOT_ALLOWED"}, "GET, HEAD"},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			resp := s.do(t, test.method, test.path, nil)
			test.want.check(t, resp)
			if got := resp.Header.Get("Allow"); got != test.allow {
				t.Errorf("Allow %q, want %q", got, test.allow)
			}
		})
	}
}

func TestHeadIsTheHeaderOfGet(t *testing.T) {
	s := newSite(t, answering(), Config{})
	get, head := s.get(t, "/v1/jobs/1"), s.do(t, http.MethodHead, "/v1/jobs/1", nil)
	if head.StatusCode != http.StatusOK || head.body != "" || head.Header.Get("Content-Type") != get.Header.Get("Content-Type") {
		t.Errorf("%s %v with %q; GET has %v", head.Status, head.Header, head.body, get.Header)
	}
	// A stream would not end: the call is not made, for which there is no script.
	if resp := s.do(t, http.MethodHead, "/v1/jobs:watch", nil, accept, eventStream); resp.StatusCode != http.StatusOK || resp.body != "" {
		t.Errorf("of a stream: %s with %q", resp.Status, resp.body)
	}
	if resp := s.do(t, http.MethodHead, "/v1/jobs:batchSubmit", nil); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("of a change: %s", resp.Status)
	}
}

func TestNoHeaderChangesTheMethod(t *testing.T) {
	s := newSite(t, &script{}, Config{})
	const form = "application/x-www-form-urlencoded"
	// POST on a path that takes only GET, dressed up.
	resp := s.post(t, "/v1/status", "owner=x", "Content-Type", form)
	refusal{http: 405, code: codes.Unimplemented, reason: "METHOD_NOT_ALLOWED"}.check(t, resp)
	resp = s.post(t, "/v1/status", "owner=x", "Content-Type", form, "X-HTTP-Method-Override", "GET")
	refusal{http: 405, code: codes.Unimplemented, reason: "METHOD_NOT_ALLOWED"}.check(t, resp)
}

func TestThePathIsDecodedOnce(t *testing.T) {
	var got string
	s := newSite(t, &script{jobs: fake{get: func(_ context.Context, r *jobsv1.GetRequest) (*jobsv1.GetResponse, error) {
		got = r.GetId()
		return &jobsv1.GetResponse{}, nil
	}}}, Config{})
	for path, want := range map[string]string{
		"/v1/jobs/12":      "12",
		"/v1/jobs/1%32":    "12",
		"/v1/jobs/1%2532":  "1%32",
		"/v1/jobs/1%2F2":   "1/2",
		"/v1/jobs/%C3%BC":  "ü",
		"/v1/jobs/a%3Ab":   "a:b",
		"/v1/jobs/%2e%2e":  "..",
		"/v1/jobs/a%20+b!": "a +b!",
	} {
		got = ""
		if resp := s.get(t, path); resp.StatusCode != http.StatusOK || got != want {
			t.Errorf("%s: the service got %q, want %q: %s", path, got, want, resp.body)
		}
	}
	for _, path := range []string{"/v1/jobs/%ff", "/v1/jobs/1%00"} {
		refusal{http: 400, code: codes.InvalidArgument, reason: "INVALID_ARGUMENT", fields: []string{"id"}}.check(t, s.get(t, path))
	}
}

func TestACallEndsWhenItsClientLeaves(t *testing.T) {
	called, ended := make(chan struct{}), make(chan struct{})
	s := newSite(t, &script{jobs: fake{get: func(ctx context.Context, _ *jobsv1.GetRequest) (*jobsv1.GetResponse, error) {
		close(called)
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	}}}, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/v1/jobs/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-called; cancel() }()
	if resp, err := s.Client().Do(req); err == nil {
		resp.Body.Close()
		t.Error("the client that left got an answer")
	}
	<-ended
}

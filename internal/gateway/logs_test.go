package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func TestARawLogIsItsBytesAsText(t *testing.T) {
	var got *jobsv1.StreamLogsRequest
	s := newSite(t, &script{jobs: fake{logs: func(r *jobsv1.StreamLogsRequest, stream grpc.ServerStreamingServer[jobsv1.StreamLogsResponse]) error {
		got = r
		for _, frame := range []*jobsv1.StreamLogsResponse{
			{Offset: 5, Data: []byte("<script>alert(1)</script>\x1b[31m")}, {}, {Offset: 35, Data: []byte{0xff, '\n'}}, {Offset: 1037, Data: []byte("end")}, {},
		} {
			if err := stream.Send(frame); err != nil {
				return err
			}
		}
		return nil
	}}}, Config{})
	const want = "<script>alert(1)</script>\x1b[31m\xff\n\n[stint: 1000 bytes were dropped here, the output was over its size cap]\nend"
	for _, test := range []struct{ path, accept, disposition string }{
		{"/v1/jobs/7/logs/stderr?download=1&offset=5&attempt=2", "", "attachment"},
		{"/v1/jobs/7/logs/stderr?offset=5&attempt=2", "text/plain", "inline"},
		{"/v1/jobs/7/logs/LOG_STREAM_STDERR?attempt=2&offset=5", "text/plain;charset=utf-8, */*", "inline"},
	} {
		resp := s.get(t, test.path, accept, test.accept)
		if resp.StatusCode != http.StatusOK || resp.body != want || resp.err != nil {
			t.Errorf("%s: %s %q %v", test.path, resp.Status, resp.body, resp.err)
		}
		for name, want := range map[string]string{
			"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"Content-Disposition": test.disposition + `; filename="job-7-stderr.txt"; filename*=UTF-8''job-7-stderr.txt`,
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %s %q, want %q", test.path, name, got, want)
			}
		}
		wantRequest := &jobsv1.StreamLogsRequest{Id: "7", Stream: jobsv1.LogStream_LOG_STREAM_STDERR, Offset: 5, Attempt: 2}
		if diff := cmp.Diff(wantRequest, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.path, diff)
		}
	}
	// Without asking for text it is frames.
	for _, accepted := range []string{"", "*/*", "text/html, text/plain", "application/json"} {
		if resp := s.get(t, "/v1/jobs/7/logs/stdout?download=false", accept, accepted); resp.Header.Get("Content-Type") != ndjson {
			t.Errorf("Accept %q: %q", accepted, resp.Header.Get("Content-Type"))
		}
	}
}

func TestARawLogThatBreaksOffDoesNotLookComplete(t *testing.T) {
	fail := false
	s := newSite(t, &script{jobs: fake{logs: func(_ *jobsv1.StreamLogsRequest, stream grpc.ServerStreamingServer[jobsv1.StreamLogsResponse]) error {
		if fail {
			return refused(t, codes.NotFound, "NOT_FOUND", "No.")
		}
		if err := stream.Send(&jobsv1.StreamLogsResponse{Data: []byte("abc")}); err != nil {
			return err
		}
		return refused(t, codes.Unavailable, "UNAVAILABLE", "The disk is gone.")
	}}}, Config{})
	if resp := s.get(t, "/v1/jobs/7/logs/stdout?download=1"); resp.err == nil || !strings.HasPrefix("abc", resp.body) {
		t.Errorf("%s %q %v", resp.Status, resp.body, resp.err)
	}
	fail = true
	resp := s.get(t, "/v1/jobs/7/logs/stdout?download=1")
	refusal{http: 404, code: codes.NotFound, reason: "NOT_FOUND"}.check(t, resp)
}

func TestAnEmptyRawLogIsEmpty(t *testing.T) {
	s := newSite(t, &script{jobs: fake{logs: func(*jobsv1.StreamLogsRequest, grpc.ServerStreamingServer[jobsv1.StreamLogsResponse]) error {
		return nil
	}}}, Config{})
	resp := s.get(t, "/v1/jobs/7/logs/stdout?download=1")
	if resp.StatusCode != http.StatusOK || resp.body != "" || resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%s %q %v", resp.Status, resp.body, resp.Header)
	}
}

package gateway

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func compressing(t *testing.T) *site {
	t.Helper()
	sc := answering()
	sc.jobs.list = func(context.Context, *jobsv1.ListRequest) (*jobsv1.ListResponse, error) {
		resp := &jobsv1.ListResponse{}
		for range 100 {
			resp.Jobs = append(resp.Jobs, &jobsv1.Job{Service: "Date", Owner: "somebody"})
		}
		return resp, nil
	}
	sc.workspace.download = func(_ *workspacev1.DownloadRequest, stream grpc.ServerStreamingServer[workspacev1.DownloadResponse]) error {
		data := []byte(strings.Repeat("text ", 1000))
		if err := stream.Send(&workspacev1.DownloadResponse{Entry: &workspacev1.WorkspaceEntry{Path: "x", ContentType: "text/plain", SizeBytes: int64(len(data))}}); err != nil {
			return err
		}
		return stream.Send(&workspacev1.DownloadResponse{Data: data})
	}
	sc.jobs.watch = func(_ *jobsv1.WatchStatusRequest, stream grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
		return stream.Send(&jobsv1.WatchStatusResponse{Cursor: "7"})
	}
	return newSite(t, sc, Config{Next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, strings.Repeat("<p>a page</p>", 1000))
	})})
}

// Long responses are compressed for who takes that; streams and files are sent as they are.
func TestResponsesAreCompressed(t *testing.T) {
	s := compressing(t)
	for path, want := range map[string]bool{"/v1/jobs": true, "/": true, "/openapi.json": true, "/v1/jobs/1": false, "/v1/jobs/1:watch": false, "/v1/workspace/x": false} {
		resp := s.get(t, path, "Accept-Encoding", "gzip", "Accept", "*/*")
		got := resp.Header.Get("Content-Encoding") == "gzip"
		if got != want {
			t.Errorf("%s: %s, compressed %v", path, resp.Status, got)
		}
		if want {
			z, err := gzip.NewReader(strings.NewReader(resp.body))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(z)
			if plain := s.get(t, path, "Accept-Encoding", "identity"); err != nil || string(text) != plain.body || len(resp.body) > len(plain.body)/2 {
				t.Errorf("%s: %d bytes, %d of them in plain, %v", path, len(text), len(plain.body), err)
			}
			if !strings.Contains(strings.Join(resp.Header.Values("Vary"), ","), "Accept-Encoding") {
				t.Errorf("%s: Vary is %q", path, resp.Header.Values("Vary"))
			}
		}
	}
}

// Bodies may be compressed, and are bounded by what they become.
func TestBodiesMayBeCompressed(t *testing.T) {
	s := newSite(t, answering(), Config{MaxBodyBytes: 1 << 20})
	post := func(body string) reply {
		return s.do(t, http.MethodPost, "/v1/jobs", strings.NewReader(body), "Content-Encoding", "gzip", "Content-Type", "application/json")
	}
	if resp := post(gzipped(t, `{"job": {"service": "Date"}}`)); resp.StatusCode != http.StatusOK {
		t.Errorf("%s %s", resp.Status, resp.body)
	}
	for name, c := range map[string]struct {
		body string
		want refusal
	}{
		"a bomb":        {gzipped(t, strings.Repeat(" ", 64<<20)), refusal{http: http.StatusRequestEntityTooLarge, code: codes.ResourceExhausted, reason: "BODY_TOO_LARGE"}},
		"cut off":       {gzipped(t, `{"job": {}}`)[:20], refusal{http: http.StatusBadRequest, code: codes.InvalidArgument, reason: "MALFORMED_BODY"}},
		"no gzip":       {`{"job": {}}`, refusal{http: http.StatusBadRequest, code: codes.InvalidArgument, reason: "MALFORMED_BODY"}},
		"JSON with end": {gzipped(t, `{"job": `), refusal{http: http.StatusBadRequest, code: codes.InvalidArgument, reason: "MALFORMED_JSON", fields: []string{"body"}}},
	} {
		t.Run(name, func(t *testing.T) { c.want.check(t, post(c.body)) })
	}
	refused := refusal{http: http.StatusUnsupportedMediaType, code: codes.InvalidArgument, reason: "UNSUPPORTED_MEDIA_TYPE"}
	refused.fields = []string{"Content-Encoding"}
	refused.check(t, s.do(t, http.MethodPut, "/v1/workspace/x", strings.NewReader("x"), "Content-Encoding", "gzip"))
	refused.fields = []string{"Content-Type"}
	refused.check(t, s.do(t, http.MethodPut, "/v1/workspace/x", strings.NewReader("--b\r\n\r\nx\r\n--b--"), "Content-Type", "multipart/form-data; boundary=b"))
}

package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// badPaths are ways to say a path that is none.
var badPaths = []string{
	"", "/", "a/", "/a", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "./a",
	"%2e%2e/a", "a/%2E%2e/b", "a%2f..%2fb", "..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "a%2F%2Fb", "a%2F",
	"a%00b", "%00", "%ff", "%c0%ae%c0%ae/a", "a%ed%a0%80",
	strings.Repeat("a", 4097), strings.Repeat("a/", 2048) + "a",
}

// goodPaths are paths and what they mean.
var goodPaths = map[string]string{
	"a":                       "a",
	"a/b.txt":                 "a/b.txt",
	"a%2Fb%2fc":               "a/b/c",
	"a%20b":                   "a b",
	"a+b":                     "a+b",
	"%25":                     "%",
	"%252e%252e":              "%2e%2e",
	"%252F":                   "%2F",
	"...":                     "...",
	"..a":                     "..a",
	".hidden":                 ".hidden",
	"a%5C..%5Cb":              `a\..\b`,
	"gr%C3%B6%C3%9Fe":         "größe",
	"größe":                   "größe",
	"a:cancel":                "a:cancel",
	"a;b=c":                   "a;b=c",
	"a%3Fb%23c":               "a?b#c",
	"results.zip":             "results.zip",
	strings.Repeat("a", 4096): strings.Repeat("a", 4096),
}

func TestPathsAreDecodedOnceAndNeverCleaned(t *testing.T) {
	for escaped, want := range goodPaths {
		for prefix, lead := range map[string]string{"/v1/workspace/": "/", "/v1/jobs/7/results/": ""} {
			route, ok := parseFileRoute(prefix + escaped)
			got, p := route.filePath()
			if !ok || p != nil || got != lead+want {
				t.Errorf("%s%s: %q, %v; want %q", prefix, escaped, got, p, lead+want)
			}
		}
	}
	for _, escaped := range badPaths {
		route, ok := parseFileRoute("/v1/workspace/" + escaped)
		if got, p := route.filePath(); !ok || p == nil {
			t.Errorf("%s is taken for %q", escaped, got)
		}
	}
}

func TestOnlyPathsOfFilesAreFileRoutes(t *testing.T) {
	for _, path := range []string{
		"", "/", "/v1", "/v1/", "/v1/workspace", "/v1/jobs", "/v1/jobs/7", "/v1/jobs/7/results", "/v1/jobs//results/a",
		"/v1/jobs/7/logs/stdout", "/v1/jobs:watch", "/v1/jobs/7/results.zip/", "/v1/jobs/7/results.zipx", "/v2/workspace/a", "v1/workspace/a",
		"/v1/jobs/7/x/results/a", "/v1/workspaces/a",
	} {
		if route, ok := parseFileRoute(path); ok {
			t.Errorf("%q is taken for %+v", path, route)
		}
	}
	if route, ok := parseFileRoute("/v1/jobs/a%2Fb/results.zip"); !ok || route.id != "a/b" || route.kind != resultArchive {
		t.Errorf("%+v, %v", route, ok)
	}
}

func FuzzFilePath(f *testing.F) {
	for _, escaped := range badPaths {
		f.Add("/v1/workspace/" + escaped)
	}
	for escaped := range goodPaths {
		f.Add("/v1/jobs/7/results/" + escaped)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		route, ok := parseFileRoute(escaped)
		if !ok || route.kind == resultArchive {
			return
		}
		got, p := route.filePath()
		if p != nil {
			if _, fields := explain(p.status); len(fields) != 1 || fields[0] != "path" {
				t.Fatalf("%q is refused without naming the path: %v", escaped, p)
			}
			return
		}
		relative, absolute := strings.CutPrefix(got, "/")
		if absolute != (route.kind == workspaceFile) {
			t.Fatalf("%q became %q", escaped, got)
		}
		// It stays below its root, whoever joins it to one, and has no other spelling.
		if !fs.ValidPath(relative) || relative == "." || strings.ContainsRune(relative, 0) {
			t.Fatalf("%q became %q, which is no path below a root", escaped, got)
		}
		for _, again := range []string{url.PathEscape(relative), (&url.URL{Path: relative}).EscapedPath()} {
			route.escaped = again
			if back, p := route.filePath(); p != nil || back != got {
				t.Fatalf("%q became %q, and then %q: %v", escaped, got, back, p)
			}
		}
	})
}

// sendRaw sends a request line as it is, which no client library would.
func sendRaw(t *testing.T, s *site, method, target string) reply {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", method, target)
	req, err := http.NewRequestWithContext(t.Context(), method, "http://localhost/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	var body strings.Builder
	_, err = bufio.NewReader(resp.Body).WriteTo(&body)
	return reply{resp, body.String(), err}
}

func TestBadPathsReachNoService(t *testing.T) {
	s := newSite(t, &script{}, Config{}) // any call would crash the test
	want := refusal{http: 400, code: codes.InvalidArgument, reason: "INVALID_ARGUMENT", fields: []string{"path"}}
	for _, escaped := range badPaths {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			want.check(t, sendRaw(t, s, method, "/v1/workspace/"+escaped))
		}
		want.check(t, sendRaw(t, s, http.MethodGet, "/v1/jobs/7/results/"+escaped))
	}
	for _, target := range []string{"/v1/workspace/../../etc/passwd", "/v1/../v1/jobs", "/v1/workspace/..", "/v1/jobs/7/../8"} {
		if resp := sendRaw(t, s, http.MethodGet, target); resp.StatusCode/100 != 4 || resp.Header.Get("Location") != "" {
			t.Errorf("%s: %s, Location %q", target, resp.Status, resp.Header.Get("Location"))
		}
	}
	// What is no path at all does not reach the handlers.
	for _, target := range []string{"/v1/workspace/a%", "/v1/workspace/%zz"} {
		if resp := sendRaw(t, s, http.MethodGet, target); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", target, resp.Status)
		}
	}
	refusal{http: 404, code: codes.NotFound, reason: "NO_SUCH_ROUTE"}.check(t, sendRaw(t, s, http.MethodGet, "http://localhost"))
}

func TestAllMethodsMeanTheSameFile(t *testing.T) {
	var got []string
	s := newSite(t, &script{workspace: fakeWorkspace{
		download: func(r *workspacev1.DownloadRequest, _ grpc.ServerStreamingServer[workspacev1.DownloadResponse]) error {
			got = append(got, r.GetPath())
			return refused(t, codes.NotFound, "NOT_FOUND", "No.")
		},
		upload: func(stream grpc.ClientStreamingServer[workspacev1.UploadRequest, workspacev1.UploadResponse]) error {
			first, err := stream.Recv()
			got = append(got, first.GetTarget().GetPath())
			if err != nil {
				return err
			}
			return refused(t, codes.NotFound, "NOT_FOUND", "No.")
		},
		remove: func(_ context.Context, r *workspacev1.DeleteRequest) (*workspacev1.DeleteResponse, error) {
			got = append(got, r.GetPath())
			if !r.GetRecursive() {
				t.Error("the query was lost")
			}
			return nil, refused(t, codes.NotFound, "NOT_FOUND", "No.")
		},
	}}, Config{})
	for escaped, want := range goodPaths {
		got = nil
		for method, query := range map[string]string{http.MethodGet: "", http.MethodPut: "", http.MethodDelete: "?recursive=true"} {
			refusal{http: 404, code: codes.NotFound, reason: "NOT_FOUND"}.check(t, sendRaw(t, s, method, "/v1/workspace/"+escaped+query))
		}
		for _, path := range got {
			if path != "/"+want {
				t.Errorf("%s: a service got %q, want %q", escaped, path, "/"+want)
			}
		}
		if len(got) != 3 {
			t.Errorf("%s: %d calls", escaped, len(got))
		}
	}
}

package gateway

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// answering is a service that answers Get and Submit.
func answering() *script {
	return &script{jobs: fake{
		get: func(context.Context, *jobsv1.GetRequest) (*jobsv1.GetResponse, error) {
			return &jobsv1.GetResponse{}, nil
		},
		submit: func(context.Context, *jobsv1.SubmitRequest) (*jobsv1.SubmitResponse, error) {
			return &jobsv1.SubmitResponse{}, nil
		},
	}}
}

func TestOnlyLoopbackNamesReachALocalServer(t *testing.T) {
	cfg := Config{LoopbackOnly: true, AllowedHosts: []string{"gateway.example"}, Next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "page")
	})}
	s := newSite(t, answering(), cfg)
	for host, allowed := range map[string]bool{
		"localhost": true, "LocalHost:8080": true, "localhost.": true, "a.localhost:1": true, "127.0.0.1": true, "127.1.2.3:99": true,
		"[::1]": true, "[::1]:8080": true, "[::ffff:127.0.0.1]:1": true, "gateway.example:8080": true, "GATEWAY.example": true,
		"evil.example": false, "evil.example:8080": false, "127.0.0.1.evil.example": false, "localhost.evil.example": false,
		"192.168.1.1": false, "[fe80::1]": false, "0.0.0.0": false, "sub.gateway.example": false, "xlocalhost": false, "localhost:a:b": false,
	} {
		for _, path := range []string{"/v1/jobs/1", "/", "/openapi.json"} {
			resp := s.get(t, path, "Host", host)
			if allowed && resp.StatusCode != http.StatusOK {
				t.Errorf("Host %s, %s: %s", host, path, resp.Status)
			}
			if !allowed {
				refusal{http: 421, code: codes.PermissionDenied, reason: "HOST_NOT_ALLOWED"}.check(t, resp)
			}
		}
	}
	public := newSite(t, answering(), Config{})
	if resp := public.get(t, "/v1/jobs/1", "Host", "anything.example"); resp.StatusCode != http.StatusOK {
		t.Errorf("without a restriction: %s", resp.Status)
	}
}

func TestPagesOfOtherSitesCannotPost(t *testing.T) {
	s := newSite(t, answering(), Config{TrustedOrigins: []string{"https://portal.example"}})
	for _, test := range []struct {
		name   string
		header []string
		ok     bool
	}{
		{"a program", nil, true},
		{"its own page", []string{"Sec-Fetch-Site", "same-origin", "Origin", s.URL}, true},
		{"its own page, old browser", []string{"Origin", s.URL}, true},
		{"another site", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, false},
		{"another site, old browser", []string{"Origin", "https://evil.example"}, false},
		{"a sandboxed frame", []string{"Origin", "null"}, false},
		{"the same site, another host", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://other.example"}, false},
		{"a trusted site", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://portal.example"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, media := range []string{"application/json", "text/plain", "application/x-www-form-urlencoded"} {
				resp := s.post(t, "/v1/jobs", "{}", append([]string{"Content-Type", media}, test.header...)...)
				if test.ok && resp.StatusCode != http.StatusOK {
					t.Errorf("%s: %s", media, resp.Status)
				}
				if !test.ok {
					refusal{http: 403, code: codes.PermissionDenied, reason: "CROSS_SITE"}.check(t, resp)
				}
				if resp.Header.Get("Access-Control-Allow-Origin") != "" {
					t.Error("another site may read the answer")
				}
			}
		})
	}
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	s := newSite(t, answering(), Config{Next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })})
	for _, path := range []string{"/v1/jobs/1", "/v1/nothing", "/openapi.json", "/page", "/v1/workspace/..%2f"} {
		h := s.get(t, path).Header
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Cross-Origin-Opener-Policy": "same-origin",
			"Strict-Transport-Security": "", // over plaintext browsers take no notice, and a proxy says it itself
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s %q, want %q", path, name, got, want)
			}
		}
		if !strings.Contains(h.Get("Permissions-Policy"), "camera=()") {
			t.Errorf("%s: %v", path, h)
		}
		if strings.HasPrefix(path, "/v1/") && (h.Get("Cache-Control") != "no-store" || h.Get("Cross-Origin-Resource-Policy") != "same-origin") {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestAPrefixIsTakenWithAndWithout(t *testing.T) {
	var got string
	sc := answering()
	sc.jobs.get = func(_ context.Context, r *jobsv1.GetRequest) (*jobsv1.GetResponse, error) {
		got = r.GetId()
		return &jobsv1.GetResponse{}, nil
	}
	s := newSite(t, sc, Config{PathPrefix: "stint/", Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "page "+r.URL.Path)
	})})
	for path, want := range map[string]string{"/v1/jobs/1": "1", "/stint/v1/jobs/2": "2", "/stint/v1/jobs/a%2Fb": "a/b", "/stint/stint": "", "/stintv1/jobs/1": ""} {
		got = ""
		s.get(t, path)
		if got != want {
			t.Errorf("%s: the service got %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string]string{"/stint": "page /", "/stint/": "page /", "/stint/jobs": "page /jobs", "/jobs": "page /jobs", "/stinted": "page /stinted"} {
		if resp := s.get(t, path); resp.body != want {
			t.Errorf("%s: %q, want %q", path, resp.body, want)
		}
	}
	if resp := s.get(t, "/stint/openapi.json"); !strings.Contains(resp.body, `"url": "./"`) {
		t.Errorf("the document does not say where the server is: %.200s", resp.body)
	}
}

func TestGRPCClientsThatGotHereAreToldWhy(t *testing.T) {
	s := newSite(t, &script{}, Config{})
	resp := s.post(t, "/stint.jobs.v1.JobService/Get", "\x00", "Content-Type", "application/grpc+proto")
	refusal{http: 415, code: codes.Unimplemented, reason: "GRPC_NOT_HERE"}.check(t, resp)
}

func TestHeadersAreBounded(t *testing.T) {
	s := newSite(t, answering(), Config{})
	if resp := s.get(t, "/v1/jobs/1", "X-Flood", strings.Repeat("x", 1<<20)); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 1 MiB: %s", resp.Status)
	}
	if resp := s.get(t, "/v1/jobs/1"); resp.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %s", resp.Status)
	}
}

func TestAPanicIsAnErrorOfOneRequest(t *testing.T) {
	s := newSite(t, &script{}, Config{Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			_, _ = io.WriteString(w, "begun")
		}
		panic("secret")
	})})
	resp := s.get(t, "/early")
	refusal{http: 500, code: codes.Internal, reason: "INTERNAL"}.check(t, resp)
	if strings.Contains(resp.body, "secret") {
		t.Errorf("the cause reached the client: %s", resp.body)
	}
	if log := s.log.String(); !strings.Contains(log, "secret") || !strings.Contains(log, "guard_test.go") {
		t.Errorf("the log does not say what happened: %s", log)
	}
	if resp, err := s.Client().Get(s.URL + "/late"); err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil {
			t.Error("an answer that was broken off looks complete")
		}
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("a gateway without a connection was made")
	}
	memory := newSite(t, &script{}, Config{}).Server.Config.Handler
	g, ok := memory.(*gateway)
	if !ok {
		t.Fatal("the handler is no gateway")
	}
	if _, err := New(Config{Conn: g.Conn, TrustedOrigins: []string{"portal.example/path"}}); err == nil || !strings.Contains(err.Error(), "portal.example/path") {
		t.Errorf("a bad origin: %v", err)
	}
}

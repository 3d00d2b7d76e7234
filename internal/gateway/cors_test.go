package gateway

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

const portal = "https://portal.example.org"

func embeddable(t *testing.T) *site {
	t.Helper()
	sc := answering()
	sc.jobs.summarize = func(context.Context, *jobsv1.SummarizeRequest) (*jobsv1.SummarizeResponse, error) {
		return &jobsv1.SummarizeResponse{}, nil
	}
	sc.jobs.watch = func(*jobsv1.WatchStatusRequest, grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
		return status.Error(codes.Unauthenticated, "who are you?")
	}
	return newSite(t, sc, Config{EmbedOrigins: []string{portal, "http://127.0.0.1:9"}, Next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "script")
	})})
}

func allowed(h http.Header) string {
	return strings.Join([]string{h.Get("Access-Control-Allow-Origin"), h.Get("Access-Control-Allow-Credentials")}, " ")
}

func TestConfiguredSitesGetWhatTheIndicatorNeeds(t *testing.T) {
	s := embeddable(t)
	browser := []string{"Origin", portal, "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors", "Cookie", "stint_session=x"}
	for _, path := range []string{"/indicator.js", "/v1/jobs:summarize", "/v1/jobs:watch"} { // the watch is refused, and the page may read why
		resp := s.get(t, path, browser...)
		if allowed(resp.Header) != portal+" true" || !slices.Contains(resp.Header.Values("Vary"), "Origin") {
			t.Errorf("%s: %s %v", path, resp.Status, resp.Header)
		}
		if path != "/v1/jobs:watch" && resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s", path, resp.Status, resp.body)
		}
	}
	resp := s.do(t, http.MethodOptions, "/v1/jobs:watch", nil, "Origin", portal, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "accept")
	if resp.StatusCode != http.StatusNoContent || allowed(resp.Header) != portal+" true" || resp.Header.Get("Access-Control-Allow-Methods") != "GET" {
		t.Errorf("the question before: %s %v", resp.Status, resp.Header)
	}
}

func TestEverythingElseIsRefusedToOtherSites(t *testing.T) {
	s := embeddable(t)
	cors := []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "cross-site"}
	for what, c := range map[string]struct {
		path   string
		header []string
	}{
		"jobs, from a site that may embed": {"/v1/jobs/1", append([]string{"Origin", portal}, cors...)},
		"who it is":                        {"/v1/auth/whoami", append([]string{"Origin", portal}, cors...)},
		"counts, from another site":        {"/v1/jobs:summarize", append([]string{"Origin", "https://evil.example"}, cors...)},
		"counts, from a subdomain":         {"/v1/jobs:summarize", append([]string{"Origin", "https://x.portal.example.org"}, cors...)},
		"counts, from what looks like it":  {"/v1/jobs:summarize", append([]string{"Origin", portal + ".evil.example"}, cors...)},
		"counts, from the other scheme":    {"/v1/jobs:summarize", append([]string{"Origin", "http://portal.example.org"}, cors...)},
		"counts, from a frame without one": {"/v1/jobs:summarize", append([]string{"Origin", "null"}, cors...)},
		"counts, as an image":              {"/v1/jobs:summarize", []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image", "Sec-Fetch-Site", "cross-site"}},
		"a job in a frame":                 {"/v1/jobs/1", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "cross-site"}},
		"a neighbour":                      {"/v1/jobs/1", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-site", "Origin", "https://other.example.org"}},
	} {
		t.Run(what, func(t *testing.T) {
			resp := s.get(t, c.path, c.header...)
			refusal{http: 403, code: codes.PermissionDenied, reason: "CROSS_SITE"}.check(t, resp)
			if allowed(resp.Header) != " " {
				t.Errorf("the answer may be read: %v", resp.Header)
			}
		})
	}
	for what, c := range map[string]struct {
		path   string
		header []string
	}{
		"a link that somebody followed": {"/v1/jobs/1", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "cross-site"}},
		"a program":                     {"/v1/jobs/1", nil},
		"its own page":                  {"/v1/jobs/1", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-origin"}},
		"an old browser":                {"/v1/jobs/1", []string{"Origin", "https://evil.example"}},
	} {
		if resp := s.get(t, c.path, c.header...); resp.StatusCode != http.StatusOK || allowed(resp.Header) != " " {
			t.Errorf("%s: %s, %v", what, resp.Status, resp.Header)
		}
	}
	for _, path := range []string{"/v1/jobs", "/v1/jobs/1", "/v1/workspace/a"} {
		resp := s.do(t, http.MethodOptions, path, nil, "Origin", portal, "Access-Control-Request-Method", "POST", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors")
		if resp.StatusCode < 400 || allowed(resp.Header) != " " {
			t.Errorf("the question before a post to %s: %s %v", path, resp.Status, resp.Header)
		}
	}
	if resp := s.post(t, "/v1/jobs:summarize", "{}", "Origin", portal, "Sec-Fetch-Site", "cross-site"); resp.StatusCode != http.StatusForbidden || allowed(resp.Header) != " " {
		t.Errorf("a post of a site that may embed: %s", resp.Status)
	}
}

func TestACookieWithoutAnOriginChangesNothing(t *testing.T) {
	s := newSite(t, answering(), Config{})
	resp := s.post(t, "/v1/jobs", "{}", "Cookie", "stint_session=x")
	refusal{http: 403, code: codes.PermissionDenied, reason: "CROSS_SITE"}.check(t, resp)
	for what, header := range map[string][]string{
		"a token goes before the cookie": {"Cookie", "stint_session=x", "Authorization", "Bearer x"},
		"its own page":                   {"Cookie", "stint_session=x", "Sec-Fetch-Site", "same-origin", "Origin", s.URL},
		"its own page, old browser":      {"Cookie", "stint_session=x", "Origin", s.URL},
		"a program":                      {},
	} {
		if resp := s.post(t, "/v1/jobs", "{}", header...); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s", what, resp.Status, resp.body)
		}
	}
	if resp := s.get(t, "/v1/jobs/1", "Cookie", "stint_session=x"); resp.StatusCode != http.StatusOK {
		t.Errorf("reading with a cookie: %s", resp.Status)
	}
}

func TestOriginsAreWrittenAsBrowsersDo(t *testing.T) {
	for _, good := range []string{"https://a.example", "http://127.0.0.1:8080", "https://[::1]:1"} {
		if err := CheckOrigin(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "*", "null", "https://*.example", "a.example", "https://a.example/", "https://a.example/x", "HTTPS://a.example", "https://A.example", "ftp://a", "https://a; script-src *", "https://a,https://b", "https://u@a.example"} {
		if CheckOrigin(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
		if _, err := New(Config{Conn: nopConn{}, EmbedOrigins: []string{bad}}); err == nil {
			t.Errorf("%q is taken by New", bad)
		}
	}
}

// nopConn is a connection that nobody uses.
type nopConn struct{ grpc.ClientConnInterface }

// Pages of sites that are named may call with a bearer token, and read what comes back; with a cookie they may nothing.
func TestNamedSitesCallWithABearerToken(t *testing.T) {
	const console = "https://console.example.org"
	s := newSite(t, answering(), Config{CORSOrigins: []string{console}})
	cross := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}
	with := func(more ...string) []string { return slices.Concat(cross, more) }
	resp := s.do(t, http.MethodOptions, "/v1/jobs", nil, with("Origin", console, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type,idempotency-key")...)
	if resp.StatusCode != http.StatusNoContent || allowed(resp.Header) != console+" " || !strings.Contains(resp.Header.Get("Access-Control-Allow-Headers"), "authorization") {
		t.Errorf("the question before: %s %v", resp.Status, resp.Header)
	}
	for name, c := range map[string]struct {
		header []string
		code   int
		may    bool
	}{
		"a token":                 {with("Origin", console, "Authorization", "Bearer x"), http.StatusOK, true},
		"a cookie":                {with("Origin", console, "Cookie", "stint_session=x"), http.StatusForbidden, true},
		"nothing":                 {with("Origin", console), http.StatusForbidden, true},
		"another site's token":    {with("Origin", "https://evil.example.org", "Authorization", "Bearer x"), http.StatusForbidden, false},
		"a site like it":          {with("Origin", console+".evil.org", "Authorization", "Bearer x"), http.StatusForbidden, false},
		"a page of nobody's site": {with("Origin", "null", "Authorization", "Bearer x"), http.StatusForbidden, false},
	} {
		for method, path := range map[string]string{http.MethodPost: "/v1/jobs", http.MethodGet: "/v1/jobs/1"} {
			resp := s.do(t, method, path, strings.NewReader(`{"job": {"service": "Date"}}`), c.header...)
			if resp.StatusCode != c.code || (resp.Header.Get("Access-Control-Allow-Origin") == console) != c.may || resp.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s, %s: %s %v", name, method, resp.Status, resp.Header)
			}
		}
	}
	resp = s.do(t, http.MethodOptions, "/v1/jobs", nil, with("Origin", "https://evil.example.org", "Access-Control-Request-Method", "POST")...)
	if resp.StatusCode == http.StatusNoContent || resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("the question of another site: %s %v", resp.Status, resp.Header)
	}
}

package gateway

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

const (
	contentHost = "results.example.org"
	pagesHost   = "stint.example.org"
)

// shows is a site with a content origin and some results, and the credentials that its services saw.
func shows(t *testing.T, cfg Config) (s *site, seen *[]string) {
	t.Helper()
	seen = new([]string)
	serve := serveResults(t,
		&stored{name: "run/report.html", contentType: "text/html", text: "<script>1</script>", modified: modified},
		&stored{name: "run/data/plot.js", contentType: "text/javascript", text: "2", modified: modified},
		&stored{name: "run/paper.pdf", contentType: "application/pdf", text: "%PDF", modified: modified},
		&stored{name: "other/secret.txt", contentType: "text/plain", text: "3", modified: modified},
		&stored{name: "run/blob", contentType: "application/octet-stream", text: "4", modified: modified},
	)
	sc := answering()
	sc.jobs.readResult = func(r *jobsv1.ReadResultRequest, stream grpc.ServerStreamingServer[jobsv1.ReadResultResponse]) error {
		*seen = append(*seen, strings.Join(metadata.ValueFromIncomingContext(stream.Context(), "authorization"), ","))
		return serve(r, stream)
	}
	cfg.ContentOrigin = "https://" + contentHost
	return newSite(t, sc, cfg), seen
}

// from sends a request that names a host, and does not follow where it is sent.
func (s *site) from(t *testing.T, host, method, path string, header ...string) reply {
	t.Helper()
	return s.do(t, method, path, nil, append([]string{"Host", host}, header...)...)
}

// opens is what a browser says of a request for something that it is to show by itself.
var opens = []string{"Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "none", "Authorization", "Bearer ann"}

// sentTo returns where a request for a result is sent, as the path at the content origin.
func sentTo(t *testing.T, s *site, path string, header ...string) string {
	t.Helper()
	resp := s.from(t, pagesHost, http.MethodGet, path, header...)
	to, ok := strings.CutPrefix(resp.Header.Get("Location"), "https://"+contentHost)
	if resp.StatusCode != http.StatusSeeOther || !ok || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%s: %s %v", path, resp.Status, resp.Header)
	}
	return to
}

func TestAReportIsShownAtTheContentOriginAsItsReader(t *testing.T) {
	s, seen := shows(t, Config{})
	to := sentTo(t, s, "/v1/jobs/7/results/run/report.html", opens...)
	*seen = nil
	resp := s.from(t, contentHost, http.MethodGet, to, "Cookie", "stint_session=of-another", "Authorization", "Bearer eve")
	if resp.StatusCode != http.StatusOK || resp.body != "<script>1</script>" || strings.Join(*seen, " ") != "Bearer ann" {
		t.Fatalf("%s %q, read as %q", resp.Status, resp.body, *seen)
	}
	policy := resp.Header.Get("Content-Security-Policy")
	for _, want := range []string{"sandbox allow-scripts", "default-src https://" + contentHost + " ", "form-action 'none'", "frame-ancestors http://" + pagesHost + " https://" + pagesHost} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy has no %q: %s", want, policy)
		}
	}
	if strings.Contains(policy, "allow-same-origin") || resp.Header.Get("Referrer-Policy") != "no-referrer" || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") ||
		!strings.HasPrefix(resp.Header.Get("Content-Disposition"), "inline") || resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("%v", resp.Header)
	}
	folder := to[:strings.LastIndexByte(to, '/')]
	if resp := s.from(t, contentHost, http.MethodGet, folder+"/data/plot.js"); resp.body != "2" || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/javascript") {
		t.Errorf("a script beside the report: %s %v", resp.Status, resp.Header)
	}
	if resp := s.from(t, contentHost, http.MethodGet, to, "Range", "bytes=1-6"); resp.StatusCode != http.StatusPartialContent || resp.body != "script" {
		t.Errorf("a range: %s %q", resp.Status, resp.body)
	}
	if resp := s.from(t, contentHost, http.MethodGet, sentTo(t, s, "/v1/jobs/7/results/run/paper.pdf", opens...)); strings.Contains(resp.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("a PDF, which browsers show in no sandbox: %v", resp.Header)
	}
}

func TestAtTheContentOriginThereIsNothingButWhatATicketIsFor(t *testing.T) {
	s, seen := shows(t, Config{Next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })})
	to := sentTo(t, s, "/v1/jobs/7/results/run/report.html", opens...)
	folder := to[:strings.LastIndexByte(to, '/')] // of the ticket's path
	folder = folder[:strings.LastIndexByte(folder, '/')]
	*seen = nil
	for _, path := range []string{
		"/", "/jobs", "/v1/jobs", "/v1/jobs/7/results/run/report.html", "/openapi.json", "/auth/login", "/healthz", "/c/", "/c/x/run/report.html", "/c/" + strings.Repeat("A", 43) + "/run/report.html",
		folder + "/other/secret.txt", folder + "/run/../other/secret.txt", folder + "/run/%2e%2e/other/secret.txt", folder, folder + "/", folder + "/run/absent",
	} {
		resp := s.from(t, contentHost, http.MethodGet, path, "Authorization", "Bearer ann", "Cookie", "stint_session=x")
		if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s %s", path, resp.Status, resp.body)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		if resp := s.from(t, contentHost, method, to); resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %s", method, resp.Status)
		}
	}
	if resp := s.from(t, contentHost, http.MethodPost, "/stint.jobs.v1.JobService/List", "Content-Type", "application/grpc"); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a call: %s", resp.Status)
	}
	if resp := s.from(t, pagesHost, http.MethodGet, to); resp.StatusCode != http.StatusTeapot { // the pages have no such path
		t.Errorf("a ticket at the pages' origin: %s", resp.Status)
	}
	if ticket := strings.Split(to, "/")[2]; strings.Contains(s.log.String(), ticket) {
		t.Errorf("the log has the ticket:\n%s", s.log)
	}
}

func TestWhoIsSentToTheContentOrigin(t *testing.T) {
	s, _ := shows(t, Config{})
	const report = "/v1/jobs/7/results/run/report.html"
	for name, c := range map[string]struct {
		path   string
		header []string
		sent   bool
	}{
		"a browser that opens it":               {report, opens, true},
		"a frame of a page of this server":      {report, []string{"Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "same-origin"}, true},
		"a frame of another site":               {report, []string{"Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "cross-site"}, false},
		"a program":                             {report, nil, false},
		"a script of a page":                    {report, []string{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin"}, false},
		"who wants to save it":                  {report + "?download=true", opens, false},
		"a browser that opens text":             {"/v1/jobs/7/results/other/secret.txt", opens, false},
		"a browser that opens an unknown thing": {"/v1/jobs/7/results/run/blob", opens, false},
	} {
		resp := s.from(t, pagesHost, http.MethodGet, c.path, c.header...)
		if sent := resp.StatusCode == http.StatusSeeOther; sent != c.sent {
			t.Errorf("%s: %s %v", name, resp.Status, resp.Header)
		}
		if c.path == report && !c.sent && resp.StatusCode == http.StatusOK && !strings.HasPrefix(resp.Header.Get("Content-Disposition"), "attachment") &&
			!strings.HasPrefix(resp.Header.Get("Content-Security-Policy"), "sandbox; ") {
			t.Errorf("%s has the report with its scripts at the pages' origin: %v", name, resp.Header)
		}
	}
	without := newSite(t, &script{jobs: fake{readResult: serveResults(t, &stored{name: "r.html", contentType: "text/html", modified: modified})}}, Config{})
	if resp := without.get(t, "/v1/jobs/7/results/r.html", opens...); resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("without a content origin: %s %v", resp.Status, resp.Header)
	}
}

// What is taken back from the reader is taken back at the content origin, too: each request asks again.
func TestATicketIsNoMoreThanItsReader(t *testing.T) {
	refuse := false
	s, _ := shows(t, Config{Authenticate: func(r *http.Request, _ string) error {
		if refuse && r.Header.Get("Authorization") == "Bearer ann" {
			return refused(t, codes.Unauthenticated, "TOKEN_REVOKED", "The token was revoked.")
		}
		return nil
	}})
	to := sentTo(t, s, "/v1/jobs/7/results/run/report.html", opens...)
	if resp := s.from(t, contentHost, http.MethodGet, to); resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", resp.Status, resp.body)
	}
	refuse = true
	if resp := s.from(t, contentHost, http.MethodGet, to); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("after the token was revoked: %s %s", resp.Status, resp.body)
	}
}

func TestTicketsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tickets := newTickets()
		by := func(user string) *http.Request {
			r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://"+pagesHost, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+user)
			return r
		}
		anns := tickets.issue(by("ann"), "7", "")
		var bobs []string
		for range maxTicketsOfOne + 1 {
			bobs = append(bobs, tickets.issue(by("bob"), "8", ""))
		}
		if _, ok := tickets.find(bobs[0]); ok {
			t.Error("one user has more tickets than one may")
		}
		if n, ok := tickets.find(bobs[maxTicketsOfOne]); !ok || n.job != "8" {
			t.Errorf("%+v %v", n, ok)
		}
		if n, ok := tickets.find(anns); !ok || n.job != "7" {
			t.Errorf("another user's ticket was dropped: %+v %v", n, ok)
		}
		for i := range maxTickets {
			tickets.issue(by(strings.Repeat("x", i%200)), "9", "")
		}
		if n := len(tickets.byID); n > maxTickets || n != tickets.all.Len() {
			t.Errorf("%d tickets, %d in the list", n, tickets.all.Len())
		}
		last := tickets.issue(by("ann"), "7", "")
		<-time.After(ticketLife - 1)
		if _, ok := tickets.find(last); !ok {
			t.Error("a ticket ended before its time")
		}
		<-time.After(1)
		if _, ok := tickets.find(last); ok || tickets.all.Len() != 0 || len(tickets.of) != 0 {
			t.Errorf("after its time there are %d tickets of %d", tickets.all.Len(), len(tickets.of))
		}
	})
}

func TestHostsThatNoPolicyCanNameFrameNothing(t *testing.T) {
	c, err := newContentOrigin("http://" + contentHost + ":8080")
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"stint.example.org": "http://stint.example.org https://stint.example.org", "127.0.0.1:8421": "http://127.0.0.1:8421 https://127.0.0.1:8421",
		"": "'none'", "a; sandbox": "'none'", "*": "'none'", "a,b": "'none'",
	} {
		h := http.Header{}
		c.setHeaders(h, host, fileInfo{path: "x.html", contentType: "text/html"})
		if policy := h.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "frame-ancestors "+want) {
			t.Errorf("%q: %s", host, policy)
		}
	}
	for _, origin := range []string{"results.example.org", "https://results.example.org/", "ftp://x", "https://*.example.org"} {
		if _, err := newContentOrigin(origin); err == nil {
			t.Errorf("%s is taken", origin)
		}
	}
}

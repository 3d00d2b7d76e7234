package e2e_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// The real server sends a browser that opens a report to its other name, where the report is and nothing else, and where it ends with
// the token by which it was opened.
func TestTheContentOriginOfTheRealServer(t *testing.T) {
	const name = "results.example.org"
	h := newHostile(t, "--content-origin", "http://"+name)
	h.addService(t, "Page", "mkdir run\necho '<script>1</script>' > run/r.html\necho other > other.txt\n", "")
	id := h.submit("ann", &jobsv1.Job{Service: "Page"})
	h.until(id, jobsv1.State_STATE_COMPLETED)
	get := func(host, path, user string) (code int, header http.Header, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url(path), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		req.Header.Set("Sec-Fetch-Dest", "document")
		if user != "" {
			req.Header.Set("Authorization", "Bearer "+h.token[user])
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header, string(text)
	}
	code, header, _ := get(h.address, "/v1/jobs/"+id+"/results/run/r.html", "ann")
	to, sent := strings.CutPrefix(header.Get("Location"), "http://"+name)
	if code != http.StatusSeeOther || !sent {
		t.Fatalf("%d %v", code, header)
	}
	if code, header, body := get(name, to, ""); code != http.StatusOK || body != "<script>1</script>\n" || !strings.Contains(header.Get("Content-Security-Policy"), "sandbox allow-scripts") {
		t.Errorf("%d %q %v", code, body, header)
	}
	for _, path := range []string{"/", "/v1/jobs", "/healthz", "/metrics", "/auth/login", strings.Replace(to, "run/r.html", "other.txt", 1)} {
		if code, _, body := get(name, path, "op"); code != http.StatusNotFound {
			t.Errorf("%s at the other name: %d %.100s", path, code, body)
		}
	}
	if code, _, _ := get(h.address, "/v1/jobs/"+id+"/results/run/r.html", "bob"); code != http.StatusNotFound {
		t.Errorf("bob opens ann's report: %d", code)
	}
	if log := h.log.String(); strings.Contains(log, strings.Split(to, "/")[2]) {
		t.Error("the log has the ticket")
	}
	stintd(t, "token", "revoke", "--data", h.data, "--id", strings.Split(h.token["ann"], "_")[1])
	if code, _, body := get(name, to, ""); code != http.StatusUnauthorized {
		t.Errorf("after the token was revoked: %d %.100s", code, body)
	}
}

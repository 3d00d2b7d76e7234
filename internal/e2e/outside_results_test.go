package e2e_test

import (
	"net/http"
	"strings"
	"testing"
)

// Files with the names that attackers would choose come back as something to save, of no origin, and never as another header.
func TestHostileResultsAreSavedAndNotShown(t *testing.T) {
	h := newHostile(t)
	for name, opens := range map[string]bool{
		"evil.html": false, "evil.svg": false, "evil.xhtml": false, "evil.swf": false, "evil": false, "evil.xml": false, "evil.pdf": false,
		"a%0d%0aX-Evil:%20yes.html": false, "a%22;x=%22.html": false,
		"table.tsv": true, "notes.txt": true, "genome.fasta": true, "code.js": true, "code.ts": true,
	} {
		path := "/v1/workspace/" + name
		put, body := h.rest("ann", call{method: http.MethodPut, path: path, body: strings.NewReader("<script>fetch('/v1/jobs')</script>")})
		if put.StatusCode == http.StatusBadRequest && strings.Contains(name, "%0d") {
			continue // such a name is refused
		}
		if put.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %s", name, put.Status, body)
		}
		got, _ := h.rest("ann", call{method: http.MethodGet, path: path})
		disposition, _, _ := strings.Cut(got.Header.Get("Content-Disposition"), ";")
		if want := map[bool]string{true: "inline", false: "attachment"}[opens]; disposition != want {
			t.Errorf("%s is %s as %q, want %s", name, got.Header.Get("Content-Type"), disposition, want)
		}
		if got.Header.Get("X-Evil") != "" || got.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(got.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %v", name, got.Header)
		}
	}
}

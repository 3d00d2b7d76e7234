package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
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

// addService gives the server one more service, whose command is a script for sh, and starts it again.
func (h *hostile) addService(t *testing.T, name, script, spec string) {
	t.Helper()
	folder := filepath.Join(h.services, name)
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{"run": "#!/bin/sh\n" + script, "service.yaml": "id: " + name + "\nlabel: " + name + "\ncommand: [run]\n" + spec} {
		if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o700); err != nil { //nolint:gosec // a program of the service
			t.Fatal(err)
		}
	}
	h.stop()
	h.start()
}

// What a job leaves that would run as a page of this server is saved, and not shown; links and pipes are not followed at all.
func TestResultsOfAHostileJobAreSavedAndLeadNowhere(t *testing.T) {
	h := newHostile(t)
	h.addService(t, "Hostile", `
echo '<html><script>document.title="x"</script><h1>hi</h1><form action="https://evil.example/"><input></form></html>' > r.html
echo '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>' > a.svg
echo '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></html>' > a.xhtml
for f in x.js noext a.shtml a.mht a.htc b.xsl c.swf w.wasm ts.ts h.htm q.json p.pdf; do echo x > "$f"; done
mkdir d; ln -s /etc/passwd link; ln -s /etc d/etc; ln -s ../../ up; mkfifo ff; ln r.html hard.html
`, "results:\n  - {pattern: '*.html', display: html, title: R}\n")
	id := h.submit("ann", &jobsv1.Job{Service: "Hostile"})
	h.until(id, jobsv1.State_STATE_COMPLETED)
	for name, want := range map[string]string{
		"r.html": "attachment", "hard.html": "attachment", "h.htm": "attachment", "a.svg": "attachment", "a.xhtml": "attachment", "a.shtml": "attachment",
		"a.mht": "attachment", "a.htc": "attachment", "b.xsl": "attachment", "c.swf": "attachment", "noext": "attachment", "p.pdf": "attachment",
		"x.js": "inline", "ts.ts": "inline", "w.wasm": "inline", "q.json": "inline", // as text
		"link": "", "d/etc/passwd": "", "up/shim.json": "", "ff": "",
	} {
		resp, body := h.rest("ann", call{path: "/v1/jobs/" + id + "/results/" + name})
		disposition, _, _ := strings.Cut(resp.Header.Get("Content-Disposition"), ";")
		media := resp.Header.Get("Content-Type")
		switch {
		case want == "" && (resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusBadRequest || strings.Contains(body, "root:")):
			t.Errorf("%s: %s %.100s", name, resp.Status, body)
		case want != "" && (resp.StatusCode != http.StatusOK || disposition != want):
			t.Errorf("%s: %s, %s as %q, want %s", name, resp.Status, media, disposition, want)
		case want == "inline" && !strings.HasPrefix(media, "text/") && media != "application/json":
			t.Errorf("%s is shown as %s", name, media)
		}
	}
}

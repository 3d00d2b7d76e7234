package webui

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// built is what a bundler leaves behind.
func built() fstest.MapFS {
	return fstest.MapFS{
		".gitignore": {Data: []byte("*\n")},
		"index.html": {Data: []byte("<!doctype html><html><HEAD lang=en><base href=\"./\">\n" +
			"<script type=module src=\"./assets/main-B3xk_9-Q.js\"></script></head><body></body></html>")},
		"assets/main-B3xk_9-Q.js": {Data: []byte("export {}")},
		"assets/logo.svg":         {Data: []byte("<svg/>")},
		"indicator.js":            {Data: []byte("void 0")},
	}
}

// page is an answer.
type page struct {
	Status int
	Header http.Header
}

func serve(t *testing.T, h http.Handler, method, path string, header ...string) (page, string) {
	t.Helper()
	r := httptest.NewRequest(method, "http://localhost"+path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return page{w.Code, w.Header()}, w.Body.String()
}

func TestPagesAreServedWithTheirTypesAndCaching(t *testing.T) {
	p, err := newPages(built(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	const revalidate, forever = "no-cache", "public, max-age=31536000, immutable"
	for _, test := range []struct {
		path, media, cache string
	}{
		{"/", "text/html; charset=utf-8", revalidate},
		{"/index.html", "text/html; charset=utf-8", revalidate},
		{"/jobs", "text/html; charset=utf-8", revalidate},
		{"/jobs/42", "text/html; charset=utf-8", revalidate},
		{"/workspace/reads/a.fastq", "text/html; charset=utf-8", revalidate},
		{"/account", "text/html; charset=utf-8", revalidate},
		{"/audit", "text/html; charset=utf-8", revalidate},
		{"/everybody", "text/html; charset=utf-8", revalidate},
		{"/assets/main-B3xk_9-Q.js", "text/javascript; charset=utf-8", forever},
		{"/assets/logo.svg", "image/svg+xml", revalidate},
		{"/indicator.js", "text/javascript; charset=utf-8", revalidate},
	} {
		resp, _ := serve(t, p, http.MethodGet, test.path)
		if resp.Status != http.StatusOK {
			t.Errorf("%s: %d", test.path, resp.Status)
		}
		if got := resp.Header.Get("Content-Type"); got != test.media {
			t.Errorf("%s: Content-Type %q, want %q", test.path, got, test.media)
		}
		if got := resp.Header.Get("Cache-Control"); got != test.cache {
			t.Errorf("%s: Cache-Control %q, want %q", test.path, got, test.cache)
		}
		if got := resp.Header.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") || strings.Contains(got, "unsafe") {
			t.Errorf("%s: Content-Security-Policy %q", test.path, got)
		}
		etag := resp.Header.Get("ETag")
		if again, _ := serve(t, p, http.MethodGet, test.path, "If-None-Match", etag); again.Status != http.StatusNotModified {
			t.Errorf("%s: asked again with its ETag: %d", test.path, again.Status)
		}
	}
}

func TestOnlyPathsOfThePagesShowThePage(t *testing.T) {
	p, err := newPages(built(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/favicon.ico", "/.gitignore", "/assets/gone-12345678.js", "/assets/", "/jobsite", "/../index.html", "//jobs"} {
		if resp, body := serve(t, p, http.MethodGet, path); resp.Status != http.StatusNotFound {
			t.Errorf("%s: %d with %q, want 404", path, resp.Status, body)
		}
	}
	for _, to := range []struct{ header, value string }{{"Sec-Fetch-Dest", "document"}, {"Accept", "text/html,*/*;q=0.8"}} {
		resp, body := serve(t, p, http.MethodGet, "/nosuchpage", to.header, to.value)
		_, index := serve(t, p, http.MethodGet, "/jobs")
		if resp.Status != http.StatusNotFound || body != index || resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("ETag") != "" {
			t.Errorf("%s: %d %v with %q, want 404 with the page", to.header, resp.Status, resp.Header, body)
		}
		if resp, body := serve(t, p, http.MethodHead, "/nosuchpage", to.header, to.value); resp.Status != http.StatusNotFound || body != "" {
			t.Errorf("HEAD, %s: %d with %q", to.header, resp.Status, body)
		}
	}
	// A script or a picture that is gone is no page, whatever else the browser takes.
	if resp, body := serve(t, p, http.MethodGet, "/assets/gone.js", "Sec-Fetch-Dest", "script", "Accept", "text/html"); resp.Status != http.StatusNotFound || strings.Contains(body, "<") {
		t.Errorf("a script: %d with %q", resp.Status, body)
	}
	if resp, _ := serve(t, p, http.MethodPost, "/jobs"); resp.Status != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", resp.Status, resp.Header.Get("Allow"))
	}
	if resp, body := serve(t, p, http.MethodHead, "/jobs"); resp.Status != http.StatusOK || body != "" {
		t.Errorf("HEAD: %d with %q", resp.Status, body)
	}
}

func TestThePageKnowsWhereItIsPublished(t *testing.T) {
	for prefix, want := range map[string]string{
		"":        `<base href="/">`,
		"/":       `<base href="/">`,
		"stint":   `<base href="/stint/">`,
		"/a/b/":   `<base href="/a/b/">`,
		`/"><x x`: `<base href="/&#34;&gt;&lt;x x/">`,
	} {
		for name, files := range map[string]fstest.MapFS{"built": built(), "placeholder": {}} {
			p, err := newPages(files, Config{PathPrefix: prefix})
			if err != nil {
				t.Fatal(err)
			}
			_, body := serve(t, p, http.MethodGet, "/jobs/1")
			if bases := regexp.MustCompile(`<base[^>]*>`).FindAllString(body, -1); len(bases) != 1 || bases[0] != want {
				t.Errorf("%s at %q: %q, want only %q", name, prefix, bases, want)
			}
		}
	}
}

func TestThePlaceholderHelpsAndObeysThePolicy(t *testing.T) {
	p, err := newPages(fstest.MapFS{".gitignore": {}}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	resp, body := serve(t, p, http.MethodGet, "/")
	if resp.Status != http.StatusOK {
		t.Fatal(resp.Status)
	}
	for _, want := range []string{"make web", `href="openapi.json"`, "stint submit"} {
		if !strings.Contains(body, want) {
			t.Errorf("the placeholder does not say %q", want)
		}
	}
	// The policy would silently block these, and a link from the root would leave the prefix.
	if bad := regexp.MustCompile(`(?i)<script|<style|style=|\son\w+=|href="/[^"]`).FindString(body); bad != "" {
		t.Errorf("the placeholder has %q", bad)
	}
}

func TestOnlyTheIndicatorIsShownInFramesAndOnlyOfConfiguredSites(t *testing.T) {
	const portal = "https://portal.example.org"
	for _, test := range []struct {
		origins    []string
		path, want string
	}{
		{nil, "/embed", "frame-ancestors 'none'"},
		{[]string{portal, "http://127.0.0.1:9"}, "/embed", "frame-ancestors 'self' " + portal + " http://127.0.0.1:9"},
		{[]string{portal}, "/", "frame-ancestors 'none'"},
		{[]string{portal}, "/jobs/1", "frame-ancestors 'none'"},
		{[]string{portal}, "/indicator.js", "frame-ancestors 'none'"},
		{[]string{portal}, "/embed/", "frame-ancestors 'none'"},
	} {
		p, err := newPages(built(), Config{PathPrefix: "stint", EmbedOrigins: test.origins})
		if err != nil {
			t.Fatal(err)
		}
		resp, body := serve(t, p, http.MethodGet, test.path)
		if got := resp.Header.Get("Content-Security-Policy"); !strings.HasSuffix(got, "; "+test.want) || strings.Contains(got, "unsafe") {
			t.Errorf("%s for %v: policy %q, want %q at its end", test.path, test.origins, got, test.want)
		}
		if test.path == "/embed" && (!strings.Contains(body, `<base href="/stint/" target="_top">`) || strings.Contains(body, "style=") || !strings.Contains(body, `src="indicator.js"`)) {
			t.Errorf("the page is %s", body)
		}
	}
}

func TestPagesWithoutAnIndexAreAMistake(t *testing.T) {
	if _, err := newPages(fstest.MapFS{"assets/main.js": {}}, Config{}); err == nil {
		t.Error("a build without index.html was taken")
	}
}

func TestTheEmbeddedPagesCanBeServed(t *testing.T) {
	h, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if resp, body := serve(t, h, http.MethodGet, "/"); resp.Status != http.StatusOK || !strings.Contains(body, "<title>") {
		t.Errorf("%d: %s", resp.Status, body)
	}
}

// Package webui serves the built pages: exactly the files that were embedded,
// below whatever path the server is published under, with a policy that lets
// them load nothing that is not theirs.
//
// `make web` puts the pages into dist before the program is built. Without them there is
// one page that says so, so that every build serves something.
package webui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Not only `dist/*`: the folder is there before the pages are, with nothing but its .gitignore.
//
//go:embed all:dist
var dist embed.FS

//go:embed placeholder.html
var placeholder []byte

//go:embed embed.html
var embedPage string

// Config says where the pages are published.
type Config struct {
	// PathPrefix is the path below which browsers see the server, for example
	// `/stint`. Requests must come without it. Empty means the root.
	PathPrefix string
	// EmbedOrigins are the sites that may show the indicator alone, at /embed, in a
	// frame. They must be origins as browsers write them. All other pages are shown in no frame.
	EmbedOrigins []string
	// Site is how the gateway names itself. It must have passed its Check.
	Site Site
	// ContentOrigin is the origin that results with scripts are shown at, in frames of the pages. Empty means that there is none.
	ContentOrigin string
}

// policy lets a page load its own files and talk to its own server, no more.
// Results are shown in frames, images may be made by the page.
// The last word is who may show them in a frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; " +
	"connect-src 'self'; frame-src 'self'{content}; worker-src 'self'; manifest-src 'self'; " +
	"base-uri 'self'; form-action 'self'; frame-ancestors "

// asset is one file of the pages.
type asset struct {
	name string
	text []byte
	etag string
}

// pages serves the assets of one build.
type pages struct {
	assets map[string]asset
	index  asset
	embed  asset
	policy string // of the pages, but for its last word
	sites  string // that may show embed in a frame, as the policy names them
}

// New makes the handler of the embedded pages.
func New(cfg Config) (http.Handler, error) {
	built, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, fmt.Errorf("open the built pages: %w", err)
	}
	return newPages(built, cfg)
}

func newPages(built fs.FS, cfg Config) (*pages, error) {
	p := &pages{assets: map[string]asset{}, sites: "'none'", policy: strings.Replace(policy, "{content}", "", 1)}
	if cfg.ContentOrigin != "" {
		p.policy = strings.Replace(policy, "{content}", " "+cfg.ContentOrigin, 1)
	}
	if len(cfg.EmbedOrigins) > 0 {
		p.sites = "'self' " + strings.Join(cfg.EmbedOrigins, " ")
	}
	p.embed = newAsset("embed.html", []byte(strings.ReplaceAll(embedPage, "{base}", html.EscapeString(baseOf(cfg.PathPrefix)))))
	err := fs.WalkDir(built, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(path.Base(name), ".") {
			return err
		}
		text, err := fs.ReadFile(built, name)
		p.assets[name] = newAsset(name, text)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the built pages: %w", err)
	}
	index, ok := p.assets[indexName]
	if !ok {
		if len(p.assets) > 0 {
			return nil, errors.New("read the built pages: there is no index.html among them")
		}
		index.text = placeholder
	}
	site, err := p.takeSite(cfg.Site)
	if err != nil {
		return nil, err
	}
	p.index = newAsset(indexName, withHead(index.text, `<base href="`+html.EscapeString(baseOf(cfg.PathPrefix))+`">`+contentOrigin(cfg.ContentOrigin)+site))
	return p, nil
}

// takeSite serves the logo of a site, and returns what the page says of the site in its head.
func (p *pages) takeSite(site Site) (string, error) {
	if site.Logo == "" {
		return site.tag("")
	}
	logo, err := site.logo()
	if err != nil {
		return "", fmt.Errorf("read the logo: %w", err)
	}
	p.assets[logo.name] = logo
	return site.tag(logo.name)
}

const indexName = "index.html"

func newAsset(name string, text []byte) asset {
	return asset{name: name, text: text, etag: fmt.Sprintf(`"%x"`, sha256.Sum256(text))}
}

var (
	headTag = regexp.MustCompile(`(?i)<head[^>]*>`)
	baseTag = regexp.MustCompile(`(?i)<base\s[^>]*>\s*`)
)

// withHead puts elements at the begin of a page's head, in the place of a <base> that is there. The base tells the page
// where the server is, from its point of view: all its links are relative, and it is served at paths of every depth.
func withHead(page []byte, elements string) []byte {
	page = baseTag.ReplaceAll(page, nil)
	at := headTag.FindIndex(page)
	if at == nil {
		return page
	}
	return bytes.Join([][]byte{page[:at[1]], []byte("\n" + elements), page[at[1]:]}, nil)
}

// contentOrigin is the element that tells the page where results with scripts are shown.
func contentOrigin(origin string) string {
	if origin == "" {
		return ""
	}
	return `<meta name="stint-content-origin" content="` + html.EscapeString(origin) + `">`
}

// baseOf is the path that all links are relative to.
func baseOf(prefix string) string {
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		return "/" + prefix + "/"
	}
	return "/"
}

// routes are the first segments of the paths that the pages themselves show something at.
var routes = map[string]bool{
	"jobs": true, "compare": true, "services": true, "submit": true, "workspace": true, "queue": true, "audit": true, "everybody": true, "account": true,
}

// ServeHTTP serves a file of the pages, or the page itself at one of its paths.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", p.policy+"'none'")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "Pages are read with GET.", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	first, _, _ := strings.Cut(name, "/")
	found, ok := p.assets[name]
	if name == "embed" {
		h.Set("Content-Security-Policy", p.policy+p.sites)
		found, ok = p.embed, true
	}
	if name == "" || name == indexName || (!ok && routes[first]) {
		found, ok = p.index, true
	}
	if !ok {
		p.notFound(w, r)
		return
	}
	h.Set("Content-Type", contentType(found.name))
	h.Set("Cache-Control", "no-cache") // kept, but asked about each time
	if hashed.MatchString(found.name) {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("ETag", found.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(found.text))
}

// notFound answers for what is not there: a person gets the page, which says so and shows the way back, a program one
// line. The fields that tell them apart are sent by every browser since 2023, and by no program.
func (p *pages) notFound(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept, Sec-Fetch-Dest")
	to := r.Header.Get("Sec-Fetch-Dest")
	if to != "document" && (to != "" || !strings.Contains(r.Header.Get("Accept"), "text/html")) {
		http.Error(w, "There is no such page.", http.StatusNotFound)
		return
	}
	h.Set("Content-Type", contentType(p.index.name))
	h.Set("Content-Length", strconv.Itoa(len(p.index.text)))
	w.WriteHeader(http.StatusNotFound)
	if r.Method != http.MethodHead {
		_, _ = w.Write(p.index.text) // the reader is gone: nobody is left to tell
	}
}

// hashed matches the files whose names change with their content: the bundler puts them there.
var hashed = regexp.MustCompile(`^assets/.+-[A-Za-z0-9_-]{8}\.[a-z0-9.]+$`)

// contentType is the media type of an asset. It does not ask the machine's own tables.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".map", ".json":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".ico":
		return "image/x-icon"
	case ".woff2":
		return "font/woff2"
	case ".svg":
		return "image/svg+xml"
	}
	if byName := mime.TypeByExtension(path.Ext(name)); byName != "" {
		return byName
	}
	return "application/octet-stream"
}

package gateway

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/reason"
)

// contentOrigin is the origin at which a browser shows results that are not harmless, with their scripts. Nothing is there but files
// below ticketPath, and no credential is taken there but a ticket.
type contentOrigin struct {
	origin  string // as a browser writes it
	host    string // of it, with the port where it is not the usual one
	port    string // the usual one
	tickets *tickets
}

// ticketPath is followed by a ticket's id and the path of a result.
const ticketPath = "/c/"

// newContentOrigin returns nil without an origin.
func newContentOrigin(origin string) (*contentOrigin, error) {
	if origin == "" {
		return nil, nil
	}
	if err := CheckOrigin(origin); err != nil {
		return nil, err
	}
	u, err := url.Parse(origin)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", origin, err)
	}
	usual := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	return &contentOrigin{origin: origin, host: strings.TrimSuffix(u.Host, usual), port: usual, tickets: newTickets()}, nil
}

// at reports whether a request is for this origin.
func (c *contentOrigin) at(r *http.Request) bool {
	return c != nil && strings.EqualFold(strings.TrimSuffix(r.Host, c.port), c.host)
}

// shownElsewhere reports whether a browser may show such a file at an origin of its own alone. Other files that are not harmless it
// would save there, too.
func shownElsewhere(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return active(contentType) || media == "application/pdf"
}

// redirect sends a browser that wants to show a result to the content origin, and reports whether it did. Programs, and who asks
// to save the file, get it where they asked for it.
func (c *contentOrigin) redirect(w http.ResponseWriter, r *http.Request, route fileRoute, info fileInfo) bool {
	if c == nil || route.kind != resultFile || !shownElsewhere(contentType(info.contentType)) {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "document":
	case "iframe":
		if r.Header.Get("Sec-Fetch-Site") != "same-origin" {
			return false
		}
	default:
		return false
	}
	folder, _ := path.Split(info.path)
	u := url.URL{Path: ticketPath + c.tickets.issue(r, route.id, folder) + "/" + info.path}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Sec-Fetch-Dest, Sec-Fetch-Site")
	h.Set("Location", c.origin+u.EscapedPath())
	w.WriteHeader(http.StatusSeeOther)
	return true
}

// serveContent serves a request for the content origin.
func (g *gateway) serveContent(w http.ResponseWriter, r *http.Request) {
	w.Header().Del("Cross-Origin-Opener-Policy") // the policy of files says who may hold on to them
	noteRoute(r.Context(), r.Method+" "+ticketPath+"{ticket}/{path}")
	if p := g.admit(r); p != nil {
		g.refuse(w, r, p)
		return
	}
	if !reads(r.Method) || r.Method == http.MethodOptions {
		w.Header().Set("Allow", "GET, HEAD")
		g.refuse(w, r, methodNotAllowed())
		return
	}
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), ticketPath)
	r = r.WithContext(r.Context())
	r.URL = &url.URL{Path: ticketPath} // no log may have the ticket
	id, escaped, found := strings.Cut(rest, "/")
	t, known := g.content.tickets.find(id)
	if !ok || !found || !known {
		g.refuse(w, r, newProblem(reason.NotFound, "Links to results work for five minutes. Open the file from the page of its job again."))
		return
	}
	route := fileRoute{kind: resultFile, id: t.job, escaped: escaped}
	file, p := route.filePath()
	if p == nil && !strings.HasPrefix(file, t.folder) {
		p = newProblem(reason.NotFound, "There is no such file below the one that was opened.")
	}
	if p != nil {
		g.refuse(w, r, p)
		return
	}
	r = t.asOwner(r)
	method := jobsv1.JobService_ReadResult_FullMethodName
	if p := g.authenticate(r, method); p != nil {
		g.refuse(w, r, p)
		return
	}
	g.send(w, r, method, g.resultOpener(t.job, file), func(info fileInfo) bool {
		g.content.setHeaders(w.Header(), t.host, info)
		return true
	})
}

// asOwner returns the request as the owner of the ticket would have sent it. What the browser sends by itself is not looked at.
func (t *ticket) asOwner(r *http.Request) *http.Request {
	as := r.WithContext(r.Context())
	as.Header, as.TLS = t.credential.Clone(), t.tls
	for _, name := range []string{"Range", "If-Range", "If-None-Match", "If-Modified-Since", requestIDHeader} {
		if values := r.Header.Values(name); len(values) > 0 {
			as.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	return as
}

// requestIDHeader has the name of a request, for the log.
const requestIDHeader = "X-Request-Id"

// plainHost matches a host that a policy can name.
var plainHost = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]+)?$`)

// setHeaders says what a file is and what it may do. Its scripts run in an origin of their own, that of no other file either, load
// nothing but what is beside it, and reach no other server.
func (c *contentOrigin) setHeaders(h http.Header, host string, info fileInfo) {
	media := info.contentType
	if _, _, err := mime.ParseMediaType(media); err != nil {
		media = "application/octet-stream"
	}
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", disposition(false, fileName(info.path)))
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Access-Control-Allow-Origin", "*") // the file's own scripts have no origin, and no cookie goes here
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	pages := "'none'"
	if plainHost.MatchString(host) {
		pages = fmt.Sprintf("http://%s https://%s", host, host)
	}
	policy := fmt.Sprintf("default-src %s data: blob: 'unsafe-inline' 'unsafe-eval'; base-uri 'none'; form-action 'none'; frame-ancestors %s", c.origin, pages)
	if active(media) {
		policy = "sandbox allow-scripts allow-downloads allow-modals; " + policy
	}
	h.Set("Content-Security-Policy", policy)
	if info.modified.Unix() > 0 {
		h.Set("ETag", etag(info))
	}
}

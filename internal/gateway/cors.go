package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/stint-jobs/stint/internal/reason"
)

// CheckOrigin wants an origin as browsers write it, such as `https://gateway.example.org`.
func CheckOrigin(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Scheme+"://"+u.Host != text ||
		strings.ToLower(text) != text || strings.ContainsAny(text, "*,;'\" ") {
		return fmt.Errorf("%q is no origin such as https://gateway.example.org: scheme and host, with the port if it is not the usual one", text)
	}
	return nil
}

// embedded are the paths that the indicator asks on another site's page: its
// own script, the counts and the watch.
var embedded = []string{"/indicator.js", "/v1/jobs:summarize", "/v1/jobs:watch"}

// share lets the pages of the configured sites have what the indicator needs,
// with the user's cookie, and nothing else. It reports whether the request was a question about that and is answered.
func (g *gateway) share(w http.ResponseWriter, r *http.Request) (answered bool) {
	if len(g.EmbedOrigins) == 0 || !slices.Contains(embedded, r.URL.Path) {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if !slices.Contains(g.EmbedOrigins, origin) || r.Method != http.MethodGet && r.Method != http.MethodOptions {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", "Retry-After")
	if r.Method != http.MethodOptions {
		return false
	}
	h.Set("Access-Control-Allow-Methods", http.MethodGet)
	h.Set("Access-Control-Allow-Headers", "Accept, Last-Event-ID")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// foreign is what is wrong with a request of a browser that another site's page
// made; nil when nothing is. Changes are guarded by origins; this is about cookies and about reading.
func (g *gateway) foreign(r *http.Request) *problem {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		// Only browsers have cookies, and they say where a change comes from. A token that is sent with the call goes before the cookie.
		if site == "" && origin == "" && len(r.Header.Values("Cookie")) > 0 && len(r.Header.Values("Authorization")) == 0 {
			return newProblem(reason.CrossSite, "A request with a cookie that changes something must say by Origin where it comes from. Programs send a token.")
		}
		return nil
	}
	if site != "cross-site" && site != "same-site" || !strings.HasPrefix(r.URL.Path, "/v1/") {
		return nil
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" {
		return nil // somebody followed a link
	}
	if slices.Contains(g.EmbedOrigins, origin) && slices.Contains(embedded, r.URL.Path) {
		return nil
	}
	return newProblem(reason.CrossSite, "Pages of other sites cannot read this. Sites that show the indicator are named by --embed-origins.")
}

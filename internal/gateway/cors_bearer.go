package gateway

import (
	"net/http"
	"slices"

	"github.com/rs/cors"
)

// Pages of the sites that Config.CORSOrigins names may call with a bearer token, and with nothing else: a token is sent by who has it,
// while a cookie is sent by whichever page the browser shows.

// corsMaxAge is how many seconds a browser may keep what it was allowed.
const corsMaxAge = 600

// newCORS replies to browsers that ask what those pages may do.
func newCORS(origins []string) *cors.Cors {
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		AllowedHeaders: []string{
			"Accept", "Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "If-Range", "Last-Event-ID", "Range", headerActFor, "X-Request-Id",
			headerTus, headerOffset, headerLength, headerDefer, headerMetadata,
			reprDigest, contentDigest, wantReprDigest, "Connect-Protocol-Version", "Connect-Timeout-Ms", "Grpc-Timeout", "X-Grpc-Web", "X-User-Agent",
		},
		ExposedHeaders: []string{
			headerTus, headerOffset, headerLength, headerDefer, headerMetadata, headerExpires, "Tus-Version", "Tus-Extension", "Location",
			"Accept-Ranges", "Allow", "Content-Disposition", "Content-Range", "ETag", reprDigest, "Retry-After", "X-Request-Id", "Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin",
		},
		MaxAge: corsMaxAge,
	})
}

// isNamed reports whether a request comes from a page of a site that may call with a bearer token. The indicator's own paths go by
// what may show it, if the site may.
func (g *gateway) isNamed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return slices.Contains(g.CORSOrigins, origin) && !(slices.Contains(g.EmbedOrigins, origin) && slices.Contains(embedded, r.URL.Path))
}

// isPreflight reports whether a browser asks what a page may do.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// byBearer reports whether a request of another site's page is one that this site is named for.
func (g *gateway) byBearer(r *http.Request) bool {
	return g.isNamed(r) && (isPreflight(r) || r.Header.Get("Authorization") != "")
}

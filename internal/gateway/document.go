package gateway

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"

	"github.com/stint-jobs/stint/internal/gen/openapi"
)

// document is an OpenAPI document as the gateway serves it: byte for byte the one in the repository.
type document struct {
	text []byte
	etag string
}

func newDocument(text []byte) document {
	return document{text: text, etag: fmt.Sprintf(`"%x"`, sha256.Sum256(text))}
}

// documents are what the paths of descriptions lead to.
func newDocuments() map[string]document {
	return map[string]document{"/openapi.json": newDocument(openapi.Document), "/openapi-3.0.json": newDocument(openapi.Document30)}
}

// serveDocument responds with a document.
func (g *gateway) serveDocument(w http.ResponseWriter, r *http.Request, d document) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		g.refuse(w, r, methodNotAllowed())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", d.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.text))
}

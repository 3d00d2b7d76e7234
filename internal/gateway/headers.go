package gateway

import (
	"context"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/metadata"

	"github.com/stint-jobs/stint/internal/reason"
)

// metadataIdempotencyKey is the key of the metadata that carries the header
// Idempotency-Key to the services, which take it for a request_id that the body does not give.
const metadataIdempotencyKey = "idempotency-key"

// headerActFor names the user whom a service account acts for. Config.Caller hands it on.
const headerActFor = "Stint-Act-For"

// callMetadata is what a call carries of the request's headers, besides
// `authorization` and `x-forwarded-for`, and what Config.Caller says of its sender. No other header gets through.
func (g *gateway) callMetadata(r *http.Request) metadata.MD {
	md := metadata.MD{}
	if g.Caller != nil {
		md = g.Caller(r)
	}
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		md.Set(metadataIdempotencyKey, key)
	}
	return md
}

// callContext is the context of a call that does not go through the mux.
func (g *gateway) callContext(r *http.Request, method string) (context.Context, error) {
	return runtime.AnnotateContext(r.Context(), g.mux, r, method)
}

// checkRequestHeaders refuses headers that would be lost on the way to the
// services, and removes those that grpc-gateway would take orders from.
func checkRequestHeaders(h http.Header) *problem {
	for _, name := range []string{"Grpc-Timeout", "Te", "X-Forwarded-For", "X-Forwarded-Host"} {
		h.Del(name)
	}
	// A credential that got lost would make its bearer somebody else.
	if values := h.Values("Authorization"); len(values) > 1 || (len(values) == 1 && !printable(values[0])) {
		return newProblem(reason.Unauthenticated, "The header Authorization must be given once, in printable ASCII.")
	}
	if keys := h.Values("Idempotency-Key"); len(keys) > 0 {
		if key := keys[0]; len(keys) > 1 || key == "" || len(key) > 128 || !printable(key) {
			return invalid("Idempotency-Key", "must be given once, with 1 to 128 printable ASCII characters")
		}
	}
	// One that got lost would make a service account itself where it means a user.
	if users := h.Values(headerActFor); len(users) > 1 || (len(users) == 1 && !printable(users[0])) {
		return invalid(headerActFor, "must be given once, in printable ASCII")
	}
	if encoding := h.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") && !strings.EqualFold(encoding, "gzip") {
		return unsupported("Content-Encoding", "must be gzip or left out")
	}
	return nil
}

// checkFileHeaders refuses bodies that are not the file that is to be stored.
func checkFileHeaders(h http.Header) *problem {
	if encoding := h.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return unsupported("Content-Encoding", "must be left out: files are stored as they are")
	}
	if h.Get("Content-Range") != "" {
		return invalid("Content-Range", "must be left out: a file is stored whole or not at all")
	}
	// A form has the file in an envelope, which would be stored as the file.
	if strings.HasPrefix(mediaType(h), "multipart/") {
		return unsupported("Content-Type", "must not be that of a form or another envelope: the body of the request is the file itself, as curl sends it with -T FILE or --data-binary @FILE, not with -F")
	}
	return nil
}

package gateway

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"

	"github.com/stint-jobs/stint/internal/reason"
)

const (
	// minCompressed is how long a response must be to be compressed.
	minCompressed = 1 << 10
	// lengthNoise is how many bytes are added at most to a compressed response: its length must not tell what a secret in it has in
	// common with what another user had put beside it (the attack BREACH).
	lengthNoise = 32
)

// compressible are the media types of responses that are compressed. Streams are not: a compressor takes a megabyte
// for as long as the stream is open, and there may be ten thousand.
var compressible = []string{"application/json", "text/html", "text/css", "text/javascript", "image/svg+xml", "text/plain"}

// newCompressed wraps the handler of all that is neither a call nor a stream nor a file.
func newCompressed(h http.HandlerFunc) (http.Handler, error) {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(minCompressed), gzhttp.ContentTypes(compressible),
		gzhttp.EnableZstd(false), gzhttp.RandomJitter(lengthNoise, 0, false))
	if err != nil {
		return nil, fmt.Errorf("compress responses: %w", err)
	}
	return wrap(h), nil
}

// compresses reports whether the response to a request may be compressed. Files and logs have ranges, which are of their own bytes.
func (g *gateway) compresses(path string) bool {
	path = strings.TrimPrefix(path, g.PathPrefix)
	_, file := parseFileRoute(path)
	return !file && !strings.HasSuffix(path, ":watch") && !strings.Contains(path, "/logs/") && !strings.HasPrefix(path, uploadsPath+"/") && !g.calls.at(path)
}

// encodedBody is a JSON body as its Content-Encoding says: plain, or with gzip. What comes out of it is bounded by who reads it.
func encodedBody(body io.ReadCloser, encoding string) (io.ReadCloser, *problem) {
	if !strings.EqualFold(encoding, "gzip") {
		return body, nil
	}
	unpacked, err := gzip.NewReader(body)
	if err != nil {
		return nil, undecodable(err)
	}
	return &gzipBody{Reader: unpacked, Closer: body}, nil
}

// gzipBody is what a compressed body becomes. Its errors are problems.
type gzipBody struct {
	*gzip.Reader
	io.Closer
}

// Read reads the next bytes.
func (b *gzipBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = undecodable(err)
	}
	return n, err
}

// Close closes the compressed body.
func (b *gzipBody) Close() error { return b.Closer.Close() }

// undecodable is the problem of a body that is not what its Content-Encoding says.
func undecodable(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok { // of the body itself
		return p
	}
	return newProblem(reason.MalformedBody, "The body is not the gzip that Content-Encoding says, or ends before its end.")
}

package gateway

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/stint-jobs/stint/internal/reason"
)

// isGRPC reports whether a request is a gRPC call, by its content type. gRPC-Web's types are others.
func isGRPC(h http.Header) bool {
	rest, ok := strings.CutPrefix(h.Get("Content-Type"), "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// serveGRPC serves a gRPC call of a client that could have sent REST on the same connection. It is guarded as REST is. Its
// body and its answer are streams without an end, so that the deadlines of REST do not hold for them.
func (g *gateway) serveGRPC(w http.ResponseWriter, r *http.Request) {
	r = trimPrefix(r, g.PathPrefix)
	p := g.guard(r)
	switch {
	case p != nil:
	case r.ProtoMajor < 2: //nolint:mnd // HTTP/2
		p = newProblem(reason.GRPCNotHere, "This call came over HTTP/1.1, and gRPC needs HTTP/2: a proxy on the way must speak HTTP/2 to this server.")
		w.Header().Set("Connection", "close")
	default:
		p = g.authenticate(r, r.URL.Path)
	}
	if p == nil {
		g.GRPC.ServeHTTP(w, r)
		return
	}
	refuseGRPC(w, r, p)
	if g.Done != nil {
		g.Done(r, Outcome{Route: r.URL.Path, Status: http.StatusOK, Code: codes.Code(p.status.GetCode()), Reason: reasonIn(p.status)}) //nolint:gosec // one of gRPC's
	}
}

// refuseGRPC writes a problem as the response to a call. Over HTTP/2 its status is in trailers, which every proxy hands on: a status in the
// headers must come with the end of the stream, and proxies that send on what they have at once take the two apart. Over HTTP/1.1, which
// may have no trailers, it is in the headers.
func refuseGRPC(w http.ResponseWriter, r *http.Request, p *problem) {
	h := w.Header()
	h.Set("Content-Type", "application/grpc")
	prefix := ""
	if r.ProtoMajor > 1 {
		prefix = http.TrailerPrefix
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush() // a client that is gone needs no status
	}
	h.Set(prefix+"Grpc-Status", strconv.Itoa(int(p.status.GetCode())))
	h.Set(prefix+"Grpc-Message", percentEncoded(p.status.GetMessage()))
	if details, err := proto.Marshal(p.status); err == nil {
		h.Set(prefix+"Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString(details))
	}
	if prefix == "" {
		w.WriteHeader(http.StatusOK)
	}
}

// percentEncoded is a text in the form of grpc-message: what is not printable ASCII, and the percent sign, as %XX.
func percentEncoded(text string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c >= ' ' && c <= '~' && c != '%' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&0xf]})
		}
	}
	return b.String()
}

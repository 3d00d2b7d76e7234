package gateway

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/stint-jobs/stint/internal/reason"
)

// calls are the RPCs that the gateway serves by their own paths, such as /stint.jobs.v1.JobService/Get: in gRPC, and translated
// from gRPC-Web and Connect.
type calls struct {
	services map[string]bool
	methods  map[string]protoreflect.MethodDescriptor // by path
}

// newCalls finds the methods of the services.
func newCalls(services []string) (*calls, error) {
	c := &calls{services: make(map[string]bool), methods: make(map[string]protoreflect.MethodDescriptor)}
	for _, name := range services {
		found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		if err != nil {
			return nil, fmt.Errorf("serve the calls of %s: %w", name, err)
		}
		service, ok := found.(protoreflect.ServiceDescriptor)
		if !ok {
			return nil, fmt.Errorf("serve the calls of %s: it is no service", name)
		}
		c.services[name] = true
		for i := range service.Methods().Len() {
			m := service.Methods().Get(i)
			c.methods[fmt.Sprintf("/%s/%s", name, m.Name())] = m
		}
	}
	return c, nil
}

// at reports whether a path is that of a call, or of one that its service does not have.
func (c *calls) at(path string) bool {
	service, _, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return ok && c.services[service]
}

// spoken are the content types of calls that are translated.
var spoken = []string{"application/json", "application/proto", "application/connect+json", "application/connect+proto", "application/grpc-web", "application/grpc-web+proto", "application/grpc-web+json"}

// mediaType is the content type of a request without its parameters.
func mediaType(h http.Header) string {
	media, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(media))
}

// serveCall serves a call in gRPC-Web or Connect. The request was guarded as REST is. Who sends it is known before its body is read.
func (g *gateway) serveCall(w *boundedWriter, r *http.Request, body *boundedBody) {
	method := g.calls.methods[r.URL.Path] // nil for one that there is not
	p := checkCall(r, method)
	if p == nil {
		if p = g.authenticate(r, r.URL.Path); p == nil {
			p = g.boundCall(r, method)
		}
	}
	if p != nil {
		g.refuseCall(w, r, p)
		return
	}
	body.steady = method.IsStreamingClient()
	if media := mediaType(r.Header); media == "application/json" || media == "application/proto" {
		r.Header.Set("Connect-Protocol-Version", "1") // clients may leave it out, the translator may not
	}
	g.translated.ServeHTTP(w, r)
}

// checkCall finds what is wrong with the request itself.
func checkCall(r *http.Request, method protoreflect.MethodDescriptor) *problem {
	media := mediaType(r.Header)
	supported := false
	for _, s := range spoken {
		supported = supported || media == s
	}
	switch {
	case r.Method != http.MethodPost:
		return newProblem(reason.MethodNotAllowed, "Calls are made with POST.")
	case !supported:
		return newProblem(reason.CallProtocolUnknown,
			fmt.Sprintf("The content type %q is none of those that calls are made with here: application/grpc over HTTP/2 (gRPC), application/grpc-web+proto (gRPC-Web), "+
				"application/json and application/proto (Connect), application/connect+json and application/connect+proto (Connect's streams). REST is below /v1.", clip(media, 100)))
	case method == nil:
		return newProblem(reason.Unimplemented, "This server does not offer that call.")
	}
	stream := method.IsStreamingClient() || method.IsStreamingServer()
	if isConnect := !strings.HasPrefix(media, "application/grpc-web"); isConnect && strings.HasPrefix(media, "application/connect+") != stream {
		return newProblem(reason.CallProtocolUnknown,
			"In Connect a call with a stream has the content type application/connect+json or application/connect+proto, one without application/json or application/proto.")
	}
	return nil
}

// boundCall bounds the body of a call that has one message, before anything reads it.
func (g *gateway) boundCall(r *http.Request, method protoreflect.MethodDescriptor) *problem {
	body := &callBody{ReadCloser: r.Body, left: math.MaxInt64}
	if g.SizeOf != nil && !method.IsStreamingClient() {
		if limit, _ := g.SizeOf(r.URL.Path); limit > 0 {
			body.left = limit + callHead
		}
	}
	if r.ContentLength > body.left {
		return callTooLarge()
	}
	r.Body = body
	return nil
}

// callBody is the body of a call. Its errors are those of the Connect library, which the translator passes on.
type callBody struct {
	io.ReadCloser

	left int64
}

// Read reads the next bytes of the body.
func (b *callBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, connectError(callTooLarge())
	}
	if broken, ok := errors.AsType[*problem](err); ok {
		err = connectError(broken)
	}
	return n, err
}

// callHead is what the body of a call with one message may have besides it.
const callHead = 16

func callTooLarge() *problem {
	return newProblem(reason.MessageTooLarge, "The message is larger than this call takes, or has more elements; send many things by several calls.")
}

// drained is how much of the body of a refused call is read and thrown away. HTTP/2 resets a stream whose body is not read, and
// nginx then loses the response.
const drained = 16 << 10

// refuseCall refuses a call in the protocol that it came in, or in JSON if it came in none.
func (g *gateway) refuseCall(w http.ResponseWriter, r *http.Request, p *problem) {
	if 0 < r.ContentLength && r.ContentLength <= drained {
		_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength) // a body that breaks off changes nothing
	}
	if p.http == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	} else if g.refusals.IsSupported(r) {
		noteProblem(r.Context(), p)
		if seconds, ok := retryAfter(p.status); ok {
			w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
		}
		if p.http == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="stint"`)
		}
		if err := g.refusals.Write(w, r, connectError(p)); err != nil {
			g.Logger.DebugContext(r.Context(), "client did not take the refusal", "error", err)
		}
		return
	}
	g.refuse(w, r, p)
}

// connectError is a problem as the Connect library has it, which writes it in each protocol.
func connectError(p *problem) *connect.Error {
	err := connect.NewError(connect.Code(p.status.GetCode()), errors.New(p.status.GetMessage())) //nolint:gosec // one of gRPC's
	for _, detail := range p.status.GetDetails() {
		if m, failed := detail.UnmarshalNew(); failed == nil {
			if d, failed := connect.NewErrorDetail(m); failed == nil {
				err.AddDetail(d)
			}
		}
	}
	return err
}

package gateway

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stint-jobs/stint/internal/reason"
)

// problem is an error in the form in which a client gets it.
type problem struct {
	status *spb.Status
	http   int
}

// Error makes a problem an error for callers that pass it on.
func (p *problem) Error() string { return p.status.GetMessage() }

// newProblem makes a problem of a kind, in words that are truer than those of the table.
func newProblem(kind *reason.Kind, message string, details ...proto.Message) *problem {
	p := &problem{status: &spb.Status{Code: int32(kind.Code), Message: message}, http: kind.HTTP} //nolint:gosec // one of gRPC's
	for _, detail := range append([]proto.Message{kind.Info(nil)}, details...) {
		packed, err := anypb.New(detail)
		if err != nil { // only for text that is not UTF-8; the message says enough without it
			continue
		}
		p.status.Details = append(p.status.Details, packed)
	}
	return p
}

// violations collects what is wrong with the fields of a request.
type violations []*errdetails.BadRequest_FieldViolation

// maxViolations bounds the answer to a body that is nothing but mistakes.
const maxViolations = 100

// add notes that field is wrong. The description goes on from the field's name, without a full stop.
func (v *violations) add(field, description string) {
	if len(*v) == maxViolations {
		return
	}
	*v = append(*v, &errdetails.BadRequest_FieldViolation{Field: clip(field, 200), Description: description})
}

// within reports whether something is wrong with a part of field.
func (v violations) within(field string) bool {
	return slices.ContainsFunc(v, func(violation *errdetails.BadRequest_FieldViolation) bool {
		rest, ok := strings.CutPrefix(violation.GetField(), field)
		return ok && rest != "" && (rest[0] == '.' || rest[0] == '[')
	})
}

// problem is nil when nothing was wrong.
func (v violations) problem() *problem {
	if len(v) == 0 {
		return nil
	}
	message := v[0].GetField() + " " + v[0].GetDescription() + "."
	if len(v) > 1 {
		message += " And more: see the field violations."
	}
	return newProblem(reason.InvalidArgument, message, &errdetails.BadRequest{FieldViolations: v})
}

// invalid is a problem with one field.
func invalid(field, description string) *problem {
	var v violations
	v.add(field, description)
	return v.problem()
}

// unsupported is a problem with a header that says in which form the body comes.
func unsupported(header, description string) *problem {
	return newProblem(reason.UnsupportedMediaType, header+" "+description+".",
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: header, Description: description}}})
}

func internalProblem() *problem {
	return newProblem(reason.Internal, reason.Internal.Message)
}

func noRoute() *problem {
	return newProblem(reason.NoSuchRoute, reason.NoSuchRoute.Message)
}

func methodNotAllowed() *problem {
	return newProblem(reason.MethodNotAllowed, reason.MethodNotAllowed.Message)
}

// clip makes text safe to send back: valid UTF-8 of at most limit bytes, for a little more than what is asked.
func clip(text string, limit int) string {
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "..."
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// problemOf gives an error from a call the form in which a client gets it. What
// carries no reason of Stint's was not written for clients, so its words are replaced.
func (g *gateway) problemOf(ctx context.Context, err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	s := status.Convert(err)
	if s.Code() == codes.Canceled && ctx.Err() != nil {
		// Either the client is gone and reads nothing of this, or the server ends its requests.
		return newProblem(reason.ServerStopping, "The server is stopping; connect again in a moment.")
	}
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == reason.Domain {
			p := &problem{status: s.Proto(), http: runtime.HTTPStatusFromCode(s.Code())}
			if kind := reason.Of(info.GetReason()); kind != nil {
				p.http = kind.HTTP
			}
			return p
		}
	}
	g.Logger.WarnContext(ctx, "error without a reason for clients", "code", s.Code().String(), "error", s.Message())
	if kind, ok := reason.Plain[s.Code()]; ok {
		return newProblem(kind, kind.Message)
	}
	return internalProblem()
}

// refuse answers a request with a problem. Nothing may have been sent yet.
func (g *gateway) refuse(w http.ResponseWriter, r *http.Request, p *problem) {
	noteProblem(r.Context(), p)
	g.Logger.DebugContext(r.Context(), "request refused", "method", r.Method, "path", r.URL.Path, "status", p.http, "message", p.status.GetMessage())
	body, err := protojson.Marshal(p.status)
	if err != nil { // a detail of a type that this program does not know
		p.status.Details = nil
		body, _ = protojson.Marshal(p.status)
	}
	h := w.Header()
	for _, name := range []string{"Content-Disposition", "Content-Length", "Etag", "Last-Modified", "Trailer"} {
		h.Del(name)
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if p.http == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="stint"`)
	}
	if seconds, ok := retryAfter(p.status); ok {
		h.Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	w.WriteHeader(p.http)
	if _, err := w.Write(append(body, '\n')); err != nil {
		g.Logger.DebugContext(r.Context(), "client did not take the answer", "error", err)
	}
}

// retryAfter is the wait that the problem asks for, in whole seconds.
func retryAfter(s *spb.Status) (int64, bool) {
	for _, detail := range s.GetDetails() {
		info := &errdetails.RetryInfo{}
		if detail.MessageIs(info) && detail.UnmarshalTo(info) == nil {
			return int64(math.Ceil(info.GetRetryDelay().AsDuration().Seconds())), true
		}
	}
	return 0, false
}

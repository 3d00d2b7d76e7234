package gateway

import (
	"context"
	"net/http"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
)

// Outcome is how a request ended, for a log.
type Outcome struct {
	// Route is the method and the path, of an RPC as the contract writes it: GET /v1/jobs/{id}.
	Route string
	// Status is that of HTTP. A stream that broke off later has that of its beginning, and the Code of its end.
	Status int
	// Code is the code of an error; OK without one.
	Code codes.Code
	// Reason is the stable reason of an error.
	Reason string
}

type outcomeKey struct{}

// withOutcome has a request carry its outcome.
func withOutcome(r *http.Request) (*http.Request, *Outcome) {
	path := r.URL.Path
	o := &Outcome{Route: r.Method + " " + clip(path, 200)}
	return r.WithContext(context.WithValue(r.Context(), outcomeKey{}, o)), o
}

// on notes the operation of the contract that a request is for.
func (op *operation) on(r *http.Request) {
	if o, ok := r.Context().Value(outcomeKey{}).(*Outcome); ok {
		o.Route = r.Method + " " + op.template
	}
}

// noteRoute notes what a request is for, where its path has a secret.
func noteRoute(ctx context.Context, route string) {
	if o, ok := ctx.Value(outcomeKey{}).(*Outcome); ok {
		o.Route = route
	}
}

// noteProblem notes that a request ends with a problem.
func noteProblem(ctx context.Context, p *problem) {
	o, ok := ctx.Value(outcomeKey{}).(*Outcome)
	if !ok {
		return
	}
	o.Code, o.Reason = codes.Code(p.status.GetCode()), reasonIn(p.status) //nolint:gosec // one of gRPC's
}

// reasonIn is the reason that a status gives.
func reasonIn(s *spb.Status) string {
	for _, detail := range s.GetDetails() {
		info := &errdetails.ErrorInfo{}
		if detail.MessageIs(info) && detail.UnmarshalTo(info) == nil {
			return info.GetReason()
		}
	}
	return ""
}

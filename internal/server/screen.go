package server

import (
	"context"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/tap"

	"github.com/stint-jobs/stint/internal/api"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/layers"
)

// Nothing is read or decoded of a request whose sender may not make the call. Each way in has its own place to see to that:
// gRPC's transport calls screen, the gateway calls admit, and what screen leaves open is decided by the layers around a
// call, which run before its message is decoded.

// screen refuses calls by their headers. It runs where the frames of a connection are read, so it waits for nothing, but
// for the kernel's table of connections with the first call of each in development mode.
func (f *front) screen(ctx context.Context, info *tap.Info) (context.Context, error) {
	known, refused := f.auth.Screen(ctx, info.FullMethodName)
	if f.mode == auth.ModeDev && refused == nil {
		refused = notLocalCall(ctx, info)
	}
	if refused == nil {
		return known, nil
	}
	_, err := f.metrics.UnaryServerInterceptor()(ctx, nil, &grpc.UnaryServerInfo{FullMethod: info.FullMethodName},
		func(ctx context.Context, _ any) (any, error) {
			return nil, layers.Refuse(ctx, info.FullMethodName, refused, f.around(fromNetwork(f.limits))...)
		})
	return ctx, err
}

// around are the layers outside of the one that says who calls: also a call that is refused there passes them.
func (f *front) around(from origin) []layers.Layer {
	if from.logged { // REST is logged by its requests
		return []layers.Layer{api.Errors(f.log), f.limits.address(from)}
	}
	return []layers.Layer{api.Errors(f.log), f.calls.layer, f.limits.address(from)}
}

// admit refuses requests over HTTP of those who may not make the call that they are for.
func (f *front) admit(r *http.Request, method string) error {
	_, err := f.limits.authenticate(r, func() (auth.Principal, error) {
		p, err := f.auth.AdmitRequest(r, method)
		if p == nil {
			return auth.Principal{}, err
		}
		if known, ok := r.Context().Value(requestKey{}).(*request); ok {
			known.who = p
		}
		return *p, err
	})
	return api.Refusal(err)
}

// asAdmitted tells the layers of a call over HTTP who sends it: admit knows that already, also by a browser's cookie, which gRPC does not.
func asAdmitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if known, ok := r.Context().Value(requestKey{}).(*request); ok && known.who != nil {
			r = r.WithContext(auth.Admitted(r.Context(), known.who))
		}
		next.ServeHTTP(w, r)
	})
}

// jsonElements is how many of a message's elements a value of JSON becomes.
const jsonElements = 3

// sizeOf is the table of sizes in the gateway's words.
func sizeOf(method string) (bytes int64, elements int) {
	size := api.SizeOf(method)
	return int64(size.Bytes), size.Elements / jsonElements
}

// decode takes room for what a body becomes.
func (f *front) decode(bytes, elements int) (done func(), ok bool) {
	cost := api.Cost(bytes, jsonElements*elements)
	if !f.decodes.Take(cost) {
		return nil, false
	}
	return func() { f.decodes.Give(cost) }, true
}

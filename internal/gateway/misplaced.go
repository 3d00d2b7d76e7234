package gateway

import (
	"log/slog"
	"net/http"

	"github.com/stint-jobs/stint/internal/reason"
)

// Misplaced refuses every request with a message that says where it belongs, and ends its connection: the next one may be looked
// at anew. A gRPC call gets a status, anything else JSON.
func Misplaced(message string) http.Handler {
	g := &gateway{Config: Config{}.withDefaults()}
	g.Logger = slog.New(slog.DiscardHandler)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setSecurityHeaders(w.Header(), r)
		w.Header().Set("Connection", "close") // over HTTP/2: GOAWAY
		p := newProblem(reason.OtherPort, message)
		if isGRPC(r.Header) {
			refuseGRPC(w, r, p)
			return
		}
		g.refuse(w, r, p)
	})
}

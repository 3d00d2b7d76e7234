package server

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stint-jobs/stint/internal/limit"
)

// front gives requests the address of their client, and holds addresses to
// their limit for what is not of the API: the API's requests are counted as calls.
func (l *limits) front(prefix string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, addr := l.proxies.request(r)
		if byAddress(addr) && !strings.HasPrefix(strings.TrimPrefix(r.URL.Path, prefix), "/v1/") {
			if wait, ok := l.requests.Take(limit.Network(addr)); !ok {
				l.refused[addressRate].Add(1)
				tooFast(w, wait)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func tooFast(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	http.Error(w, "Too many requests come from your address.", http.StatusTooManyRequests)
}

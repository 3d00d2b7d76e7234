package server

import (
	"errors"
	"io"
	"net/http"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/stint-jobs/stint/internal/job"
)

// healthz tells load balancers whether to send requests here. It says nothing else, so it needs no token.
func (f *front) healthz(w http.ResponseWriter, _ *http.Request) {
	select {
	case <-f.draining:
		http.Error(w, "stopping", http.StatusServiceUnavailable)
		return
	default:
	}
	if errors.Is(f.store.Healthy(), job.ErrStorage) { // a full disk stops neither reading nor watching
		http.Error(w, "the store cannot save", http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// healthy says of the server, and of each of its services by name, that it serves.
func (f *front) healthy() {
	f.health.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	for _, name := range services(f.grpc) {
		f.health.SetServingStatus(name, healthpb.HealthCheckResponse_SERVING)
	}
}

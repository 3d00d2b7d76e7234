package e2e_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// Each service is healthy by its own name, which probes and clients with a health check ask for.
func TestEachServiceHasItsHealth(t *testing.T) {
	h := newHostile(t)
	health := healthpb.NewHealthClient(h.conn)
	names := map[string]bool{"": true}
	for method := range methods() {
		service, _, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
		names[service] = true
	}
	for name := range names {
		resp, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{Service: name})
		if err != nil || resp.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("%q: %v, %v", name, resp.GetStatus(), err)
		}
	}
	if _, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "stint.v0.Nothing"}); status.Code(err) != codes.NotFound {
		t.Errorf("a service that there is not: %v", err)
	}
}

// Compressed requests are taken; what comes out of them is bounded like what comes as it is.
func TestCompressedCalls(t *testing.T) {
	h := newHostile(t)
	h.unslowed(t)
	gzipped := grpc.UseCompressor(gzip.Name)
	resp, err := h.jobs().Submit(h.as("ann"), &jobsv1.SubmitRequest{Job: appendJob(0)}, gzipped)
	if err != nil {
		t.Fatal(err)
	}
	h.until(resp.GetJob().GetId(), jobsv1.State_STATE_COMPLETED)
	if _, err := h.jobs().List(h.as("ann"), &jobsv1.ListRequest{View: jobsv1.JobView_JOB_VIEW_FULL}, gzipped); err != nil {
		t.Error(err)
	}
	const method = jobsv1.JobService_BatchSubmit_FullMethodName
	bomb := make([]byte, 256<<20) // a quarter of a megabyte on the wire
	got := h.measured(1, func() {
		var out []byte
		err := h.conn.Invoke(h.as("ann"), method, bomb, &out, grpc.ForceCodec(bytesCodec{}), gzipped)
		if status.Code(err) != codes.ResourceExhausted {
			t.Errorf("a bomb: %v", err)
		}
	})
	if got.memory > 64 {
		t.Errorf("a bomb costs %s and %.0f MB", got.cpu, got.memory)
	}
	t.Logf("a bomb costs %s and %.1f MB", got.cpu, got.memory)
	var out []byte
	err = h.conn.Invoke(h.as("ann"), method, mostElements(methods()[method].Input(), 3<<20), &out, grpc.ForceCodec(bytesCodec{}), gzipped)
	if status.Code(err) != codes.ResourceExhausted || reasonOf(status.Convert(err).Proto()) != "MESSAGE_TOO_LARGE" {
		t.Errorf("many elements: %v", err)
	}
}

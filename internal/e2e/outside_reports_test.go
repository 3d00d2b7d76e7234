package e2e_test

import (
	"net/http"
	"testing"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// 950 reports of jobs with parameters of 50 KB, which once filled a disk of 300 MB until the store stopped, are refused after the first
// few. Others' submits are taken all the while, and the store is well.
func TestNineHundredReportsDoNotFillTheDisk(t *testing.T) {
	h := newHostileOn(t, smallDisk(t, "300m"), "--min-free-space", "64M", "--cpus", "1")
	h.unslowed(t)
	h.addService(t, "Numbers", "true\n", "parameters:\n  - {id: nums, label: N, description: n, type: number, multiple: true}\n")
	list := make([]*structpb.Value, 23_500)
	for i := range list {
		list[i] = structpb.NewNumberValue(1)
	}
	large := &jobsv1.Job{Service: "Numbers", Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{"nums": structpb.NewListValue(&structpb.ListValue{Values: list})}}}
	var ids []string
	for range 19 {
		ids = append(ids, h.submit("ann", large))
	}
	before := h.metric("stint_store_file_bytes")
	taken := 0
	for n := range 950 {
		_, err := h.jobs().ReportIssue(h.as("ann"), &jobsv1.ReportIssueRequest{Id: ids[n%len(ids)], Description: "x"})
		switch status.Code(err) {
		case codes.OK:
			taken++
		case codes.ResourceExhausted:
		default:
			t.Fatal(err)
		}
		if n%100 == 99 {
			h.submit("bob", appendJob(0))
		}
	}
	if taken == 0 || taken > 50 {
		t.Errorf("%d of 950 reports were taken", taken)
	}
	if grown := h.metric("stint_store_file_bytes") - before; grown > 32<<20 {
		t.Errorf("the database has grown by %.0f bytes", grown)
	}
	h.submit("bob", appendJob(0))
	if resp, body := h.rest("", call{path: "/healthz"}); resp.StatusCode != http.StatusOK || h.health() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health: %s %s", resp.Status, body)
	}
	waitUntilFinal(h.as("op"), h.server)
}

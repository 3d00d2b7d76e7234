package slurm_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor/slurm/slurmtest"
)

// testGrowth is a job that the kernel ends for want of memory, and that Slurm then gets with more.
func testGrowth(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	if !c.CanLimitMemory() {
		t.Skip("Slurm cannot limit memory here")
	}
	s := newStintd(t, c, stintdOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	jobs := jobsv1.NewJobServiceClient(s.conn)
	resp, err := jobs.Submit(ctx, &jobsv1.SubmitRequest{Job: &jobsv1.Job{
		Service:    "Hungry",
		Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{"mebibytes": structpb.NewNumberValue(200)}},
		Retry:      &jobsv1.RetryPolicy{MemoryFactor: proto.Float64(8), Backoff: durationpb.New(0)},
	}})
	if err == nil {
		err = untilFinal(ctx, jobs)
	}
	if err != nil {
		t.Fatal(err)
	}
	got, err := jobs.Get(ctx, &jobsv1.GetRequest{Id: resp.GetJob().GetId()})
	if err != nil {
		t.Fatal(err)
	}
	j := got.GetJob()
	a := j.GetAttempts()
	if j.GetState() != jobsv1.State_STATE_COMPLETED || len(a) != 2 || a[0].GetReason() != jobsv1.Reason_REASON_OUT_OF_MEMORY || a[0].GetEngineState() != "OUT_OF_MEMORY" ||
		a[1].GetResources().GetMemoryBytes() != 512<<20 || a[1].GetUsage().GetAllocatedMemoryBytes() != 512<<20 ||
		!strings.Contains(a[1].GetResourcesNote(), "as attempt 1 ran out of its 64 MiB") {
		t.Errorf("the job: %v", j)
	}
	t.Logf("given %v, used %v: %s", a[len(a)-1].GetResources(), a[len(a)-1].GetUsage(), j.GetUsageNote())
}

package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// An amount of memory that no program runs in was probably meant in another unit: it is accepted with a warning, however a job is submitted.
func TestALittleMemoryIsWarnedOf(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	must(t, w.upload(ann, "/in.txt", "x"))
	with := func(bytes int64) *jobsv1.Job {
		j := copyJob()
		j.Resources = &jobsv1.Resources{MemoryBytes: bytes}
		return j
	}
	submit := func(ctx context.Context, j *jobsv1.Job, validate bool) []string {
		t.Helper()
		resp, err := w.jobs().Submit(ctx, &jobsv1.SubmitRequest{Job: j, ValidateOnly: validate})
		must(t, err)
		var all []string
		for _, s := range resp.GetWarnings() { // among those on what it waits for
			if strings.Contains(s, "memoryBytes") {
				all = append(all, s)
			}
		}
		return all
	}
	for bytes, unit := range map[int64]string{1: "1M", 64: "64M", 512: "512M", 4000: "4000M", 65536: "65536M", 1<<20 - 1: "1048575M", 0: "", 1 << 20: "", 64 << 20: ""} {
		for _, validate := range []bool{true, false} {
			got := submit(ann, with(bytes), validate)
			want := fmt.Sprintf("job.resources.memoryBytes is %d bytes, which is less than any program needs. Was another unit meant, such as %s?", bytes, unit)
			if unit == "" && len(got) > 0 || unit != "" && (len(got) != 1 || got[0] != want) {
				t.Errorf("%d bytes, checked only %v: %q", bytes, validate, got)
			}
		}
	}
	batch, err := w.jobs().BatchSubmit(ann, &jobsv1.BatchSubmitRequest{Jobs: []*jobsv1.Job{with(1 << 30), with(8), with(16)}})
	must(t, err)
	if s := strings.Join(batch.GetWarnings(), "\n"); !strings.Contains(s, "jobs[1].resources.memoryBytes is 8 bytes") || !strings.Contains(s, "jobs[2].resources.memoryBytes is 16 bytes") || strings.Contains(s, "jobs[0].resources.memoryBytes") {
		t.Errorf("of many: %q", s)
	}
}

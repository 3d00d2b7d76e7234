package executor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/workdir"
)

func TestEveryExitSurvivesItsRecord(t *testing.T) {
	root, err := workdir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	a := root.Job(1).Attempt(1)
	if err := a.Create(); err != nil {
		t.Fatal(err)
	}
	for n := range jobsv1.Reason_name {
		want := Exit{
			Reason: jobsv1.Reason(n), Message: "why", EngineID: "12", Node: "n1", Code: -1, Signal: 9,
			Start: time.Unix(100, 0).UTC(), End: time.Unix(101, 500).UTC(),
			Usage: &jobsv1.Usage{
				MaxRssBytes: 5 << 20, CpuTime: durationpb.New(1500 * time.Millisecond), Elapsed: durationpb.New(2 * time.Second),
				AllocatedCpus: 2, AllocatedMemoryBytes: 1 << 30,
			},
		}
		if err := a.WriteExit(want.Record()); err != nil {
			t.Fatal(err)
		}
		r, ok, err := a.ReadExit()
		if !ok || err != nil {
			t.Fatalf("ReadExit() = %v, %v", ok, err)
		}
		got, ok := ExitOf(r)
		if diff := cmp.Diff(want, got, protocmp.Transform()); !ok || diff != "" {
			t.Errorf("%v: %v %s", want.Reason, ok, diff)
		}
	}
	if got, ok := ExitOf(workdir.ExitRecord{Code: 0, Reason: "OF_A_LATER_VERSION"}); ok {
		t.Errorf("an unknown reason gave the end %+v", got)
	}
	if got, ok := ExitOf((Exit{Code: 37}).Record()); !ok || got.Code != 37 || got.Usage != nil || !got.Start.IsZero() {
		t.Errorf("an exit without more gave %+v, %v", got, ok)
	}
}

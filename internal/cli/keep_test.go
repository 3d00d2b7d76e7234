package cli

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func TestJobsAreKeptAndSayWhenTheyEnd(t *testing.T) {
	f := manyJobs(t)
	wantIn(t, stint(f, "unkeep", "1").want(t, 0).out, "Job 1 is not kept any more. It is deleted in ")
	wide := stintWith(f, onTerminal(250), "list").want(t, 0).out
	wantIn(t, wide, "ENDS", "in ")
	wantIn(t, stint(f, "get", "1").want(t, 0).out, "Deleted\tin ", "keep it with: stint keep 1")
	wantIn(t, stint(f, "keep", "1").want(t, 0).out, "Job 1 is kept: ", "count in your quota.")
	wantIn(t, stint(f, "get", "1").want(t, 0).out, "Kept\tsince ")
	wantIn(t, stintWith(f, onTerminal(250), "list").want(t, 0).out, "kept")
	stint(f, "keep", "99").want(t, exitFailed)
	stint(f, "unkeep", "99").want(t, exitFailed)
}

func TestListsWarnInTheLastWeek(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for left, want := range map[time.Duration]string{
		8 * 24 * time.Hour: "", 3 * 24 * time.Hour: "in 3d", time.Hour: "in 1h", time.Second: "within a minute", -time.Hour: "within a minute",
	} {
		j := &jobsv1.Job{ExpireTime: timestamppb.New(now.Add(left))}
		if got := endsCell(screen{tty: true}, j, now); got != want && (want == "" || len(got) < len(want) || got[:len(want)] != want) {
			t.Errorf("%s before it: %q, want %q", left, got, want)
		}
	}
	if got := endsCell(screen{tty: true}, &jobsv1.Job{}, now) + endsCell(screen{}, &jobsv1.Job{}, now); got != "" {
		t.Errorf("a job that stays: %q", got)
	}
}

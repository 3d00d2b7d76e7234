package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func TestADryRunShowsTheAdvice(t *testing.T) {
	f := startFake(t)
	f.advice = &jobsv1.Advice{
		Samples: 37, MemoryBytes: 3 << 30, TimeLimit: durationpb.New(20 * time.Minute), MedianElapsed: durationpb.New(5 * time.Minute),
		Note: "Jobs with inputs of such a size differ much.",
	}
	r := stint(f, "submit", "Sleep", "-p", "sleep_time=1", "--dry-run").want(t, 0)
	wantIn(t, r.out, "3.00 GiB memory, at most 20m00s, by 37 completed jobs like it", "half of them at most 5m00s", "differ much.")
	f.advice = &jobsv1.Advice{Samples: 1, Note: "Nothing is advised: 1 job of Sleep like it has completed, and it takes 20."}
	r = stint(f, "submit", "Sleep", "-p", "sleep_time=1", "--dry-run").want(t, 0)
	wantIn(t, r.out, "Advised", "nothing", "it takes 20.")
	f.advice = nil // of a server that is older
	if r = stint(f, "submit", "Sleep", "-p", "sleep_time=1", "--dry-run").want(t, 0); strings.Contains(r.out, "Advised") {
		t.Errorf("without advice: %s", r.out)
	}
	reads := filepath.Join(t.TempDir(), "reads.fna")
	if err := os.WriteFile(reads, []byte(">a\nACGT\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantIn(t, stint(f, "submit", "SequenceStats", "-p", "sequences=@"+reads, "--dry-run").want(t, 0).err, "no advice, because it depends on how large these files are")
}

func TestFactorsAreSentAsTheyAreGiven(t *testing.T) {
	f := startFake(t)
	stint(f, "submit", "Sleep", "-p", "sleep_time=1").want(t, 0)
	stint(f, "submit", "Sleep", "-p", "sleep_time=1", "--memory-factor", "2.5").want(t, 0)
	stint(f, "submit", "Sleep", "-p", "sleep_time=1", "--time-factor", "0").want(t, 0) // which a server refuses
	wantIn(t, stint(f, "submit", "Sleep", "-p", "sleep_time=1", "--time-factor", "much").want(t, exitUsage).err, "time-factor")
	if p := f.find("1").GetRetry(); p != nil {
		t.Errorf("without factors: %v", p)
	}
	if p := f.find("2").GetRetry(); p.GetMemoryFactor() != 2.5 || p.TimeFactor != nil {
		t.Errorf("a factor for memory: %v", p)
	}
	if p := f.find("3").GetRetry(); p.TimeFactor == nil || p.GetTimeFactor() != 0 || p.MemoryFactor != nil {
		t.Errorf("a factor for time: %v", p)
	}
	if got := flagOfField("job.retry.memoryFactor"); got != "--memory-factor" {
		t.Errorf("the field of the factor is shown as %s", got)
	}
}

func TestAJobShowsWhatItWasGivenAndUsed(t *testing.T) {
	f := manyJobs(t)
	j := f.find("1")
	j.AppliedAdvice = &jobsv1.Advice{Samples: 20, MemoryBytes: 1 << 30}
	j.UsageNote = "It had 2 GiB of memory and used 1.5 GiB."
	j.Attempts = []*jobsv1.Attempt{
		{Number: 1},
		{Number: 2, Resources: &jobsv1.Resources{Cpus: 1, MemoryBytes: 2 << 30}, ResourcesNote: "Memory of 2 GiB, as attempt 1 ran out of its 1 GiB."},
	}
	r := stint(f, "get", "1").want(t, 0)
	wantIn(t, r.out, "1.00 GiB memory, by 20 completed jobs like it", "used 1.5 GiB.", "2\t1 core, 2.00 GiB memory\tMemory of 2 GiB, as attempt 1 ran out of its 1 GiB.")
	j.Attempts = j.Attempts[:1]
	if r = stint(f, "get", "1").want(t, 0); strings.Contains(r.out, "GIVEN") {
		t.Errorf("an attempt that was given what was asked for: %s", r.out)
	}
}

func TestAServiceShowsWhatJobsMayAskFor(t *testing.T) {
	for want, c := range map[string]struct {
		advice bool
		most   *jobsv1.Resources
	}{
		"": {},
		"memory and time limit by advice, once there is any":                                          {true, nil},
		"a job may have up to 8.00 GiB of memory and a time limit of 2h00m":                           {false, &jobsv1.Resources{MemoryBytes: 8 << 30, TimeLimit: durationpb.New(2 * time.Hour)}},
		"memory and time limit by advice, once there is any; a job may have up to 1.00 GiB of memory": {true, &jobsv1.Resources{MemoryBytes: 1 << 30}},
	} {
		if got := serviceBounds(c.advice, c.most); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

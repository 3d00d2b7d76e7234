package cli

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func TestWordsOfAPlace(t *testing.T) {
	for _, c := range []struct {
		p           *jobsv1.QueuePosition
		long, short string
	}{
		{nil, "", ""},
		{&jobsv1.QueuePosition{}, "no job: it is next", "0"},
		{&jobsv1.QueuePosition{JobsAhead: 1, UsersAhead: 1}, "1 job of 1 user", "1"},
		{&jobsv1.QueuePosition{JobsAhead: 1200, UsersAhead: 3}, "1,200 jobs of 3 users", "1200"},
		{&jobsv1.QueuePosition{JobsAhead: 256, UsersAhead: 2, AtLeast: true}, "at least 256 jobs of 2 users", "256+"},
	} {
		if got := positionWords(c.p); got != c.long {
			t.Errorf("%v: %q", c.p, got)
		}
		if got := aheadWord(c.p); got != c.short {
			t.Errorf("%v: %q", c.p, got)
		}
	}
}

func TestAWaitingJobSaysItsPlaceAndItsTimes(t *testing.T) {
	f := manyJobs(t)
	at := func(hour int) *timestamppb.Timestamp {
		return timestamppb.New(time.Date(2026, 2, 1, hour, 0, 0, 0, time.UTC))
	}
	j := f.find("1")
	j.QueuePosition = &jobsv1.QueuePosition{JobsAhead: 3, UsersAhead: 2}
	j.StartTime = nil
	j.ExpectedStartTime, j.ExpectedStartRange = at(9), &jobsv1.TimeRange{Earliest: at(8)}
	j.ExpectedCompleteTime, j.ExpectedCompleteRange = at(12), &jobsv1.TimeRange{Earliest: at(11), Latest: at(14)}
	j.ExpectationNote = "Something else is not known."
	r := stint(f, "get", "1").want(t, 0)
	wantIn(t, r.out, "3 jobs of 2 users", "2026-02-01T10:00:00+01:00 (2026-02-01T09:00:00+01:00 at the earliest)",
		"(9 in 10 such: 2026-02-01T12:00:00+01:00 to 2026-02-01T15:00:00+01:00)", "Something else is not known.")
	r = stint(f, "list").want(t, 0)
	wantIn(t, r.out, "\t3\tstart 2026-02-01T10:00:00+01:00\t\n")
	r = stintWith(f, onTerminal(260), "list").want(t, 0)
	wantIn(t, r.out, "AHEAD", "EXPECTED", "start 2026-02-01 10:00 CET")
}

func TestASubmitAsksForGPUsAndWhatTheOperatorNamed(t *testing.T) {
	f := manyJobs(t)
	r := stint(f, "submit", "Sleep", "-p", "sleep_time=0", "--gpus", "2", "--resource", "matlab=1", "--resource", "db-slots=20", "-o", "name").want(t, 0)
	j := f.find(strings.TrimSpace(r.out))
	if asked := j.GetResources(); asked.GetGpus() != 2 || asked.GetNamed()["matlab"] != 1 || asked.GetNamed()["db-slots"] != 20 {
		t.Errorf("it asks for %v", asked)
	}
	r = stint(f, "submit", "Sleep", "-p", "sleep_time=0", "--account", "a", "--partition", "p", "--qos", "q", "--constraint", "c&d", "-o", "name").want(t, 0)
	if asked := f.find(strings.TrimSpace(r.out)).GetResources(); asked.GetAccount() != "a" || asked.GetPartition() != "p" || asked.GetQos() != "q" || asked.GetConstraint() != "c&d" {
		t.Errorf("of a cluster it asks for %v", asked)
	}
	j.Attempts = []*jobsv1.Attempt{{Number: 1, GpuIndexes: []int32{0, 3}}}
	r = stint(f, "get", j.GetId()).want(t, 0)
	wantIn(t, r.out, "2 GPUs, 20 of db-slots, 1 of matlab", "0, 3")
}

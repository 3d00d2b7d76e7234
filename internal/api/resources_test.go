package api_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api"
)

// dryRun is the job that would be stored.
func (w *world) dryRun(asked *jobsv1.Resources) (*jobsv1.Resources, error) {
	j := copyJob()
	j.Resources = asked
	resp, err := w.jobs().Submit(w.as("ann"), &jobsv1.SubmitRequest{Job: j, ValidateOnly: true})
	return resp.GetJob().GetResources(), err
}

// describe gives the service Copy other resources.
func (w *world) describe(resources string) {
	w.Helper()
	w.service("Copy", strings.Replace(copyService, "resources: {cpus: 2, memory: 64M, time_limit: 10m}", "resources: "+resources, 1))
	_, err := w.live.Reload()
	must(w.T, err)
}

// A job gets what its service asks for of what the operator named, or more.
func TestAServiceAsksForResourcesOfTheOperator(t *testing.T) {
	w := newWorld(t)
	must(t, w.upload(w.as("ann"), "/in.txt", "x"))
	w.describe("{cpus: 1, gpus: 1, named: {matlab: 2}}")
	for _, c := range []struct {
		asked, want map[string]int64
	}{
		{nil, map[string]int64{"matlab": 2}},
		{map[string]int64{"matlab": 1, "db": 1}, map[string]int64{"matlab": 2, "db": 1}},
		{map[string]int64{"matlab": 3, "db": 0}, map[string]int64{"matlab": 3}},
	} {
		r, err := w.dryRun(&jobsv1.Resources{Named: c.asked})
		must(t, err)
		if !maps.Equal(r.GetNamed(), c.want) || r.GetGpus() != 1 {
			t.Errorf("a job that asks for %v gets %v, want %v", c.asked, r, c.want)
		}
	}
	_, err := w.dryRun(&jobsv1.Resources{Named: map[string]int64{"matlab": -1, "gpus": 1}})
	got := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
	slices.Sort(got)
	if want := []string{"job.resources.named.gpus", "job.resources.named.matlab"}; !slices.Equal(got, want) {
		t.Errorf("refused are %v, want %v", got, want)
	}
}

// A server with a longest time gives it to jobs without a limit, and refuses more.
func TestNoTimeLimitIsBeyondTheServers(t *testing.T) {
	w := newWorld(t, func(cfg *api.Config) { cfg.MaxTimeLimit = time.Hour })
	must(t, w.upload(w.as("ann"), "/in.txt", "x"))
	for service, want := range map[string]time.Duration{
		"{time_limit: 10m}": 10 * time.Minute, "{cpus: 1}": time.Hour, "{time_limit: 90m}": time.Hour,
	} {
		w.describe(service)
		r, err := w.dryRun(nil)
		must(t, err)
		if got := r.GetTimeLimit().AsDuration(); got != want {
			t.Errorf("%s: a job that asks for nothing has %s, want %s", service, got, want)
		}
		r, err = w.dryRun(&jobsv1.Resources{TimeLimit: durationpb.New(time.Hour)})
		must(t, err)
		if got := r.GetTimeLimit().AsDuration(); got != time.Hour {
			t.Errorf("%s: a job that asks for an hour has %s", service, got)
		}
		_, err = w.dryRun(&jobsv1.Resources{TimeLimit: durationpb.New(time.Hour + 1)})
		if got := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); !slices.Equal(got, []string{"job.resources.timeLimit"}) {
			t.Errorf("%s: refused are %v", service, got)
		}
	}
}

package e2e_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// witness is a job that leaves its environment and then runs for a minute.
func witness(r *jobsv1.Resources) *jobsv1.Job {
	return &jobsv1.Job{
		Service: "Witness", Resources: r,
		Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{"seconds": structpb.NewNumberValue(60)}},
	}
}

func (s *server) submitted(j *jobsv1.Job) string {
	s.Helper()
	resp, err := s.jobs().Submit(s.Context(), &jobsv1.SubmitRequest{Job: j})
	if err != nil {
		s.Fatal(err)
	}
	return resp.GetJob().GetId()
}

func (s *server) cancelled(t *testing.T, id string) {
	t.Helper()
	if _, err := s.jobs().Cancel(s.Context(), &jobsv1.CancelRequest{Id: id}); err != nil {
		s.Fatal(err)
	}
	waitFor(t, s, id, jobsv1.State_STATE_CANCELLED)
}

// sees finds what CUDA_VISIBLE_DEVICES says to the command of a job that runs.
func (s *server) sees(t *testing.T, id, want string) {
	t.Helper()
	waitFor(t, s, id, jobsv1.State_STATE_RUNNING)
	path := filepath.Join(s.data, "jobs", "0", id, "attempts", "1", "output", "environment")
	var b []byte
	for deadline := time.Now().Add(time.Minute); b == nil && time.Now().Before(deadline); {
		b, _ = os.ReadFile(path) // it is there once it is whole
		if b == nil && s.over(10*time.Millisecond) {
			s.Fatal("the server ended")
		}
	}
	if vars := strings.Split(string(b), "\x00"); !slices.Contains(vars, "CUDA_VISIBLE_DEVICES="+want) {
		s.Errorf("job %s does not see the GPUs %q: %q", id, want, vars)
	}
}

// GPUs are handed out by index, and licences by number, to real commands; they stay theirs when the
// server is killed, and come back when they end.
func TestGPUsAndLicencesOfRealCommands(t *testing.T) {
	s := newServer(t, "--gpus", "1-2", "--resources", "matlab=1", "--cpus", "8")
	both := &jobsv1.Resources{Gpus: 1, Named: map[string]int64{"matlab": 1}}
	first, second := s.submitted(witness(both)), s.submitted(witness(&jobsv1.Resources{Gpus: 1}))
	s.sees(t, first, "1")
	s.sees(t, second, "2")
	none := s.submitted(witness(nil))
	s.sees(t, none, "")
	waits := s.submitted(witness(both))
	s.kill()
	s.start()
	got, err := s.jobs().Get(t.Context(), &jobsv1.GetRequest{Id: waits})
	if err != nil {
		t.Fatal(err)
	}
	if j := got.GetJob(); j.GetState() != jobsv1.State_STATE_QUEUED || !strings.Contains(j.GetMessage(), "needs 1, and 0 of 2 are free") {
		t.Errorf("after the server was killed: %v %q", j.GetState(), j.GetMessage())
	}
	s.cancelled(t, second)
	third := s.submitted(witness(&jobsv1.Resources{Gpus: 1}))
	s.sees(t, third, "2") // not the one that the first still has
	s.cancelled(t, third)
	got, err = s.jobs().Get(t.Context(), &jobsv1.GetRequest{Id: waits})
	if err != nil {
		t.Fatal(err)
	}
	if m := got.GetJob().GetMessage(); m != "Waiting for matlab: needs 1, and 0 of 1 are free." {
		t.Errorf("with a GPU and without a licence: %q", m)
	}
	s.cancelled(t, first)
	s.sees(t, waits, "1")
	for _, id := range []string{none, waits} {
		s.cancelled(t, id)
	}
	resp, err := http.Get(s.url("/metrics"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`stint_scheduler_decision_seconds_count [1-9]`, `stint_executor_used\{executor="local",resource="gpus"\} 0`,
		`stint_executor_total\{executor="local",resource="matlab"\} 1`,
	} {
		if !regexp.MustCompile("(?m)^" + line).Match(metrics) {
			t.Errorf("the metrics have no line %s", line)
		}
	}
}

// What can never be given is refused with its field.
func TestWhatCanNeverBeGivenIsRefused(t *testing.T) {
	s := newServer(t, "--gpus", "1", "--resources", "matlab=2", "--max-time-limit", "1h")
	for field, r := range map[string]*jobsv1.Resources{
		"job.resources.gpus":         {Gpus: 2},
		"job.resources.named.matlab": {Named: map[string]int64{"matlab": 3}},
		"job.resources.named.oracle": {Named: map[string]int64{"oracle": 1}},
		"job.resources.named.slots":  {Named: map[string]int64{"slots": 1}},
		"job.resources.cpus":         {Cpus: 60_000},
		"job.resources.timeLimit":    {TimeLimit: durationpb.New(61 * time.Minute)},
	} {
		_, err := s.jobs().Submit(t.Context(), &jobsv1.SubmitRequest{Job: witness(r)})
		var fields []string
		for _, d := range status.Convert(err).Details() {
			if bad, ok := d.(*errdetails.BadRequest); ok {
				for _, v := range bad.GetFieldViolations() {
					fields = append(fields, v.GetField())
				}
			}
		}
		if !slices.Equal(fields, []string{field}) {
			t.Errorf("%v: %v with the fields %q, want %s", r, err, fields, field)
		}
	}
	got, err := s.jobs().Submit(t.Context(), &jobsv1.SubmitRequest{Job: witness(nil), ValidateOnly: true})
	if err != nil || got.GetJob().GetResources().GetTimeLimit().AsDuration() != time.Hour {
		t.Errorf("without a limit of its own: %v, %v", got.GetJob().GetResources(), err)
	}
}

package slurm

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
)

// What sbatch says, as measured on 22.05 or taken from the sources of 20.11 to
// 25.11, and what may be concluded from it.
func TestJudge(t *testing.T) {
	said := func(code int, stderr string) answer { return answer{code: code, stderr: stderr} }
	for _, tc := range []struct {
		name   string
		answer answer
		want   outcome
		words  string
	}{
		{"an id", answer{stdout: "123\n"}, accepted, ""},
		{"an id and a cluster", answer{stdout: "123;main\n"}, accepted, ""},
		{"an id after a plug-in's chatter", answer{stdout: "Quota: 50 GB\n123\n", stderr: "sbatch: warning: can't honor\n"}, accepted, ""},
		{"success without an id", answer{stdout: "Submitted\n"}, uncertain, ""},
		{"time-out of ours", answer{code: -1, err: errTimeout}, uncertain, ""},
		{"time-out of ours while the queue is full", answer{code: -1, err: errTimeout, stderr: "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n"}, uncertain, ""},
		{"killed", answer{code: -1, err: errors.New("signal: killed")}, uncertain, ""},
		{"not there", answer{code: -1, err: fmt.Errorf("%w: no such file", errNoProcess)}, unavailable, ""},
		{"time-out of Slurm's", said(1, "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n"), uncertain, ""},
		{"missing socket", said(1, "sbatch: error: Batch job submission failed: Unexpected missing socket error\n"), uncertain, ""},
		{"nothing received", said(1, "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received\n"), uncertain, ""},
		{"silence", said(1, ""), uncertain, ""},
		{"crash of sbatch", said(139, ""), uncertain, ""},
		{"unknown words", said(1, "sbatch: error: Batch job submission failed: Flux capacitor drained\n"), uncertain, ""},
		{"unspecified", said(1, "sbatch: error: Batch job submission failed: Unspecified error\n"), uncertain, ""},
		{"controller down", said(1, "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)\n"), unavailable, ""},
		{"queue full", said(1, "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\nsbatch: error: Batch job submission failed: Resource temporarily unavailable\n"), unavailable, ""},
		{"account's queue full", said(1, "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n"), unavailable, ""},
		{"no configuration", said(1, "sbatch: fatal: Could not establish a configuration source\n"), unavailable, ""},
		{"bad option", said(255, "sbatch: unrecognized option '--frobnicate'\nTry \"sbatch --help\" for more information\n"), refused, "unrecognized option"},
		{"bad account", said(1, "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified\n"), refused, "The cluster refused the job: Invalid account or account/partition combination specified. The account may not be used here"},
		{"bad partition", said(1, "sbatch: error: invalid partition specified: nix\nsbatch: error: Batch job submission failed: Invalid partition name specified\n"), refused, "no such partition"},
		{"too large", said(1, "sbatch: error: Memory specification can not be satisfied\nsbatch: error: Batch job submission failed: Requested node configuration is not available\n"), refused, "more than any node has"},
		{"bad constraint", said(1, "sbatch: error: Batch job submission failed: Invalid feature specification\n"), refused, "No node has"},
		{"over the limits of a policy", said(1, "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n"), refused, "violates"},
		{"time limit", said(1, "sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)\n"), refused, "longer than the cluster allows"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := judge(tc.answer)
			if got.outcome != tc.want {
				t.Fatalf("outcome = %d (%v), want %d", got.outcome, got.err, tc.want)
			}
			switch tc.want {
			case accepted:
				if got.id != "123" {
					t.Errorf("id = %q", got.id)
				}
			case refused:
				if f := got.failure; f.Reason != jobsv1.Reason_REASON_SUBMIT_REJECTED || !strings.Contains(f.Message, tc.words) {
					t.Errorf("failure = %v %q", f.Reason, f.Message)
				}
			case uncertain, unavailable:
				if got.err == nil {
					t.Error("no error says why")
				}
			}
		})
	}
}

func TestArguments(t *testing.T) {
	a := newAttempt(t)
	c := &Cluster{cfg: Config{
		Defaults: Options{Partition: "main", Account: "lab", Extra: []string{"--qos=normal"}},
		Services: map[string]Options{"Big": {Partition: "fat", Constraint: "avx512", GPUs: 2, Extra: []string{"--qos=long", "--exclusive"}}},
	}}
	task := func(service string, r *jobsv1.Resources) executor.Task {
		return executor.Task{Job: &jobsv1.Job{Id: "17", Service: service}, Attempt: 1, Dir: a, Command: executor.Command{Resources: r}}
	}
	common := []string{
		"--parsable", "--job-name=stint-test-17-1", "--comment=stint job 17", "--no-requeue", "--dependency=singleton",
		"--chdir=" + a.Path(), "--output=" + strings.ReplaceAll(a.Path(), "%", "%%") + "/slurm.log", "--open-mode=append", "--input=/dev/null",
		"--nodes=1", "--ntasks=1",
	}
	for _, tc := range []struct {
		name string
		task executor.Task
		want []string
	}{
		{
			"the cluster's defaults", task("Small", &jobsv1.Resources{Cpus: 1}),
			[]string{"--cpus-per-task=1", "--partition=main", "--account=lab", "--qos=normal"},
		},
		{
			"the service's options", task("Big", &jobsv1.Resources{Cpus: 8, MemoryBytes: 3<<30 + 1, TimeLimit: durationpb.New(61 * time.Second)}),
			[]string{"--cpus-per-task=8", "--mem=3073M", "--time=2", "--partition=fat", "--account=lab", "--constraint=avx512", "--gres=gpu:2", "--qos=long", "--exclusive"},
		},
		{
			"the job's own words", task("Big", &jobsv1.Resources{Cpus: 1, Gpus: 1, Partition: "p", Account: "a", Constraint: "c|d", TimeLimit: durationpb.New(time.Second)}),
			[]string{"--cpus-per-task=1", "--time=1", "--partition=p", "--account=a", "--constraint=c|d", "--gres=gpu:1", "--qos=long", "--exclusive"},
		},
	} {
		got, err := c.arguments(testToken, tc.task)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append(append([]string{}, common...), tc.want...), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
	if got, err := c.arguments(testToken, task("Small", &jobsv1.Resources{Partition: "a\nb"})); err == nil {
		t.Errorf("a partition with a line break became %q", got)
	}
}

func TestOptionsAreFromTheList(t *testing.T) {
	for _, extra := range []string{"--qos=long", "--exclusive", "--gres=gpu:a100:2", "--reservation=x"} {
		if err := (Options{Extra: []string{extra}}).check(); err != nil {
			t.Errorf("%q: %v", extra, err)
		}
	}
	for _, extra := range []string{
		"--wrap=rm", "--job-name=x", "--output=/etc/passwd", "--requeue", "-J", "qos=long", "--qos=a\nb", "--dependency=none", "--export=ALL", "--uid=0", "--array=1-9", "--", "",
		"--clusters=other", "--chdir=/",
	} {
		if err := (Options{Extra: []string{extra}}).check(); err == nil {
			t.Errorf("%q was accepted", extra)
		}
	}
	if err := (Options{Account: "a\x00b"}).check(); err == nil {
		t.Error("an account with NUL was accepted")
	}
}

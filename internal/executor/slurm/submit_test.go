package slurm

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/batch"
	"github.com/stint-jobs/stint/internal/workdir"
)

// What sbatch says, as measured on 22.05 or taken from the sources of 20.11 to
// 25.11, and what may be concluded from it.
func TestClassify(t *testing.T) {
	said := func(code int, stderr string) batch.Answer { return batch.Answer{Code: code, Stderr: stderr} }
	for _, tc := range []struct {
		name   string
		answer batch.Answer
		want   batch.Outcome
		words  string
	}{
		{"an id", batch.Answer{Stdout: "123\n"}, batch.Accepted, ""},
		{"an id and a cluster", batch.Answer{Stdout: "123;main\n"}, batch.Accepted, ""},
		{"an id after a plug-in's chatter", batch.Answer{Stdout: "Quota: 50 GB\n123\n", Stderr: "sbatch: warning: can't honor\n"}, batch.Accepted, ""},
		{"success without an id", batch.Answer{Stdout: "Submitted\n"}, batch.Uncertain, ""},
		{"time-out of ours", batch.Answer{Code: -1, Err: batch.ErrTimeout}, batch.Uncertain, ""},
		{"time-out of ours while the queue is full", batch.Answer{Code: -1, Err: batch.ErrTimeout, Stderr: "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n"}, batch.Uncertain, ""},
		{"killed", batch.Answer{Code: -1, Err: errors.New("signal: killed")}, batch.Uncertain, ""},
		{"not there", batch.Answer{Code: -1, Err: fmt.Errorf("%w: no such file", batch.ErrNoProcess)}, batch.Unavailable, ""},
		{"time-out of Slurm's", said(1, "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n"), batch.Uncertain, ""},
		{"missing socket", said(1, "sbatch: error: Batch job submission failed: Unexpected missing socket error\n"), batch.Uncertain, ""},
		{"nothing received", said(1, "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received\n"), batch.Uncertain, ""},
		{"silence", said(1, ""), batch.Uncertain, ""},
		{"crash of sbatch", said(139, ""), batch.Uncertain, ""},
		{"unknown words", said(1, "sbatch: error: Batch job submission failed: Flux capacitor drained\n"), batch.Refused, "Flux capacitor drained."},
		{"unspecified", said(1, "sbatch: error: Batch job submission failed: Unspecified error\n"), batch.Refused, "refused the job: Unspecified error."},
		{"a plug-in's words", said(1, "sbatch: error: Please give a project with --account=PROJECT\nsbatch: error: Batch job submission failed: Unspecified error\n"), batch.Refused, "The cluster refused the job: Please give a project with --account=PROJECT."},
		{"a plug-in that speaks of a partition", said(1, "sbatch: error: you must request at least one GPU in partition gpu\nsbatch: error: Batch job submission failed: Requested node configuration is not available\n"), batch.Refused, "partition gpu; Requested node configuration is not available."},
		{"a plug-in that speaks of time and drains", said(1, "sbatch: error: the time limit of drained accounts is over\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n"), batch.Refused, "drained accounts"},
		{"a plug-in before sbatch asks", said(1, "sbatch: error: no budget left\nsbatch: error: cli_filter plugin terminated with error\n"), batch.Refused, "no budget left"},
		{"a plug-in whose own connection failed", said(1, "sbatch: error: licence server: connection reset\nsbatch: error: Batch job submission failed: Unspecified error\n"), batch.Uncertain, ""},
		{"a plug-in of another language", said(1, "sbatch: error: kein Geld f\xfcr \u00dcbung\nsbatch: error: Batch job submission failed: Unspecified error\n"), batch.Refused, "kein Geld f?r \u00dcbung"},
		{"limit of a QOS", said(1, "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n"), batch.Deferred, "QOSMaxSubmitJobPerUserLimit"},
		{"limit on size", said(1, "sbatch: error: QOSMaxCpuPerJobLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n"), batch.Refused, "QOSMaxCpuPerJobLimit"},
		{"closed partition", said(1, "sbatch: error: Batch job submission failed: Required partition not available (inactive or drain)\n"), batch.Deferred, "partition of the cluster is closed for now"},
		{"controller in standby", said(1, "sbatch: error: Batch job submission failed: Slurm backup controller in standby mode\n"), batch.Unavailable, ""},
		{"credentials that are too old", said(1, "sbatch: error: Batch job submission failed: Protocol authentication error\n"), batch.Unavailable, ""},
		{"an error of the system", said(1, "sbatch: error: Batch job submission failed: Connection refused\n"), batch.Uncertain, ""},
		{"another error of the system", said(1, "sbatch: error: Batch job submission failed: Input/output error\n"), batch.Uncertain, ""},
		{"a time-out of one controller, no connection to the other", said(1, "sbatch: error: slurm_receive_msg: Socket timed out on send/recv operation\nsbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)\n"), batch.Uncertain, ""},
		{"no error at all", said(1, "sbatch: error: Batch job submission failed: \n"), batch.Uncertain, ""},
		{"configuration out of reach", said(1, "sbatch: error: ClusterName needs to be specified\nsbatch: fatal: Unable to process configuration file\n"), batch.Unavailable, ""},
		{"words of a program around sbatch", said(1, "Batch job submission failed: Invalid account\n"), batch.Uncertain, ""},
		{"ssh in a program around sbatch", said(255, "ssh: connect to host login1 port 22: Connection refused\n"), batch.Uncertain, ""},
		{"host key in a program around sbatch", said(255, "Host key verification failed.\n"), batch.Uncertain, ""},
		{"a broken answer", batch.Answer{Code: -1, Err: batch.ErrBroken, Stderr: "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified\n"}, batch.Uncertain, ""},
		{"two numbers", batch.Answer{Stdout: "2024\n123\n"}, batch.Uncertain, ""},
		{"controller down", said(1, "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)\n"), batch.Unavailable, ""},
		{"queue full", said(1, "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\nsbatch: error: Batch job submission failed: Resource temporarily unavailable\n"), batch.Deferred, "takes no more jobs for now"},
		{"account's queue full", said(1, "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n"), batch.Deferred, "AssocMaxSubmitJobLimit"},
		{"a user's queue full by QOS", said(1, "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n"), batch.Deferred, "QOSMaxSubmitJobPerUserLimit"},
		{"a group's queue full, after a plug-in's words", said(1, "sbatch: error: see https://hpc.example.org/limits\nsbatch: error: AssocGrpSubmitJobsLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n"), batch.Deferred, "see https://hpc.example.org/limits"},
		{"a word of a limit in a plug-in's sentence", said(1, "sbatch: error: your AssocMaxSubmitJobLimit is 0 by contract\nsbatch: error: Batch job submission failed: Unspecified error\n"), batch.Refused, "by contract"},
		{"partition closed", said(1, "sbatch: error: Batch job submission failed: Required partition not available (inactive or drain)\n"), batch.Deferred, "closed for now"},
		{"partition closed, in a plug-in's words", said(1, "sbatch: error: Maintenance until Monday\nsbatch: error: Batch job submission failed: Required partition not available (inactive or drain)\n"), batch.Deferred, "Maintenance until Monday"},
		{"nodes down", said(1, "sbatch: error: Batch job submission failed: Required node not available (down, drained or reserved)\n"), batch.Deferred, "for now"},
		{"reservation later", said(1, "sbatch: error: Batch job submission failed: Requested reservation not usable now\n"), batch.Deferred, "for now"},
		{"operation disabled", said(1, "sbatch: error: Batch job submission failed: Requested operation is presently disabled\n"), batch.Deferred, "presently disabled"},
		{"partition configured otherwise now", said(1, "sbatch: error: Batch job submission failed: Requested partition configuration not available now\n"), batch.Deferred, "not available now"},
		{"a reservation that is none", said(1, "sbatch: error: Batch job submission failed: Requested reservation is invalid\n"), batch.Refused, "reservation is invalid"},
		{"no right to a partition", said(1, "sbatch: error: Batch job submission failed: User's group not permitted to use this partition\n"), batch.Refused, "not permitted"},
		{"a plug-in that speaks of what is not available now", said(1, "sbatch: error: licenses currently available to members only\nsbatch: error: Batch job submission failed: Unspecified error\n"), batch.Refused, "members only"},
		{"public key in a program around sbatch", said(255, "Permission denied (publickey,password).\n"), batch.Uncertain, ""},
		{"a proxy in a program around sbatch", said(255, "kex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535\n"), batch.Uncertain, ""},
		{"a container around sbatch", said(125, "Error: no container with name login1\n"), batch.Uncertain, ""},
		{"no configuration", said(1, "sbatch: fatal: Could not establish a configuration source\n"), batch.Unavailable, ""},
		{"bad option", said(255, "sbatch: unrecognized option '--frobnicate'\nTry \"sbatch --help\" for more information\n"), batch.Refused, "unrecognized option"},
		{"bad account", said(1, "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified\n"), batch.Refused, "The cluster refused the job: Invalid account or account/partition combination specified. The account may not be used here"},
		{"bad partition", said(1, "sbatch: error: invalid partition specified: nix\nsbatch: error: Batch job submission failed: Invalid partition name specified\n"), batch.Refused, "no such partition"},
		{"too large", said(1, "sbatch: error: Memory specification can not be satisfied\nsbatch: error: Batch job submission failed: Requested node configuration is not available\n"), batch.Refused, "more than any node has"},
		{"bad constraint", said(1, "sbatch: error: Batch job submission failed: Invalid feature specification\n"), batch.Refused, "No node has"},
		{"over the limits of a policy", said(1, "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n"), batch.Refused, "violates"},
		{"time limit", said(1, "sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)\n"), batch.Refused, "longer than the cluster allows"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.answer.Program = "sbatch"
			got := classify(tc.answer)
			if got.Outcome != tc.want {
				t.Fatalf("outcome = %d (%v), want %d", got.Outcome, got.Err, tc.want)
			}
			switch tc.want {
			case batch.Accepted:
				if got.ID != "123" {
					t.Errorf("id = %q", got.ID)
				}
			case batch.Refused:
				if !strings.Contains(got.Message, tc.words) {
					t.Errorf("message = %q", got.Message)
				}
			case batch.Deferred:
				if got.Err == nil || got.Hold.Reason == 0 || !strings.Contains(got.Hold.Message, tc.words) {
					t.Errorf("hold = %+v, %v", got.Hold, got.Err)
				}
			case batch.Uncertain, batch.Unavailable:
				if got.Err == nil {
					t.Error("no error says why")
				}
			}
		})
	}
}

// newAttempt is an attempt in a folder of its own.
func newAttempt(tb testing.TB) workdir.Attempt {
	tb.Helper()
	root, err := workdir.Open(filepath.Join(tb.TempDir(), "jobs with 'quotes' and 50% more"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { root.Close() })
	return root.Job(17).Attempt(1)
}

// An advice is given where nothing else was said.
func TestAdviceNeverRestsOnOneWord(t *testing.T) {
	for _, words := range []string{
		"sbatch: error: this account has no partition, no feature, no processors and no time limit\nsbatch: error: Batch job submission failed: Unspecified error\n",
		"sbatch: error: your account expired\nsbatch: error: Batch job submission failed: Invalid partition name specified\n",
		"sbatch: error: Batch job submission failed: Partition account feature time limit\n",
	} {
		got := classify(batch.Answer{Program: "sbatch", Stderr: words, Code: 1})
		for _, hint := range advice {
			if strings.Contains(got.Message, hint) || got.Outcome != batch.Refused {
				t.Errorf("%q became %q", words, got.Message)
			}
		}
	}
}

func TestArguments(t *testing.T) {
	a := newAttempt(t)
	c := &engine{cfg: Config{
		Defaults: Options{Partition: "main", Account: "lab", Extra: []string{"--qos=normal"}},
		Services: map[string]Options{"Big": {Partition: "fat", Constraint: "avx512", GPUs: 2, Extra: []string{"--qos=long", "--exclusive"}}, "Urgent": {QOS: "now"}},
	}}
	task := func(service string, r *jobsv1.Resources) batch.Request {
		return batch.Request{Name: "stint-test-17-1", Log: a.Path() + "/batch.log", Task: executor.Task{Job: &jobsv1.Job{Id: "17", Service: service}, Attempt: 1, Dir: a, Command: executor.Command{Resources: r}}}
	}
	common := []string{
		"--parsable", "--job-name=stint-test-17-1", "--comment=stint job 17", "--no-requeue", "--dependency=singleton",
		"--chdir=" + a.Path(), "--output=" + strings.ReplaceAll(a.Path(), "%", "%%") + "/batch.log", "--open-mode=append", "--input=/dev/null",
		"--nodes=1", "--ntasks=1",
	}
	for _, tc := range []struct {
		name string
		task batch.Request
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
		{
			"the job's own quality of service", task("Big", &jobsv1.Resources{Cpus: 1, Qos: "high"}),
			[]string{"--cpus-per-task=1", "--partition=fat", "--account=lab", "--constraint=avx512", "--qos=high", "--gres=gpu:2", "--exclusive"},
		},
		{
			"the service's quality of service", task("Urgent", &jobsv1.Resources{Cpus: 1}),
			[]string{"--cpus-per-task=1", "--partition=main", "--account=lab", "--qos=now"},
		},
	} {
		got, err := c.Plan(tc.task)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append(append([]string{}, common...), tc.want...), got.Args); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
	if got, err := c.Plan(task("Small", &jobsv1.Resources{Partition: "a\nb"})); err == nil {
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
			t.Errorf("%q was batch.Accepted", extra)
		}
	}
	if err := (Options{Account: "a\x00b"}).check(); err == nil {
		t.Error("an account with NUL was batch.Accepted")
	}
}

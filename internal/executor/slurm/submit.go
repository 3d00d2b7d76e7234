package slurm

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/stint-jobs/stint/internal/executor/batch"
)

// Plan is how sbatch is called.
func (e *engine) Plan(r batch.Request) (batch.Plan, error) {
	args, err := e.arguments(r)
	return batch.Plan{Args: args}, err
}

// arguments are sbatch's. The command's limits are the job's; the rest is what
// the job says, else the service, else the cluster's defaults.
func (e *engine) arguments(t batch.Request) ([]string, error) {
	path := t.Dir.Path()
	if strings.ContainsAny(path, "\\\n\r") {
		return nil, fmt.Errorf("sbatch cannot take the folder %q", path)
	}
	r := t.Command.Resources
	o := e.cfg.Defaults.over(e.cfg.Services[t.Job.GetService()]).over(Options{
		Partition: r.GetPartition(), Account: r.GetAccount(), Constraint: r.GetConstraint(), GPUs: r.GetGpus(),
	})
	args := []string{
		"--parsable", "--job-name=" + t.Name, "--comment=stint job " + t.Job.GetId(),
		// Slurm never runs it twice of its own accord, and never two of one name at a time.
		"--no-requeue", "--dependency=singleton",
		// A percent sign in the path would begin a replacement.
		"--chdir=" + path, "--output=" + strings.ReplaceAll(t.Log, "%", "%%"), "--open-mode=append", "--input=/dev/null",
		"--nodes=1", "--ntasks=1", "--cpus-per-task=" + strconv.Itoa(int(max(1, r.GetCpus()))),
	}
	if m := r.GetMemoryBytes(); m > 0 {
		args = append(args, fmt.Sprintf("--mem=%dM", (m+1<<20-1)>>20))
	}
	if r.GetTimeLimit() != nil {
		limit := r.GetTimeLimit().AsDuration()
		args = append(args, fmt.Sprintf("--time=%d", max(1, (limit+time.Minute-1)/time.Minute)))
	}
	for _, named := range []struct{ option, value string }{
		{"partition", o.Partition}, {"account", o.Account}, {"constraint", o.Constraint},
	} {
		if named.value != batch.Plain(named.value) {
			return nil, fmt.Errorf("the %s %q has characters that no %s has", named.option, named.value, named.option)
		}
		if named.value != "" {
			args = append(args, "--"+named.option+"="+named.value)
		}
	}
	if o.GPUs > 0 {
		args = append(args, "--gres=gpu:"+strconv.Itoa(int(o.GPUs)))
	}
	return append(args, o.Extra...), nil
}

// Submit is one sbatch.
func (e *engine) Submit(ctx context.Context, p batch.Plan, script []byte) batch.Submitted {
	return classify(e.run(ctx, batch.Call{Program: "sbatch", Args: p.Args, Stdin: script, Timeout: e.cfg.Timeouts.Submit}))
}

// Words of sbatch by which a failure is told from another. They are in all
// releases from 20.11 to 25.11 (slurm_errno.c, sbatch.c).
var (
	refusalWords = regexp.MustCompile(`(?i)invalid|not available|can ?not be satisfied|violates|too long|does not look like|not permitted|denied|` +
		`not allowed|unrecognized option|more processors requested|exceeds|incorrect|not supported|is disabled|must be specified`)
	absentWords = regexp.MustCompile(`(?i)unable to contact slurm controller|temporarily unable to accept|could not establish a configuration source|` +
		`job queue full|maxsubmitjob|slurm_submit_batch_job.*(connection refused)|munge.*(could not|failed|unable)|auth(entication)? plugin`)
	fullWords = regexp.MustCompile(`(?i)temporarily unable to accept|job queue full|maxsubmitjob`)
	// doubtWords overrule: after these the job may be there.
	doubtWords = regexp.MustCompile(`(?i)timed out|socket|communication|zero bytes|connection reset|broken pipe`)
)

// classify returns what an answer of sbatch means. What is not certain is Uncertain.
func classify(a batch.Answer) batch.Submitted {
	id, found := parseSubmitted(a.Stdout)
	said := a.Words()
	switch {
	case a.OK() && found:
		return batch.Submitted{Outcome: batch.Accepted, ID: id}
	case errors.Is(a.Err, batch.ErrNoProcess):
		return batch.Submitted{Outcome: batch.Unavailable, Err: a.Failure()}
	case a.Err != nil: // sbatch tries again by itself while the queue is full, for longer than we wait
		return batch.Submitted{Err: a.Failure(), Full: fullWords.MatchString(said)}
	case a.OK():
		return batch.Submitted{Err: fmt.Errorf("sbatch succeeded without telling an id: %q", batch.Plain(a.Stdout))}
	case doubtWords.MatchString(said):
		return batch.Submitted{Err: a.Failure()}
	case absentWords.MatchString(said):
		return batch.Submitted{Outcome: batch.Unavailable, Err: a.Failure(), Full: fullWords.MatchString(said)}
	case a.Code == 255 || a.Code == 1 && refusalWords.MatchString(said):
		return batch.Submitted{Outcome: batch.Refused, Message: refusal(said)}
	default:
		return batch.Submitted{Err: a.Failure()}
	}
}

// refusal is Slurm's no in plain words.
func refusal(said string) string {
	said = strings.TrimPrefix(batch.Plain(said), "Batch job submission failed: ")
	hint := ""
	switch lower := strings.ToLower(said); {
	case strings.Contains(lower, "account"):
		hint = " The account may not be used here; the operator can set another."
	case strings.Contains(lower, "partition"):
		hint = " The cluster has no such partition for this job."
	case strings.Contains(lower, "node configuration"), strings.Contains(lower, "memory specification"), strings.Contains(lower, "processors"):
		hint = " It asks for more than any node has."
	case strings.Contains(lower, "feature"):
		hint = " No node has what its constraint asks for."
	case strings.Contains(lower, "time limit"):
		hint = " Its time limit is longer than the cluster allows."
	}
	return "The cluster refused the job: " + strings.TrimRight(said, ".") + "." + hint
}

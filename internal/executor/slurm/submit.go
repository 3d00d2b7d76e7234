package slurm

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/workdir"
)

// outcome is what is known after a call of sbatch.
type outcome int

const (
	uncertain   outcome = iota // Slurm may or may not have the job
	accepted                   // it has
	refused                    // it has not, and never will
	unavailable                // it has not, and later it may take it
)

// submitted is the result of a call of sbatch.
type submitted struct {
	outcome outcome
	id      string
	failure *executor.Failure // for refused
	err     error             // for uncertain and unavailable
	full    bool              // for uncertain and unavailable: Slurm takes no more jobs for now
}

// arguments are sbatch's. The command's limits are the job's; the rest is what
// the job says, else the service, else the cluster's defaults.
func (c *Cluster) arguments(tok token, t executor.Task) ([]string, error) {
	path := t.Dir.Path()
	if strings.ContainsAny(path, "\\\n\r") {
		return nil, fmt.Errorf("sbatch cannot take the folder %q", path)
	}
	r := t.Command.Resources
	o := c.cfg.Defaults.over(c.cfg.Services[t.Job.GetService()]).over(Options{
		Partition: r.GetPartition(), Account: r.GetAccount(), Constraint: r.GetConstraint(), GPUs: r.GetGpus(),
	})
	args := []string{
		"--parsable", "--job-name=" + tok.String(), "--comment=stint job " + tok.job.String(),
		// Slurm never runs it twice of its own accord, and never two of one name at a time.
		"--no-requeue", "--dependency=singleton",
		// A percent sign in the path would begin a replacement.
		"--chdir=" + path, "--output=" + strings.ReplaceAll(path, "%", "%%") + "/" + logName, "--open-mode=append", "--input=/dev/null",
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
		if named.value != plain(named.value) {
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

// submitGrace is how much longer an sbatch may take once the server wants to
// stop: an answer is worth more than the doubt that killing it leaves.
const submitGrace = 5 * time.Second

// submit calls sbatch for an attempt that was prepared and notes what came of it. The caller has claimed the attempt.
func (c *Cluster) submit(ctx context.Context, tok token, dir workdir.Attempt) submitted {
	select {
	case c.submits <- struct{}{}:
		defer func() { <-c.submits }()
	case <-ctx.Done():
		return submitted{outcome: unavailable, err: ctx.Err()}
	}
	script, err := dir.ReadFile(scriptName)
	if err != nil {
		return submitted{outcome: unavailable, err: err}
	}
	s, err := readSubmission(dir)
	if err != nil {
		return submitted{outcome: unavailable, err: err}
	}
	callCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(submitGrace, stop) })()
	result := judge(c.run(callCtx, call{program: "sbatch", args: s.Args, stdin: script, timeout: c.cfg.Timeouts.Submit}))
	c.mu.Lock()
	c.ended[tok] = time.Now()
	c.mu.Unlock()
	c.note(tok, dir, s, result)
	c.poller.hasten()
	return result
}

// note keeps what came of a call of sbatch. Nothing depends on it being kept: polls find jobs by their names.
func (c *Cluster) note(tok token, dir workdir.Attempt, s submission, result submitted) {
	s.ID, s.Full = result.id, result.full
	var err error
	switch result.outcome {
	case refused:
		end := conclusion{Refused: true}
		end.Code, end.Reason, end.Message = -1, "SUBMIT_REJECTED", result.failure.Message
		err = writeEnd(dir, end)
	case uncertain:
		if !result.full {
			s.Tries++
		}
		err = writeSubmission(dir, s)
	case accepted, unavailable:
		err = writeSubmission(dir, s)
	}
	if err != nil {
		c.log.Warn("note what came of a submission", "token", tok.String(), "error", err)
	}
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

// judge says what an answer of sbatch means. In doubt it is doubt.
func judge(a answer) submitted {
	id, found := parseSubmitted(a.stdout)
	said := lastWords(a.stderr)
	switch {
	case a.ok() && found:
		return submitted{outcome: accepted, id: id}
	case errors.Is(a.err, errNoProcess):
		return submitted{outcome: unavailable, err: a.failure("sbatch")}
	case a.err != nil: // sbatch tries again by itself while the queue is full, for longer than we wait
		return submitted{err: a.failure("sbatch"), full: fullWords.MatchString(said)}
	case a.ok():
		return submitted{err: fmt.Errorf("sbatch succeeded without telling an id: %q", plain(a.stdout))}
	case doubtWords.MatchString(said):
		return submitted{err: a.failure("sbatch")}
	case absentWords.MatchString(said):
		return submitted{outcome: unavailable, err: a.failure("sbatch"), full: fullWords.MatchString(said)}
	case a.code == 255 || a.code == 1 && refusalWords.MatchString(said):
		return submitted{outcome: refused, failure: refusal(said)}
	default:
		return submitted{err: a.failure("sbatch")}
	}
}

// refusal is Slurm's no in plain words.
func refusal(said string) *executor.Failure {
	said = strings.TrimPrefix(plain(said), "Batch job submission failed: ")
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
	return &executor.Failure{
		Reason:  jobsv1.Reason_REASON_SUBMIT_REJECTED,
		Message: "The cluster refused the job: " + strings.TrimRight(said, ".") + "." + hint,
	}
}

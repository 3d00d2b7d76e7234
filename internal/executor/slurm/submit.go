package slurm

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stint-jobs/stint/internal/executor/batch"
)

// Plan is how sbatch is called.
func (e *engine) Plan(r batch.Request) (batch.Plan, error) {
	args, err := e.arguments(r)
	var queue []string
	for _, a := range args {
		for _, option := range []string{"--partition=", "--account=", "--qos=", "--reservation="} {
			if strings.HasPrefix(a, option) {
				queue = append(queue, a)
			}
		}
	}
	return batch.Plan{Args: args, Queue: strings.Join(queue, " ")}, err
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

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
	o, owned, err := e.optionsOf(r)
	if err != nil {
		return batch.Plan{}, err
	}
	args, err := arguments(r, o)
	plan := batch.Plan{Args: args}
	if owned {
		plan.Owner, plan.Account = r.Job.GetOwner(), o.Account
	}
	var queue []string
	for _, a := range args {
		for _, option := range []string{"--partition=", "--account=", "--qos=", "--reservation="} {
			if strings.HasPrefix(a, option) {
				queue = append(queue, a)
			}
		}
	}
	plan.Queue = strings.Join(queue, " ")
	return plan, err
}

// optionsOf are what the job says, else the service, else the cluster's defaults. Owned says that the
// account is one that is made for the job's owner.
func (e *engine) optionsOf(t batch.Request) (o Options, owned bool, err error) {
	r := t.Command.Resources
	o, err = e.cfg.DefaultsFor(t.Job.GetOwner(), t.Job.GetService())
	if err != nil && r.GetAccount() == "" {
		return o, false, &batch.RefusalError{Message: "The cluster takes no job without an account, and " + sentence(err.Error())}
	}
	o = o.over(Options{
		Partition: r.GetPartition(), Account: r.GetAccount(), Constraint: r.GetConstraint(), QOS: r.GetQos(), GPUs: r.GetGpus(),
	})
	owned = e.cfg.Accounts.Mode == AccountsPerOwner && o.Account == e.cfg.Accounts.of(t.Job.GetOwner())
	return o, owned, nil
}

// arguments are sbatch's. The command's limits are the job's.
func arguments(t batch.Request, o Options) ([]string, error) {
	path := t.Dir.Path()
	if strings.ContainsAny(path, "\\\n\r") {
		return nil, fmt.Errorf("sbatch cannot take the folder %q", path)
	}
	r := t.Command.Resources
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
		{"partition", o.Partition}, {"account", o.Account}, {"constraint", o.Constraint}, {"qos", o.QOS},
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

// Submit is one sbatch, or a second one after the account of the job's owner was made.
func (e *engine) Submit(ctx context.Context, p batch.Plan, script []byte) batch.Submitted {
	if p.Owner != "" {
		if why := e.ensureAccount(ctx, p.Owner, p.Account, time.Time{}); why != nil {
			return *why
		}
	}
	asked := time.Now()
	a := e.sbatch(ctx, p, script)
	result := classify(a)
	if result.Outcome != batch.Refused || !aboutAccounts(a) {
		return result
	}
	if p.Owner == "" {
		return e.unlessAccountingIsAway(ctx, result)
	}
	// Somebody removed it, or the controller did not hear of it yet.
	if why := e.ensureAccount(ctx, p.Owner, p.Account, asked); why != nil {
		return *why
	}
	if a = e.sbatch(ctx, p, script); !aboutAccounts(a) {
		return classify(a)
	}
	return e.whileNew(p.Owner, classify(a))
}

func (e *engine) sbatch(ctx context.Context, p batch.Plan, script []byte) batch.Answer {
	return e.run(ctx, batch.Call{Program: "sbatch", Args: p.Args, Stdin: script, Timeout: e.cfg.Timeouts.Submit})
}

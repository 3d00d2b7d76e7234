package slurm

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/stint-jobs/stint/internal/executor/batch"
	"github.com/stint-jobs/stint/internal/workdir"
)

// Config describes a cluster. Fields without a word about zero are required.
type Config struct {
	// Name of the executor, for logs and its status.
	Name string
	// Folders are the jobs' folders. The nodes see them at the same path, with the rights of User.
	Folders *workdir.Root
	// InstallID tells the Slurm jobs of this installation from all others: 1 to 24 of a-z and 0-9. It must never change.
	InstallID string
	// User that the jobs run as on the cluster. Empty means the user of this process.
	User string
	// SlurmConf is the path of slurm.conf. Empty means Slurm's own default.
	SlurmConf string
	// Commands are the paths of sbatch, squeue, sacct, scancel, scontrol and sacctmgr where
	// they are not found in PATH. The last one is needed for accounts of owners alone.
	Commands map[string]string
	// Remote is a program with arguments that takes a command line for a POSIX shell as its last
	// argument, such as `ssh -o BatchMode=yes login1`. Empty runs Slurm's commands on this machine.
	Remote []string
	// Defaults are for all services.
	Defaults Options
	// Accounts says which account is charged for jobs that name none.
	Accounts Accounts
	// Services override Defaults by the service's id.
	Services map[string]Options
	// SubmitsInFlight bounds how many sbatch, and how many scancel, run at a time. Zero means 8.
	SubmitsInFlight int
	// Timeouts of the commands.
	Timeouts Timeouts
	// Pace of the polls.
	Pace batch.Pace
	// Patience with what does not show up.
	Patience batch.Patience
	// Logger gets what an operator should know. Nil discards it.
	Logger *slog.Logger
}

// Options are what a job asks of the cluster beyond what its own resources say.
type Options struct {
	// Partition for jobs that name none. Empty means the cluster's default.
	Partition string
	// Account for jobs that name none. Empty means the user's default.
	Account string
	// Constraint for jobs that name none.
	Constraint string
	// QOS is the quality of service for jobs that name none.
	QOS string
	// GPUs for jobs that ask for none.
	GPUs int32
	// Extra are further options of sbatch, such as `--qos=long`, from a list of allowed ones.
	Extra []string
}

// Timeouts bound how long a command may take. A zero one means the default.
type Timeouts struct {
	// Submit is for sbatch; 30 s by default.
	Submit time.Duration
	// Poll is for squeue and scontrol; 15 s by default.
	Poll time.Duration
	// Account is for sacct; 20 s by default.
	Account time.Duration
	// Cancel is for scancel; 15 s by default.
	Cancel time.Duration
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (c *Config) setDefaults() {
	orDefault(&c.Timeouts.Submit, 30*time.Second)
	orDefault(&c.Timeouts.Poll, 15*time.Second)
	orDefault(&c.Timeouts.Account, 20*time.Second)
	orDefault(&c.Timeouts.Cancel, 15*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

func (c *Config) check() error {
	if len(c.Remote) > 0 && c.User == "" {
		return errors.New("with Remote, User is required")
	}
	if err := errors.Join(c.Defaults.check(), c.Accounts.check(c.Defaults.Account)); err != nil {
		return err
	}
	for service, o := range c.Services {
		if err := o.check(); err != nil {
			return fmt.Errorf("service %s: %w", service, err)
		}
	}
	return nil
}

// allowed are the options of sbatch that a site may set: those that choose and
// describe resources. None of them changes what is run, where its files are, how it is named or how it ends.
var allowed = []string{
	"begin", "contiguous", "core-spec", "cores-per-socket", "cpu-freq", "cpus-per-gpu", "deadline", "exclude", "exclusive",
	"gpu-bind", "gpu-freq", "gpus", "gpus-per-node", "gpus-per-socket", "gpus-per-task", "gres", "gres-flags", "hint", "licenses", "mem-bind",
	"mem-per-gpu", "mincpus", "network", "nice", "nodelist", "overcommit", "oversubscribe", "prefer", "priority", "qos", "reservation",
	"sockets-per-node", "switches", "thread-spec", "threads-per-core", "tmp", "use-min-nodes", "wckey",
}

func (o Options) check() error {
	for name, value := range map[string]string{"partition": o.Partition, "account": o.Account, "constraint": o.Constraint, "quality of service": o.QOS} {
		if batch.Plain(value) != value {
			return fmt.Errorf("the %s %q has characters that no %s has", name, value, name)
		}
	}
	for _, extra := range o.Extra {
		name, dashes := strings.CutPrefix(extra, "--")
		name, _, _ = strings.Cut(name, "=")
		if !dashes || batch.Plain(extra) != extra || !slices.Contains(allowed, name) {
			return fmt.Errorf("the option %q is not allowed; allowed, as --NAME or --NAME=VALUE, are %s", extra, strings.Join(allowed, ", "))
		}
	}
	return nil
}

// over is o with what is set in p instead.
func (o Options) over(p Options) Options {
	orDefault(&p.Partition, o.Partition)
	orDefault(&p.Account, o.Account)
	orDefault(&p.Constraint, o.Constraint)
	orDefault(&p.GPUs, o.GPUs)
	if p.Extra == nil {
		p.Extra = o.Extra
	}
	if p.QOS != "" { // sbatch would take the last one
		p.Extra = slices.DeleteFunc(slices.Clone(p.Extra), isQOS)
	} else if !slices.ContainsFunc(p.Extra, isQOS) {
		p.QOS = o.QOS
	}
	return p
}

func isQOS(extra string) bool { return extra == "--qos" || strings.HasPrefix(extra, "--qos=") }

// Quality returns the quality of service that jobs get, however it is set.
func (o Options) Quality() string {
	quality := o.QOS
	for _, extra := range o.Extra {
		if value, ok := strings.CutPrefix(extra, "--qos="); ok {
			quality = value
		}
	}
	return quality
}

// commands are the programs that are called.
var commands = []string{"sbatch", "squeue", "sacct", "scancel", "scontrol"}

// programs are those that this configuration needs.
func (c *Config) programs() []string {
	if c.Accounts.Mode == AccountsPerOwner {
		return append(slices.Clone(commands), "sacctmgr")
	}
	return commands
}

// shell finds the commands and makes the only environment that they see.
// Nothing is inherited: SBATCH_ and SLURM_ variables would change what is submitted, and the rest goes into the job.
func (c *Config) shell() (*batch.Shell, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/"
	}
	s := &batch.Shell{Programs: make(map[string]string), Remote: c.Remote, Env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "USER=" + c.User, "LANG=C", "TZ=UTC", "SLURM_TIME_FORMAT=%s",
	}}
	if c.SlurmConf != "" {
		s.Env = append(s.Env, "SLURM_CONF="+c.SlurmConf)
	}
	for _, name := range c.programs() {
		path := c.Commands[name]
		if path == "" {
			path = name
		}
		if len(c.Remote) == 0 {
			if path, err = exec.LookPath(path); err != nil {
				return nil, fmt.Errorf("find Slurm's commands: %w", err)
			}
		}
		if strings.Contains(path, "=") { // env(1) would take it for a variable
			return nil, fmt.Errorf("find Slurm's commands: the path %q has an equals sign in it", path)
		}
		s.Programs[name] = path
	}
	return s, nil
}

// ownUser is the name of the user of this process.
func ownUser() (string, error) {
	u, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("find out the name of this process's user: %w", err)
	}
	return u.Username, nil
}

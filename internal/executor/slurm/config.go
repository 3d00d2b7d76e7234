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
	// Commands are the paths of sbatch, squeue, sacct, scancel and scontrol where
	// they are not found in PATH.
	Commands map[string]string
	// Remote is a program with arguments that takes a command line for a POSIX shell as its last
	// argument, such as `ssh -o BatchMode=yes login1`. Empty runs Slurm's commands on this machine.
	Remote []string
	// Defaults are for all services.
	Defaults Options
	// Services override Defaults by the service's id.
	Services map[string]Options
	// SubmitsInFlight bounds how many sbatch, and how many scancel, run at a time. Zero means 8.
	SubmitsInFlight int
	// Timeouts of the commands.
	Timeouts Timeouts
	// Pace of the polls.
	Pace Pace
	// Patience with what does not show up.
	Patience Patience
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

// Pace says how often the cluster is asked. A zero field means the default.
type Pace struct {
	// Fastest is between two polls while something is about to change; 2 s by default.
	Fastest time.Duration
	// Hot is for how long after a submit, a cancel or a hint that is the case; 30 s by default.
	Hot time.Duration
	// Usual is between two polls while there are jobs; 5 s by default.
	Usual time.Duration
	// Idle is between two polls while there are none, and the longest pause for a slow cluster; 60 s by default.
	Idle time.Duration
	// Accounting is between two calls of sacct; 2 s by default.
	Accounting time.Duration
	// Rest is how many times as long as a poll took the pause after it is at least; 10 by default.
	Rest int
}

// Patience says how long what is missing may stay so. A zero field means the default.
type Patience struct {
	// Confirm is how long an attempt must be absent from all polls to be called absent; 60 s by default,
	// and never less than twice the cluster's MessageTimeout.
	Confirm time.Duration
	// Settle is how long a file that a node wrote may take to be seen here; 60 s by default.
	Settle time.Duration
	// Usage is how long the end of a job waits for the figures of accounting; 5 s by default.
	Usage time.Duration
	// Lost is how long an attempt that began may be missing; 10 min by default.
	Lost time.Duration
	// Never is how long a job may wait for what cannot happen; 10 min by default.
	Never time.Duration
	// Tries is how often sbatch may end in doubt, for other reasons than a full queue, before an attempt is
	// given up; 10 by default.
	Tries int
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (c *Config) setDefaults() {
	orDefault(&c.SubmitsInFlight, 8)
	orDefault(&c.Timeouts.Submit, 30*time.Second)
	orDefault(&c.Timeouts.Poll, 15*time.Second)
	orDefault(&c.Timeouts.Account, 20*time.Second)
	orDefault(&c.Timeouts.Cancel, 15*time.Second)
	orDefault(&c.Pace.Fastest, 2*time.Second)
	orDefault(&c.Pace.Hot, 30*time.Second)
	orDefault(&c.Pace.Usual, 5*time.Second)
	orDefault(&c.Pace.Idle, time.Minute)
	orDefault(&c.Pace.Accounting, 2*time.Second)
	orDefault(&c.Pace.Rest, 10)
	orDefault(&c.Patience.Confirm, time.Minute)
	orDefault(&c.Patience.Settle, time.Minute)
	orDefault(&c.Patience.Usage, 5*time.Second)
	orDefault(&c.Patience.Lost, 10*time.Minute)
	orDefault(&c.Patience.Never, 10*time.Minute)
	orDefault(&c.Patience.Tries, 10)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

func (c *Config) check() error {
	if c.Name == "" || c.Folders == nil {
		return errors.New("a name and the jobs' folders are required")
	}
	if !installPattern.MatchString(c.InstallID) {
		return fmt.Errorf("the installation id %q is not 1 to 24 of a-z and 0-9", c.InstallID)
	}
	if len(c.Remote) > 0 && c.User == "" {
		return errors.New("with Remote, User is required")
	}
	if err := c.Defaults.check(); err != nil {
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
	for name, value := range map[string]string{"partition": o.Partition, "account": o.Account, "constraint": o.Constraint} {
		if plain(value) != value {
			return fmt.Errorf("the %s %q has characters that no %s has", name, value, name)
		}
	}
	for _, extra := range o.Extra {
		name, dashes := strings.CutPrefix(extra, "--")
		name, _, _ = strings.Cut(name, "=")
		if !dashes || plain(extra) != extra || !slices.Contains(allowed, name) {
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
	return p
}

// commands are the programs that are called.
var commands = []string{"sbatch", "squeue", "sacct", "scancel", "scontrol"}

// shell finds the commands and makes the only environment that they see.
// Nothing is inherited: SBATCH_ and SLURM_ variables would change what is submitted, and the rest goes into the job.
func (c *Config) shell() (*shell, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/"
	}
	s := &shell{programs: make(map[string]string), remote: c.Remote, env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "USER=" + c.User, "LANG=C", "TZ=UTC", "SLURM_TIME_FORMAT=%s",
	}}
	if c.SlurmConf != "" {
		s.env = append(s.env, "SLURM_CONF="+c.SlurmConf)
	}
	for _, name := range commands {
		path := c.Commands[name]
		if path == "" {
			path = name
		}
		if len(c.Remote) == 0 {
			if path, err = exec.LookPath(path); err != nil {
				return nil, fmt.Errorf("find Slurm's commands: %w", err)
			}
		}
		s.programs[name] = path
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

package batch

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/stint-jobs/stint/internal/workdir"
)

// Config describes a cluster. Fields without a word about zero are required.
type Config struct {
	// Name of the executor, for logs and its status.
	Name string
	// Folders are the jobs' folders. The nodes see them at the same path, with the rights of the user that jobs run as.
	Folders *workdir.Root
	// InstallID tells the jobs of this installation from all others: 1 to 24 of a-z and 0-9. It must never change.
	InstallID string
	// SubmitsInFlight bounds how many submissions, and how many cancellations, go on at a time. Zero means 8.
	SubmitsInFlight int
	// Pace of the polls.
	Pace Pace
	// Patience with what does not show up.
	Patience Patience
	// Logger gets what an operator should know. Nil discards it.
	Logger *slog.Logger
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
	// Accounting is between two questions to accounting; 2 s by default.
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
	// Tries is how often a submission may end in doubt, for other reasons than a full queue, before an attempt is
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
	return nil
}

package batch

import (
	"context"
	"errors"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/workdir"
)

// Engine is a batch system: it knows the commands, words and formats of one, and decides nothing.
// Its methods may be called from several goroutines, and each returns within a time limit of the
// engine's own. An Engine may be a Doubter too.
type Engine interface {
	// Traits returns what never changes about it.
	Traits() Traits
	// Plan returns how an attempt is submitted. It asks nothing of the batch system. The plan is
	// stored, so that the attempt can be submitted again. A *RefusalError means that it cannot be submitted at all.
	Plan(r Request) (Plan, error)
	// Submit hands a batch script over, once.
	Submit(ctx context.Context, p Plan, script []byte) Submitted
	// Poll returns the rows of all jobs of the user, in whatever state and whoever submitted them.
	Poll(ctx context.Context) ([]Row, error)
	// Account returns what accounting keeps of some jobs, in the order of their submission. It returns
	// ErrNoAccounting where the batch system keeps nothing.
	Account(ctx context.Context, q Query) ([]Account, error)
	// Cancel asks for the end of the jobs with a name, or of the one of them with an id. It is no error
	// if there is none.
	Cancel(ctx context.Context, name, id string) error
	// Probe returns what the batch system is and how it is set up.
	Probe(ctx context.Context) (Features, error)
}

// ErrNoAccounting means that the batch system keeps no accounts.
var ErrNoAccounting = errors.New("the cluster has no accounting")

// Traits are what never changes about a batch system.
type Traits struct {
	// Title is its name for people, such as Slurm.
	Title string
	// IDVariable and NodeVariable are the variables in which a batch script finds its job's id and the name of its node.
	IDVariable, NodeVariable string
	// EndedForMemory reports whether a line of a batch script's log says that the batch system ended the job for its memory.
	EndedForMemory func(line string) bool
}

// Request is an attempt that is to be submitted.
type Request struct {
	// Name that the job gets.
	Name string
	// Log is the path of the file for what the batch system and the script have to say.
	Log string
	executor.Task
}

// Plan is how an attempt is submitted.
type Plan struct {
	// Args are for the engine alone.
	Args []string `json:"args"`
	// Queue names what of the cluster the job goes to: a queue that takes one job for now
	// may be taken to take others too, and one that takes none to take none.
	Queue string `json:"queue,omitempty"`
	// Owner is whose account has to be there first, where the engine makes accounts for owners. It is for the engine alone.
	Owner string `json:"owner,omitempty"`
	// Account is that account.
	Account string `json:"account,omitempty"`
}

// RefusalError is why an attempt is not submitted, in plain words for its owner.
type RefusalError struct{ Message string }

func (r *RefusalError) Error() string { return r.Message }

// Outcome is what is known after a submission.
type Outcome int

// The outcomes of a submission.
const (
	Uncertain   Outcome = iota // the batch system may or may not have the job
	Accepted                   // it has
	Refused                    // it has not, and never will
	Unavailable                // it has not, and no other job either, as it cannot be reached
	Deferred                   // it has not: it takes none of this kind for now, or was not asked yet
)

// Submitted is the result of a submission.
type Submitted struct {
	Outcome Outcome
	// ID of the job, for Accepted.
	ID string
	// Message is the refusal in plain words, for Refused.
	Message string
	// Err says what went wrong, for Uncertain, Unavailable and Deferred.
	Err error
	// Words are what the batch system and the plug-ins of its site said, if it was not accepted.
	Words string
	// Hold is what it waits for, for Deferred and, if that is known, for Uncertain.
	Hold Hold
}

// Hold is why a job is not taken for now.
type Hold struct {
	// Reason is WAITING_FOR_ENGINE or ENGINE_HELD.
	Reason jobsv1.Reason `json:"reason"`
	// Message says it in plain words.
	Message string `json:"message"`
}

// Phase is what a state of the batch system means to an attempt.
type Phase int

// The phases of a job. All from Completed on are ends.
const (
	Unknown Phase = iota // a word that this version does not know
	Pending
	Running
	Completed
	Failed
	Cancelled
	TimedOut
	OutOfMemory
	NodeFailed
	Preempted
	Revoked
)

// Terminal reports whether the job is over.
func (p Phase) Terminal() bool { return p >= Completed }

// Row is what the batch system shows of one job.
type Row struct {
	ID string
	// State is its own word for Phase.
	State string
	Phase Phase
	// Waiting is why it is pending.
	Waiting Waiting
	// Rejected says of a job that is over that it could never have started, and Words why.
	Rejected bool
	// SetupFailed says of a job that is over that its node could not set it up.
	SetupFailed bool
	// Words say in plain words what Phase leaves open about the end; often empty.
	Words string
	// Code and Signal are of the batch script: one of them is 0.
	Code, Signal int
	// Restarts counts the earlier runs.
	Restarts int
	// Node it runs or ran on.
	Node string
	// Times are those of the cluster's clock. Start is the expected one while the job is pending. Zero where it has none.
	Submit, Start, End time.Time
	// Name that the job was submitted with.
	Name string
}

// Waiting is what a pending job waits for.
type Waiting struct {
	// Reason is WAITING_FOR_RESOURCES, WAITING_FOR_TURN or ENGINE_HELD.
	Reason jobsv1.Reason
	// Words say it in plain words.
	Words string
	// Never says that waiting does not help.
	Never bool
}

// Account is what accounting keeps of one job, with the use of its steps.
type Account struct {
	Row
	// UID of who cancelled it; empty when nobody did.
	UID   string
	Usage workdir.ExitUsage
}

// Query asks accounting for ids or for names.
type Query struct {
	IDs, Names []string
	// Since is the time before which nothing is of interest, by the clock of this machine.
	Since time.Time
}

// Features are what was found out about a batch system.
type Features struct {
	// Version of its software.
	Version string
	// Memory is how long it shows a job that is over. Zero means that it is not known.
	Memory time.Duration
	// MessageTimeout is how long a message to it may be on its way.
	MessageTimeout time.Duration
	// Accounting reports whether accounts are kept.
	Accounting bool
	// Sample is the time between two samples of what jobs use. Zero means that there are none.
	Sample time.Duration
}

// Doubter is an Engine that sometimes ends jobs by mistake.
type Doubter interface {
	// Mistaken reports whether the end of a pending job that nobody here asked for was a mistake, so that
	// the attempt counts as absent. Fresh is false if a new Probe may change that.
	Mistaken(e Ending) (mistaken, fresh bool)
}

// Ending is the end of a pending job.
type Ending struct {
	Row Row
	// Account is nil while accounting does not have it.
	Account *Account
	// Submitted is when the attempt was handed over for the first time.
	Submitted time.Time
	// Noticed is when its end was first seen.
	Noticed time.Time
	// Known is when the batch system first answered this process.
	Known time.Time
}

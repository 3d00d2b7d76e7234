// Package executor is the seam between Stint and the engines that run jobs: an
// attempt that an executor accepted is reported to have ended exactly once,
// with the truth about its end, however often this process restarts meanwhile.
//
// The durable name of an attempt is its Handle. Intent is stored before the
// side effect: the scheduler commits "attempt N is starting" before it calls
// Start, so after a crash it can ask Find whether the engine has attempt N.
// What every executor must do is a test suite: executortest.Run.
package executor

import (
	"context"
	"errors"
	"time"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workdir"
)

// Executor runs attempts of jobs. All methods may be called from several goroutines.
type Executor interface {
	// Start hands an attempt to the engine and returns once its durable name is
	// known; the command may start later. Starting the same attempt again never
	// runs it twice: it answers the handle of the run that is there.
	//
	// A *Failure is definite: the attempt did not start and will not.
	// ErrUnavailable is definite too, but trying later may help. After any other error the
	// attempt may or may not run, and only Find and Wait can tell.
	Start(ctx context.Context, t Task) (Handle, error)

	// Find answers the handle of an attempt that an earlier process may have
	// started. ErrNotFound is definite: the engine does not have it and never
	// will. ErrUnavailable means that the engine cannot tell now.
	Find(ctx context.Context, t Task) (Handle, error)

	// Wait follows an attempt and returns when it has ended. observe is called
	// from Wait's goroutine for each change on the way. It may be called again,
	// also by another process, as long as the attempt's folder exists; waiting
	// for an attempt that ended answers its end. ErrLost means that the engine forgot
	// the attempt and nothing of it runs any more. When ctx ends Wait detaches: the attempt goes on.
	Wait(ctx context.Context, h Handle, observe func(Observation)) (Exit, error)

	// Cancel asks for the attempt to be ended: politely, then after a grace by
	// force. It only asks; Wait reports the end, which may still be a success.
	// Asking again, or for something that has ended, is no error.
	Cancel(ctx context.Context, h Handle) error
}

// Handle is an executor's durable name for one attempt, as text that only the executor reads.
type Handle string

// Sentinels of the seam.
var (
	// ErrNotFound: the engine does not have the attempt.
	ErrNotFound = errors.New("the engine does not have the attempt")
	// ErrUnavailable: the engine cannot be asked now; nothing was done.
	ErrUnavailable = errors.New("the engine cannot be reached")
	// ErrLost: the engine forgot the attempt, nothing of it runs, and it left no result.
	ErrLost = errors.New("the engine lost the attempt")
)

// Failure is a definite failure to prepare or start an attempt.
type Failure struct { //nolint:errname // a failure is a thing of the domain: it has a reason and words for the user
	// Reason is what the job fails with, for example INPUT_MISSING, LAUNCH_FAILED or SUBMIT_REJECTED.
	Reason jobsv1.Reason
	// Message says it in plain words for the user.
	Message string
	// Err is the cause for the log; nil when Message says it all.
	Err error
}

// Error is the message and the cause.
func (f *Failure) Error() string {
	if f.Err == nil {
		return f.Message
	}
	return f.Message + ": " + f.Err.Error()
}

// Unwrap is the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Task is one attempt of a job, ready to start.
type Task struct {
	// Job is read-only.
	Job *jobsv1.Job
	// Attempt counts from 1.
	Attempt int
	// Dir is the attempt's folder; it exists and holds what the command needs.
	Dir workdir.Attempt
	// Command is what to run.
	Command Command
	// InputNote says in plain words what of the job's folders the command is not given. Empty where it gets all.
	InputNote string
	// GPUs are the indexes of the graphics processors that it was given. Empty where it asked for
	// none, and where the engine hands them out.
	GPUs []int32
}

// Command is what an attempt runs.
type Command struct {
	// Argv is the program, as an absolute path, and its arguments. No shell reads it.
	Argv []string
	// Env is the whole environment as KEY=VALUE; nothing of the server's own is added.
	Env []string
	// Resources is what the job gets, with no field left to a default.
	Resources *jobsv1.Resources
	// Reads are the absolute paths of what it reads besides the system's and the job's own
	// files, such as the service's folder. Only an executor that hides the others needs them.
	Reads []string
	// Network is true if it needs the network. An executor that can cut it off does so otherwise.
	Network bool
}

// Observation is what an executor saw of an attempt that has not ended.
type Observation struct {
	// State is QUEUED or RUNNING.
	State jobsv1.State
	// Reason why it waits.
	Reason jobsv1.Reason
	// Message gives the reason in plain words.
	Message string
	// EngineState is the engine's own word.
	EngineState string
	// EngineID is the engine's own id of the run.
	EngineID string
	// Node it runs on; several are separated by commas.
	Node string
	// StartTime is when the command started; zero while it has not.
	StartTime time.Time
	// ExpectedStart is when the engine expects to start it; zero when it does not say.
	ExpectedStart time.Time
}

// Exit is how an attempt ended.
type Exit struct {
	// Reason is unspecified when the command ended by itself, so that Code and
	// Signal tell success from failure. Otherwise it is why the engine ended it, for example
	// TIME_LIMIT, OUT_OF_MEMORY, NODE_FAILED, CANCELLED_BY_OWNER when Cancel ended it, or CANCELLED_BY_ENGINE.
	Reason jobsv1.Reason
	// Message gives the reason in plain words; empty where the reason says it all.
	Message string
	// EngineState is the engine's own word.
	EngineState string
	// EngineID is the engine's own id of the run.
	EngineID string
	// Node it ran on.
	Node string
	// Code is the exit code, 0 to 255, or -1 when the command did not exit by itself.
	Code int
	// Signal that ended the command; 0 when none did.
	Signal int
	// Start and End of the command; zero when it never ran.
	Start, End time.Time
	// Usage of the attempt; nil when it could not be measured.
	Usage *jobsv1.Usage
}

// Orphan is a run on an engine that this installation started and does not know any more.
type Orphan struct {
	// Handle names the attempt.
	Handle Handle
	// EngineID is the engine's own id of the run.
	EngineID string
	// Job and Attempt are what it was started for.
	Job     job.ID
	Attempt int
	// State is the engine's word.
	State string
	// Node it runs on; empty while it waits.
	Node string
	// SubmitTime by the engine's clock.
	SubmitTime time.Time
}

// OrphanFinder is an executor whose engine may hold runs that nobody here knows,
// for example after the database was restored from an old copy.
type OrphanFinder interface {
	// Orphans answers the runs of this installation that are not over and that
	// known does not know. Nothing is done about them.
	Orphans(ctx context.Context, known func(id job.ID, attempt int) bool) ([]Orphan, error)
	// CancelOrphan asks the engine to end one.
	CancelOrphan(ctx context.Context, o Orphan) error
}

// Prompt is an executor that, when Start has answered, often knows already what Wait would observe
// first, so that both can be stored at once.
type Prompt interface {
	// Started answers that of an attempt of which Start just answered the handle; false if
	// nothing is known yet. Wait may observe the same again, and need not.
	Started(h Handle) (Observation, bool)
}

// Hinter is an executor that only looks at its engine now and then, and can be
// told that it is worth looking now. One that sees by itself at once what happens need not be a Hinter.
type Hinter interface {
	// Hint says that the command of an attempt tells that it began or ended. It may come late, never, or be
	// a lie: it only makes the executor look, never believe. It does not block.
	Hint(id job.ID, attempt int, event jobsv1.JobEvent)
}

// Variables of a command's environment by which it can tell of itself. An executor
// must not put the second one where others can see it, such as in the arguments of a program.
const (
	// ReportVariable has the URL of JobService.Report for the job.
	ReportVariable = "STINT_REPORT_URL"
	// TokenVariable has the token for it.
	TokenVariable = "STINT_JOB_TOKEN"
)

// Reporter is an executor that can tell of its health.
type Reporter interface {
	// Status answers how the executor is; it never blocks on the engine.
	Status() *adminv1.ExecutorStatus
}

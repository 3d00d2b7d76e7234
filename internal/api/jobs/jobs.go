// Package jobs is the JobService: every read and write of a job goes through a
// store.Scope made from the caller, so what a caller may not see does not exist for
// them. It checks a request whole and decides nothing about how jobs run; one file is an RPC.
package jobs

import (
	"sync"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/allowlist"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/catalog"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/limit"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/workdir"
	"github.com/stint-jobs/stint/internal/workspace"
)

// Scheduler is what the service asks of the scheduler: what is possible, not what to do.
type Scheduler interface {
	// Has reports whether there is an executor of that name.
	Has(executor string) bool
	// Never returns what of r can never be given there, by the fields of r.
	Never(executor string, r *jobsv1.Resources) job.Violations
	// Forecast says what a job that asks for r would wait for now, or "".
	Forecast(executor string, r *jobsv1.Resources) string
	// Why returns why a queued job waits now, also in words. The reason is unspecified where what is stored says it.
	Why(id job.ID, executor string) (jobsv1.Reason, string)
	// Expect sets what is expected of jobs that are not final: their places, starts and ends, or why these cannot be said.
	Expect(jobs ...*jobsv1.Job)
	// Preview sets what would be expected of a job that is not submitted.
	Preview(j *jobsv1.Job)
	// Advise returns what a job should ask for, by completed jobs like it.
	Advise(j *jobsv1.Job) *jobsv1.Advice
	// Report passes on what the command of an attempt tells of itself; progress may be nil.
	Report(id job.ID, attempt int, event jobsv1.JobEvent, progress *workdir.Progress)
}

// Config is what the service needs. Fields without a word about zero are required.
type Config struct {
	// Store has the jobs.
	Store *store.Store
	// Catalog has the services.
	Catalog *catalog.Live
	// Scheduler knows the executors.
	Scheduler Scheduler
	// Names are what jobs may name of clusters. Executors without a list have nothing that could be named.
	Names allowlist.Lists
	// Folders are the jobs' folders.
	Folders *workdir.Root
	// Workspace has the users' files.
	Workspace *workspace.Workspace
	// Pages makes the page tokens.
	Pages page.Sealer
	// DefaultExecutor runs the jobs that name none.
	DefaultExecutor string
	// MaxActivePerOwner bounds the queued and running jobs of one owner, MaxActive those of all. Zero is no bound.
	MaxActivePerOwner, MaxActive int
	// Limits are the numbers at which what users make ends. Nil means those of job.Quotas.
	Limits job.Limits
	// MaxTimeLimit is the longest time limit of a job, and that of jobs without one. Zero is no bound.
	MaxTimeLimit time.Duration
	// Heartbeat is the longest silence of a stream. Zero means 15 s.
	Heartbeat time.Duration
	// WatchEvery is the shortest time between two reads for a watcher of many jobs.
	// Zero means 200 ms. The first change after a silence is sent at once.
	WatchEvery time.Duration
	// OnIssue passes a stored problem report on. Nil passes it to nobody.
	OnIssue func(id string, report *storev1.Issue)
}

// Service is the JobService.
type Service struct {
	jobsv1.UnimplementedJobServiceServer
	cfg      Config
	turns    turns
	keeping  sync.Mutex
	reports  *limit.Rates[string] // problems reported, by user
	draining <-chan struct{}      // closed by drain
	drain    func()
}

// New returns the JobService.
func New(cfg Config) *Service {
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = 15 * time.Second
	}
	if cfg.WatchEvery == 0 {
		cfg.WatchEvery = 200 * time.Millisecond
	}
	draining := make(chan struct{})
	return &Service{cfg: cfg, reports: limit.NewRates[string](limit.PerDay(cfg.Limits.Of(job.QuotaReportsPerDay))), draining: draining, drain: sync.OnceFunc(func() {
		close(draining)
		cfg.Store.Hub().WakeAll() // those who wait for a key alone look at the channel then
	})}
}

// Drain ends the streams that wait, for the server is about to stop: their clients are told to come back. It may be called more than once.
func (s *Service) Drain() { s.drain() }

// drained reports whether the server is about to stop.
func (s *Service) drained() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

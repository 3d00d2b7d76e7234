// Package api is what clients can ask of Stint: the gRPC services, one file an
// RPC. It checks a request whole, asks the store, the catalog and the folders, and answers;
// it decides nothing about how jobs run.
//
// Its invariant: every read and write of a job goes through a store.Scope made
// from the caller, so what a caller may not see does not exist for them. Errors are those of
// package job until one table, in package status, gives them their codes.
package api

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/api/admin"
	authapi "github.com/stint-jobs/stint/internal/api/auth"
	catalogapi "github.com/stint-jobs/stint/internal/api/catalog"
	"github.com/stint-jobs/stint/internal/api/page"
	workspaceapi "github.com/stint-jobs/stint/internal/api/workspace"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/catalog"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/workdir"
	"github.com/stint-jobs/stint/internal/workspace"
)

// Scheduler is what the API asks of the scheduler: what is possible, not what to do.
type Scheduler interface {
	// Has reports whether there is an executor of that name.
	Has(executor string) bool
	// Never says why a job that asks for r can never start there, or "".
	Never(executor string, r *jobsv1.Resources) string
	// Forecast says what a job that asks for r would wait for now, or "".
	Forecast(executor string, r *jobsv1.Resources) string
	admin.Scheduler

	// Report passes on what the command of an attempt tells of itself; progress may be nil.
	Report(id job.ID, attempt int, event jobsv1.JobEvent, progress *workdir.Progress)
}

// Config is what the services need. Fields without a word about zero are required.
type Config struct {
	// Store has the jobs.
	Store *store.Store
	// Catalog has the services.
	Catalog *catalog.Live
	// Scheduler knows the executors.
	Scheduler Scheduler
	// Folders are the jobs' folders.
	Folders *workdir.Root
	// Workspace has the users' files.
	Workspace *workspace.Workspace
	// Tokens makes and revokes API tokens.
	Tokens *auth.Tokens
	// DefaultExecutor runs the jobs that name none.
	DefaultExecutor string
	// MaxActivePerOwner bounds the queued and running jobs of one owner, MaxActive those of all. Zero is no bound.
	MaxActivePerOwner, MaxActive int
	// Heartbeat is the longest silence of a stream. Zero means 15 s.
	Heartbeat time.Duration
	// WatchEvery is the shortest time between two reads for a watcher of many jobs.
	// Zero means 200 ms. The first change after a silence is sent at once.
	WatchEvery time.Duration
	// OnIssue passes a stored problem report on. Nil passes it to nobody.
	OnIssue func(id string, report *storev1.Issue)
	// SignIn is how users can sign in. Nil means by API tokens alone.
	SignIn *authv1.GetSignInOptionsResponse
	// Version of the server.
	Version string
	// Logger gets what an operator should know. Nil discards it.
	Logger *slog.Logger
}

// Server has the gRPC services.
type Server struct {
	// Jobs is the JobService.
	Jobs jobsv1.JobServiceServer
	// Catalog is the CatalogService.
	Catalog catalogv1.CatalogServiceServer
	// Workspace is the WorkspaceService.
	Workspace workspacev1.WorkspaceServiceServer
	// Admin is the AdminService.
	Admin adminv1.AdminServiceServer
	// Queue is the QueueService.
	Queue adminv1.QueueServiceServer
	// Status is the StatusService.
	Status adminv1.StatusServiceServer
	// Auth is the AuthService.
	Auth authv1.AuthServiceServer
	// Tokens is the TokenService.
	Tokens authv1.TokenServiceServer

	drain func()
}

// Drain ends the streams that wait, for the server is about to stop: their clients are told to come back. It may be called more than once.
func (s *Server) Drain() { s.drain() }

// New checks the configuration and makes the services. Nothing runs but what calls ask for.
func New(cfg Config) (*Server, error) {
	if cfg.Store == nil || cfg.Catalog == nil || cfg.Scheduler == nil || cfg.Folders == nil || cfg.Workspace == nil || cfg.Tokens == nil || cfg.DefaultExecutor == "" {
		return nil, errors.New("api: Store, Catalog, Scheduler, Folders, Workspace, Tokens and DefaultExecutor are required")
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = 15 * time.Second
	}
	if cfg.WatchEvery == 0 {
		cfg.WatchEvery = 200 * time.Millisecond
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	pages, err := page.NewSealer(cfg.Store.Settings().GetPageTokenKey())
	if err != nil {
		return nil, err
	}
	ofAdmin := admin.New(admin.Config{Store: cfg.Store, Scheduler: cfg.Scheduler, Pages: pages, Version: cfg.Version})
	ofAuth := authapi.New(authapi.Config{Tokens: cfg.Tokens, SignIn: cfg.SignIn})
	draining := make(chan struct{})
	return &Server{
		drain: sync.OnceFunc(func() {
			close(draining)
			cfg.Store.Hub().WakeAll() // those who wait for a key alone look at the channel then
		}),
		Jobs:      &jobs{Config: cfg, pages: pages, draining: draining},
		Catalog:   catalogapi.New(catalogapi.Config{Catalog: cfg.Catalog}),
		Workspace: workspaceapi.New(workspaceapi.Config{Workspace: cfg.Workspace, Pages: pages}),
		Admin:     ofAdmin.Admin,
		Queue:     ofAdmin.Queue,
		Status:    ofAdmin.Status,
		Auth:      ofAuth.Auth,
		Tokens:    ofAuth.Tokens,
	}, nil
}

// jobs is the JobService.
type jobs struct {
	jobsv1.UnimplementedJobServiceServer
	Config
	pages    page.Sealer
	draining <-chan struct{} // closed by Drain
}

// drained reports whether the server is about to stop.
func (s *jobs) drained() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// parseIDs reads the ids of a batch call.
func parseIDs(texts []string) ([]job.ID, error) {
	switch {
	case len(texts) == 0:
		return nil, job.Invalid("ids", "must have at least one id")
	case len(texts) > job.MaxBatch:
		return nil, job.Invalid("ids", "has %d ids; at most %d may be asked for at a time", len(texts), job.MaxBatch)
	}
	ids := make([]job.ID, len(texts))
	for i, t := range texts {
		id, err := job.ParseID(t)
		if err != nil {
			continue // 0 is the id of no job
		}
		ids[i] = id
	}
	return ids, nil
}

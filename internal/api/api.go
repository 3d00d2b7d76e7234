// Package api is what clients can ask of Stint, and whatever a call ends with, its
// client sees an error of the one table in package status. It puts the services together, each
// a package for its domain below this one, and has what is around their calls: the layers, the
// codec, and the goroutines on which they run.
package api

import (
	"context"
	"errors"
	"log/slog"
	"time"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/allowlist"
	"github.com/stint-jobs/stint/internal/api/admin"
	authapi "github.com/stint-jobs/stint/internal/api/auth"
	catalogapi "github.com/stint-jobs/stint/internal/api/catalog"
	"github.com/stint-jobs/stint/internal/api/jobs"
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
	jobs.Scheduler
	admin.Scheduler
}

// Config is what the services need. Fields without a word about zero are required.
type Config struct {
	// Store has the jobs.
	Store *store.Store
	// Catalog has the services.
	Catalog *catalog.Live
	// Scheduler knows the executors.
	Scheduler Scheduler
	// Names are what jobs may name of clusters.
	Names allowlist.Lists
	// Folders are the jobs' folders.
	Folders *workdir.Root
	// Workspace has the users' files.
	Workspace *workspace.Workspace
	// Tokens makes and revokes API tokens.
	Tokens *auth.Tokens
	// MaxTokenLife is how long an API token may live. Zero is for ever.
	MaxTokenLife time.Duration
	// Users ends what users have to sign in with.
	Users *auth.Users
	// Sessions are the browsers that are signed in. Nil where they cannot sign in.
	Sessions *auth.Sessions
	// DefaultExecutor runs the jobs that name none.
	DefaultExecutor string
	// MaxActivePerOwner bounds the queued and running jobs of one owner, MaxActive those of all. Zero is no bound.
	MaxActivePerOwner, MaxActive int
	// Limits are the numbers at which what users make ends. Nil means those of job.Quotas.
	Limits job.Limits
	// Audited returns how many entries of the audit a caller has made of those of a day, and how many there may be, which
	// is 0 without a limit. Nil means that nothing counts them.
	Audited func(p auth.Principal) (used, perDay int64)
	// MaxTimeLimit is the longest time limit of a job, and that of jobs without one. Zero is no bound.
	MaxTimeLimit time.Duration
	// Heartbeat is the longest silence of a stream. Zero means 15 s.
	Heartbeat time.Duration
	// WatchEvery is the shortest time between two reads for a watcher of many jobs.
	// Zero means 200 ms. The first change after a silence is sent at once.
	WatchEvery time.Duration
	// OnIssue passes a stored problem report on. Nil passes it to nobody.
	OnIssue func(id string, report *storev1.Issue)
	// Scratch is the folder for the copies of the database that Backup streams. Empty means that of the system.
	Scratch string
	// Room returns an error if the folder of Scratch has no room for so many bytes more. Nil means that it has.
	Room func(bytes int64) error
	// Diagnose returns the checks of the server and of what it depends on. Nil makes none.
	Diagnose func(ctx context.Context) []*adminv1.Check
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
	// Sessions is the SessionService.
	Sessions authv1.SessionServiceServer
	// Users is the UserService.
	Users adminv1.UserServiceServer

	drain func()
}

// Drain ends the streams that wait, for the server is about to stop: their clients are told to come back. It may be called more than once.
func (s *Server) Drain() { s.drain() }

// New checks the configuration and returns the services. Nothing runs but what calls ask for.
func New(cfg Config) (*Server, error) {
	if cfg.Store == nil || cfg.Catalog == nil || cfg.Scheduler == nil || cfg.Folders == nil || cfg.Workspace == nil || cfg.Tokens == nil || cfg.Users == nil || cfg.DefaultExecutor == "" {
		return nil, errors.New("api: Store, Catalog, Scheduler, Folders, Workspace, Tokens, Users and DefaultExecutor are required")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	set := cfg.Store.Settings()
	pages, err := page.NewSealer(set.GetPageTokenKey(), set.GetIncarnation())
	if err != nil {
		return nil, err
	}
	ofAdmin := admin.New(admin.Config{
		Store: cfg.Store, Scheduler: cfg.Scheduler, Users: cfg.Users, Workspace: cfg.Workspace, Pages: pages, Version: cfg.Version, Scratch: cfg.Scratch, Room: cfg.Room,
		Diagnose: cfg.Diagnose,
	})
	ofAuth := authapi.New(authapi.Config{Tokens: cfg.Tokens, Pages: pages, MaxTokenLife: cfg.MaxTokenLife, Users: cfg.Users, Sessions: cfg.Sessions, SignIn: cfg.SignIn})
	ofJobs := jobs.New(jobs.Config{
		Store: cfg.Store, Catalog: cfg.Catalog, Scheduler: cfg.Scheduler, Names: cfg.Names, Folders: cfg.Folders, Workspace: cfg.Workspace, Pages: pages,
		DefaultExecutor: cfg.DefaultExecutor, MaxActivePerOwner: cfg.MaxActivePerOwner, MaxActive: cfg.MaxActive, Limits: cfg.Limits, MaxTimeLimit: cfg.MaxTimeLimit,
		Heartbeat: cfg.Heartbeat, WatchEvery: cfg.WatchEvery, OnIssue: cfg.OnIssue,
	})
	ofWorkspace := workspaceapi.New(workspaceapi.Config{
		Workspace: cfg.Workspace, Pages: pages, Store: cfg.Store, Limits: cfg.Limits, Audited: cfg.Audited, ReportsToday: ofJobs.ReportsToday,
	})
	return &Server{
		drain: ofJobs.Drain,
		Jobs:  ofJobs,
		Catalog: catalogapi.New(catalogapi.Config{
			Catalog: cfg.Catalog, Pages: pages, Inputs: ofJobs.Inputs, Advisor: cfg.Scheduler, DefaultExecutor: cfg.DefaultExecutor,
		}),
		Workspace: ofWorkspace,
		Admin:     ofAdmin.Admin,
		Queue:     ofAdmin.Queue,
		Status:    ofAdmin.Status,
		Auth:      ofAuth.Auth,
		Tokens:    ofAuth.Tokens,
		Sessions:  ofAuth.Sessions,
		Users:     ofAdmin.Users,
	}, nil
}

// Package server is the composition root of stintd: it opens what the
// configuration names, wires it, serves until it is told to stop, and closes everything in the
// reverse order. Whatever fails on the way, nothing that was opened stays open.
//
// Stopping: health says NOT_SERVING, streams are told to come back later, calls
// get a bounded time to end, the scheduler detaches from jobs that go on without it, and the
// store closes last, when nobody can write to it any more.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stint-jobs/stint/internal/allowlist"
	"github.com/stint-jobs/stint/internal/api"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/catalog"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/batch"
	"github.com/stint-jobs/stint/internal/executor/local"
	"github.com/stint-jobs/stint/internal/executor/local/shim"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/limit"
	"github.com/stint-jobs/stint/internal/scheduler"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
	"github.com/stint-jobs/stint/internal/staging"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/workdir"
	"github.com/stint-jobs/stint/internal/workspace"
)

// Run serves until ctx ends and everything has ended in good order.
func Run(ctx context.Context, cfg Config, std Streams) (err error) {
	log, err := newLogger(std.Err, cfg)
	if err != nil {
		return fmt.Errorf("%w: %w", err, errUsage)
	}
	if !collectorTuned(os.LookupEnv) {
		floor := newHeapFloor()
		defer runtime.KeepAlive(floor)
		tuning, stop := context.WithCancel(ctx)
		var tuned sync.WaitGroup
		tuned.Go(func() { tuneCollector(tuning) })
		defer tuned.Wait()
		defer stop()
	}
	s := &server{cfg: cfg, log: log, std: std, turns: newTurns(runtime.NumCPU())}
	defer func() { err = errors.Join(err, s.closeInTime()) }()
	if err := s.open(ctx); err != nil {
		return err
	}
	return s.serve(ctx)
}

// server is everything that a running stintd has.
type server struct {
	cfg       Config
	log       *slog.Logger
	std       Streams
	closers   []func() error // run in reverse
	store     *store.Store
	notes     *noter   // of how far the store is
	backups   *backups // nil without --backup-dir
	catalog   *catalog.Live
	folders   *workdir.Root
	workspace *workspace.Workspace
	auth      *auth.Authenticator
	jobTokens *auth.JobTokens
	mode      auth.Mode
	oidc      *auth.OIDC     // nil without an issuer
	sessions  *auth.Sessions // nil where browsers cannot sign in
	signIn    *auth.SignIn   // likewise
	scheduler *scheduler.Scheduler
	decisions prometheus.Histogram
	api       *api.Server
	draining  chan struct{}
	space     *space
	audited   *auditLimit
	clusters  map[string]*batch.Cluster
	names     allowlist.Lists // of what jobs may name of clusters
	turns     *limit.Turns    // of what takes long and can wait: half of the processors are left to the rest
	reports   *reporter
	address   net.Addr // that it listens on
}

// newTurns leaves half of the processors to what does not take long, and where there are fewer than four half of the rest, too: one that
// is free for half of the time keeps others waiting for half as long.
func newTurns(processors int) *limit.Turns {
	o := limit.TurnOptions{Places: processors / 2}
	if processors < 4 {
		o.Share = 0.5
	}
	return limit.NewTurns(o)
}

func (s *server) closeLater(f func() error) { s.closers = append(s.closers, f) }

func (s *server) close() error {
	var errs []error
	for _, v := range slices.Backward(s.closers) {
		errs = append(errs, v())
	}
	return errors.Join(errs...)
}

// closeInTime closes everything. After a storage failure nobody knows whether that ends, so that it gets as long as the
// calls had.
func (s *server) closeInTime() error {
	if s.store == nil || !errors.Is(s.store.Healthy(), job.ErrStorage) {
		return s.close()
	}
	return within(s.cfg.DrainTimeout, s.close)
}

// within calls do and returns an error if that takes longer than it may.
func within(limit time.Duration, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		return errors.New("the database could not be closed in time after its failure")
	}
}

// open opens what is on disk and makes everything that needs no network.
func (s *server) open(ctx context.Context) error {
	s.draining = make(chan struct{})
	f := s.cfg.folders()
	s.space = newSpace([]string{f.data, f.state}, room{s.cfg.MinFreeSpace, s.cfg.MinFreeInodes}, s.log)
	if err := s.openFolders(ctx, f); err != nil {
		return err
	}
	for _, step := range []func() error{s.openStore, s.openWorkspace, s.openCatalog, s.openSignIn, s.openAuth, s.openScheduler, s.openAPI} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// entryBytes is what a file or folder counts beside its size: the block of an inode, or of a folder's names.
const entryBytes = 4 << 10

func (s *server) openWorkspace() (err error) {
	s.workspace, err = workspace.Open(filepath.Join(s.cfg.Data, "workspace"), workspace.Options{
		QuotaBytes: s.cfg.Quota, QuotaEntries: s.cfg.QuotaEntries, EntryBytes: entryBytes, MaxDepth: s.cfg.MaxDepth,
		MaxUploads: s.cfg.MaxUploads, UploadLife: s.cfg.UploadLife, Room: s.space.room,
		BesideBytes: s.store.KeptBytes,
	})
	if err != nil {
		return err
	}
	s.closeLater(s.workspace.Close)
	return nil
}

func (s *server) openCatalog() error {
	live, problems, err := catalog.Open(s.cfg.Services, catalog.Options{Remote: s.cfg.remote})
	if err != nil {
		return err
	}
	s.catalog = live
	s.logProblems(problems)
	return nil
}

func (s *server) logProblems(problems []catalog.Problem) {
	for _, p := range problems {
		level := slog.LevelError
		if p.Minor {
			level = slog.LevelWarn
		}
		s.log.Log(context.Background(), level, "a service is described wrongly", "problem", p.String())
	}
}

func (s *server) openAuth() error {
	mode, err := s.cfg.authMode().Resolve(s.cfg.addresses()...)
	if err != nil {
		return fmt.Errorf("--auth: %w: %w", err, errUsage)
	}
	s.mode = mode
	certs, err := certificates(s.cfg.Certificates)
	if err != nil {
		return fmt.Errorf("%w: %w", err, errUsage)
	}
	set := s.store.Settings()
	if s.jobTokens, err = auth.NewJobTokens(set.GetJobTokenKey(), set.GetInstallId()); err != nil {
		return err
	}
	cfg := auth.Config{Mode: mode, Tokens: s.store, Job: s.jobTokens.Principal, Certificates: certs, Users: s.standing}
	if s.oidc != nil {
		cfg.JWT = s.oidc.Principal
	}
	if s.sessions != nil {
		cfg.Session, cfg.SessionCookie = s.sessions.Principal, s.signIn.SessionCookie()
	}
	if s.auth, err = auth.New(cfg); err != nil {
		return err
	}
	if s.sessions != nil {
		s.sessions.EndStreams(s.auth)
	}
	return nil
}

// localExecutor is the name of the executor of this machine.
const localExecutor = "local"

// standing is what the store says of a user, for the authenticator.
func (s *server) standing(user string) (disabled bool, signedOut time.Time) {
	st := s.store.Standing(user)
	return st.Disabled, time.Unix(0, st.SignedOut)
}

func (s *server) openScheduler() error {
	gpus := s.cfg.GPUs.indexes()
	ex, err := s.openLocal(gpus)
	if err != nil {
		return err
	}
	s.log.Info("what local jobs may have besides cores and memory", "gpus", gpus, "resources", s.cfg.Resources)
	stage, err := staging.New(staging.Config{
		Catalog: s.catalog, Workspace: s.workspace, Folders: s.folders, InstallID: s.store.Settings().GetInstallId(),
		Report: s.jobReport, Logger: s.log,
		Sealed: func(name string) bool { return name == localExecutor && ex.Sandboxed() },
		Room:   func(bytes int64) (func(), error) { return s.space.reserve(s.folders.Path(), bytes) },
		ResultRoom: func(bytes int64) (func(), error) {
			return s.space.reserve(filepath.Join(s.cfg.Data, "workspace"), bytes)
		},
	})
	if err != nil {
		return err
	}
	engines, err := s.openClusters()
	if err != nil {
		return err
	}
	engines[localExecutor] = scheduler.Engine{Executor: ex, Capacity: withNamed(capacityOf(ex, gpus), s.cfg.Resources), GPUs: gpus}
	if _, ok := engines[s.cfg.Executor]; !ok {
		return fmt.Errorf("--executor: there is no executor %q: %w", s.cfg.Executor, errUsage)
	}
	s.decisions = newDecisions()
	history, err := s.learn()
	if err != nil {
		return err
	}
	s.scheduler, err = scheduler.New(scheduler.Config{
		Store: s.store, Engines: engines, Prepare: stage.Prepare, Publish: stage.Publish, Release: stage.Release, Folders: s.folders,
		MaxActivePerOwner: s.cfg.MaxRunningPerOwner, Held: s.space.held, Wake: s.space.back, Logger: s.log,
		Shares: s.cfg.Shares.ofOwners(), Groups: s.cfg.Shares.ofGroups(),
		History: history, Maximum: s.maximum, OnDecision: func(d time.Duration) { s.decisions.Observe(d.Seconds()) },
	})
	return err
}

func (s *server) openLocal(gpus []int32) (*local.Executor, error) {
	hide, err := s.cfg.folders().absolute()
	if err != nil {
		return nil, err
	}
	ex, err := local.New(local.Config{
		Folders: s.folders, Grace: s.cfg.Grace, HeadBytes: s.cfg.OutputHead, TailBytes: s.cfg.OutputTail,
		CPUs: int32(s.cfg.CPUs), MemoryBytes: s.cfg.MemoryBytes, Logger: s.log, //nolint:gosec // checked to be small
		GPUs: gpus, Shim: s.shim(), Version: s.cfg.Version, Place: s.store.Settings().GetPlaceId(),
		Sandbox: local.Sandbox{Mode: s.cfg.Sandbox, Hide: hide, Reads: s.cfg.SandboxBind},
	})
	switch {
	case errors.Is(err, local.ErrSandbox):
		return nil, fmt.Errorf("--sandbox require: %w. Mend that, or start with --sandbox auto, which says what is not enforced: %w", err, errUsage)
	case errors.Is(err, local.ErrSandboxBind):
		return nil, fmt.Errorf("--sandbox-bind: %w: %w", err, errUsage)
	}
	return ex, err
}

// shim is where the small program lies that supervises jobs: beside this one, if it is installed.
func (s *server) shim() string {
	self, err := os.Executable()
	if err != nil {
		s.log.Warn("where this program lies cannot be told", "error", err)
		return ""
	}
	return filepath.Join(filepath.Dir(self), shim.Name)
}

// capacityOf is what local jobs may use together. What the executor does not count is not bounded.
func capacityOf(ex executor.Reporter, gpus []int32) scheduler.Capacity {
	st := ex.Status()
	c := scheduler.Capacity{policy.GPUs: int64(len(gpus))}
	if n := st.GetTotalCpus(); n > 0 {
		c[policy.CPUs] = int64(n)
	}
	if n := st.GetTotalMemoryBytes(); n > 0 {
		c[policy.Memory] = n
	}
	return c
}

func (s *server) openAPI() (err error) {
	s.reports = newReporter(s.cfg.IssueWebhook, s.log)
	s.audited = newAuditLimit(s.cfg.MaxAudited, s.mode == auth.ModeDev)
	s.api, err = api.New(api.Config{
		Store: s.store, Catalog: s.catalog, Scheduler: s.scheduler, Names: s.names, Folders: s.folders, Workspace: s.workspace,
		Tokens: auth.NewTokens(s.store, s.auth), MaxTokenLife: s.cfg.MaxTokenLife, Users: auth.NewUsers(s.store, s.auth), Sessions: s.sessions, DefaultExecutor: s.cfg.Executor,
		MaxActivePerOwner: s.cfg.MaxActivePerOwner, MaxActive: s.cfg.MaxActive,
		Limits: s.cfg.quotas(), Audited: s.audited.spent,
		MaxTimeLimit: s.cfg.MaxTimeLimit,
		Heartbeat:    s.cfg.Heartbeat, OnIssue: s.reports.add, SignIn: s.signInOptions(), Version: s.cfg.Version, Logger: s.log,
		Scratch: s.cfg.folders().state, Room: s.space.room, Diagnose: s.newDoctor().diagnose,
	})
	return err
}

// reloadOnHangup reads the services and the client certificates again at each SIGHUP, until ctx ends.
func (s *server) reloadOnHangup(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		}
		s.reloadCertificates()
		problems, err := s.catalog.Reload()
		if err != nil {
			s.log.Error("read the services again", "error", err)
			continue
		}
		s.logProblems(problems)
		s.log.Info("services were read again", "services", len(s.catalog.Catalog().List()))
	}
}

// retain deletes the jobs that the configuration does not keep, until ctx ends. The janitor removes their folders.
func (s *server) retain(ctx context.Context, j *janitor) {
	if len(s.cfg.retention()) == 0 {
		return
	}
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		ids, err := s.store.ApplyRetention(ctx, time.Now())
		if err != nil && ctx.Err() == nil {
			s.log.Error("delete old jobs", "error", err)
		}
		if len(ids) > 0 {
			s.log.Info("old jobs were deleted", "jobs", len(ids))
			j.wake()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

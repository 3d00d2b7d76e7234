package server

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor/local"
	"github.com/stint-jobs/stint/internal/gateway"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/webui"
)

// Config is everything that can be set. Flags, environment and file have the
// same names for it; see flags.go.
type Config struct {
	// Data is the folder of jobs and workspaces.
	Data string
	// State is the folder of the database, on a local disk. Empty means `state` below Data.
	State string
	// StateOnNetworkFS lets State be on a network file system.
	StateOnNetworkFS bool
	// Backup says where copies of the database are kept.
	Backup BackupConfig
	// Services is the folder of the services.
	Services string
	// Listen is the HOST:PORT for gRPC, gRPC-Web, Connect, REST and the pages.
	Listen string
	// GRPCListen is a HOST:PORT for gRPC alone, besides. Empty means none.
	GRPCListen string
	// Executor is the name of the executor for jobs that name none.
	Executor string
	// SlurmConf is the path of slurm.conf for the cluster `slurm`. Empty means Slurm's own default.
	SlurmConf string
	// Clusters are the Slurm clusters by the name of their executor. They are set
	// in the configuration file alone. Where Executor is `slurm` there is one of that name in any case.
	Clusters map[string]ClusterConfig
	// JobReportURL is where jobs' commands reach the server, as http://HOST:PORT or https://HOST. Empty means
	// that this follows from Listen; reportNever that they do not tell.
	JobReportURL string
	// Auth is who may call without a token: auto, dev or token.
	Auth string

	// TLS is how connections are encrypted.
	TLS TLSConfig
	// Certificates are whom client certificates stand for. They are set in the
	// configuration file alone, and read again on SIGHUP.
	Certificates []CertificateConfig
	// File is the configuration file. Empty without one.
	File string

	// OIDC is the issuer whose users may sign in. It is set in the configuration file alone. Nil means none.
	OIDC *OIDCConfig
	// MaxTokenLife is how long an API token may live. Zero is for ever.
	MaxTokenLife time.Duration
	// SessionIdle and SessionLife are how long a browser stays signed in: unused, and at all.
	SessionIdle, SessionLife time.Duration

	// CPUs and MemoryBytes are what local jobs may use together. Zero is all that the machine has.
	CPUs        int
	MemoryBytes int64
	// GPUs are the graphics processors that local jobs may have.
	GPUs GPUConfig
	// Resources are what else local jobs may have together, such as licences, by names of the operator.
	Resources map[string]int64
	// Shares are what owners and groups of owners should have of the executors. They are set in the
	// configuration file alone.
	Shares SharesConfig
	// MaxTimeLimit is the longest time limit of a job, and that of jobs without one. Zero is no bound.
	MaxTimeLimit time.Duration
	// Grace is how long a local job has between the polite and the forced end.
	Grace time.Duration
	// OutputHead and OutputTail are how many bytes of each output stream of a job are kept.
	OutputHead, OutputTail int64

	// Sandbox is what local jobs are kept apart by: off, auto or require.
	Sandbox string
	// SandboxBind are absolute paths that all local jobs may read in the sandbox.
	SandboxBind []string

	// MaxRunningPerOwner bounds the jobs of one owner on executors, MaxActivePerOwner
	// those queued and running, MaxActive those of all owners. Zero is no bound.
	MaxRunningPerOwner, MaxActivePerOwner, MaxActive int
	// Quota bounds the files of one owner in bytes, QuotaEntries their number with that of the folders. Zero is no bound.
	Quota, QuotaEntries int64
	// MaxDepth bounds how many names a workspace path may have. Zero is no bound.
	MaxDepth int
	// MaxUploads bounds how many uploads of one owner may be unfinished, UploadLife how long one is kept after its last bytes.
	MaxUploads int
	UploadLife time.Duration

	// MaxKeptPerOwner is how many jobs one owner keeps against retention. Zero is no bound.
	MaxKeptPerOwner int64
	// MaxAudited is how many entries of the audit one user makes in a day. Zero is no bound.
	MaxAudited int64

	// KeepFor and KeepAtMost bound the finished jobs that are kept, for each final state. Zero is no bound.
	KeepFor    map[string]time.Duration
	KeepAtMost map[string]int

	// KeepAuditFor is how long entries of the audit are kept. Zero is for ever.
	KeepAuditFor time.Duration

	// MinFreeSpace is how many bytes of the disk of Data must be free for new jobs and files to be taken. Zero is no floor.
	MinFreeSpace int64
	// MinFreeInodes is how many inodes must be free. Zero is no floor.
	MinFreeInodes int64
	// Limits are what each caller may do.
	Limits LimitsConfig

	// Heartbeat is the longest silence on a stream.
	Heartbeat time.Duration
	// DrainTimeout bounds how long calls may go on after a request to stop.
	DrainTimeout time.Duration
	// PathPrefix is the path below which a proxy publishes the server.
	PathPrefix string
	// AllowedHosts and TrustedOrigins are for servers behind a proxy.
	AllowedHosts, TrustedOrigins []string
	// CORSOrigins are the sites whose pages may call with a bearer token.
	CORSOrigins []string
	// EmbedOrigins are the sites whose pages may show the indicator.
	EmbedOrigins []string
	// Site is how the gateway names itself on the pages.
	Site webui.Site
	// ContentOrigin is where browsers show results with scripts. Empty is nowhere.
	ContentOrigin string
	// IssueWebhook gets each problem report as JSON. Empty sends none.
	IssueWebhook string

	// LogLevel is debug, info, warn or error, LogFormat text or json.
	LogLevel, LogFormat string
	// AccessLog is which calls are logged: none, errors or all.
	AccessLog string
	// Version of the program.
	Version string
}

// addresses are those that the server listens on.
func (c Config) addresses() []string {
	if c.GRPCListen == "" {
		return []string{c.Listen}
	}
	return []string{c.Listen, c.GRPCListen}
}

// check finds what no flag can check by itself.
func (c Config) check() error {
	var errs []error
	for _, need := range []struct{ flag, value string }{
		{"data", c.Data},
		{"services", c.Services},
		{"listen", c.Listen},
		{"executor", c.Executor},
	} {
		if need.value == "" {
			errs = append(errs, fmt.Errorf("--%s must be given", need.flag))
		}
	}
	for _, n := range []struct {
		flag  string
		value int64
	}{
		{"cpus", int64(c.CPUs)},
		{"memory", c.MemoryBytes},
		{"quota", c.Quota},
		{"quota-entries", c.QuotaEntries},
		{"max-depth", int64(c.MaxDepth)},
		{"max-audited-per-user", c.MaxAudited},
		{"max-kept-per-owner", c.MaxKeptPerOwner},
		{"min-free-space", c.MinFreeSpace},
		{"min-free-inodes", c.MinFreeInodes},
		{"max-running-per-owner", int64(c.MaxRunningPerOwner)},
		{"max-active-per-owner", int64(c.MaxActivePerOwner)},
		{"max-active", int64(c.MaxActive)},
		{"output-head", c.OutputHead},
		{"output-tail", c.OutputTail},
		{"grace", int64(c.Grace)},
		{"heartbeat", int64(c.Heartbeat)},
		{"max-time-limit", int64(c.MaxTimeLimit)},
		{"drain-timeout", int64(c.DrainTimeout)},
		{"backup-every", int64(c.Backup.Every)},
	} {
		if n.value < 0 {
			errs = append(errs, fmt.Errorf("--%s must not be negative", n.flag))
		}
	}
	if c.KeepAuditFor != 0 && c.KeepAuditFor < minKeepAudit {
		errs = append(errs, fmt.Errorf("--keep-audit-for must be at least %s, or 0 for ever", minKeepAudit))
	}
	if c.MaxUploads < 1 {
		errs = append(errs, errors.New("--max-uploads must be at least 1"))
	}
	if c.UploadLife < time.Minute {
		errs = append(errs, errors.New("--upload-life must be at least 1m"))
	}
	errs = append(errs, c.Limits.check(), c.Backup.check(), c.checkResources(), c.Shares.check(), c.Site.Check())
	if err := checkReportURL(c.JobReportURL); err != nil {
		errs = append(errs, fmt.Errorf("--job-report-url: %w", err))
	}
	if !slices.Contains(accessLogs, c.AccessLog) {
		errs = append(errs, fmt.Errorf("--access-log: %q is not none, errors or all", c.AccessLog))
	}
	for flag, origins := range map[string][]string{"embed": c.EmbedOrigins, "cors": c.CORSOrigins} {
		for _, origin := range origins {
			if err := gateway.CheckOrigin(origin); err != nil {
				errs = append(errs, fmt.Errorf("--%s-origins: %w", flag, err))
			}
		}
	}
	errs = append(errs, c.checkContentOrigin(), c.checkSignIn(), c.checkTransport(), c.checkClusters())
	if !slices.Contains(sandboxes, c.Sandbox) {
		errs = append(errs, fmt.Errorf("--sandbox: %q is not off, auto or require", c.Sandbox))
	}
	if c.Sandbox == local.SandboxOff && len(c.SandboxBind) > 0 {
		errs = append(errs, errors.New("--sandbox-bind needs --sandbox auto or require"))
	}
	return errors.Join(errs...)
}

// quotas are the limits of job.Quotas that flags set.
func (c Config) quotas() job.Limits {
	return job.Limits{
		job.QuotaWorkspaceBytes: c.Quota, job.QuotaWorkspaceEntries: c.QuotaEntries, job.QuotaPathNames: int64(c.MaxDepth),
		job.QuotaUploads:    int64(c.MaxUploads),
		job.QuotaActiveJobs: int64(c.MaxActivePerOwner), job.QuotaKeptJobs: c.MaxKeptPerOwner, job.QuotaAuditPerDay: c.MaxAudited,
	}
}

// checkContentOrigin wants an origin that is not one of the pages'.
func (c Config) checkContentOrigin() error {
	if c.ContentOrigin == "" {
		return nil
	}
	if err := gateway.CheckOrigin(c.ContentOrigin); err != nil {
		return fmt.Errorf("--content-origin: %w", err)
	}
	u, err := url.Parse(c.ContentOrigin)
	if err != nil {
		return fmt.Errorf("--content-origin: %w", err)
	}
	others := slices.Concat(c.TrustedOrigins, c.EmbedOrigins, c.CORSOrigins)
	if slices.Contains(others, c.ContentOrigin) || slices.Contains(c.AllowedHosts, u.Hostname()) {
		return fmt.Errorf("--content-origin: %s is named by --allowed-hosts, --trusted-origins, --embed-origins or --cors-origins, too. Scripts of results run there: give it a host name of its own", c.ContentOrigin)
	}
	return nil
}

// sandboxes are the words for --sandbox.
var sandboxes = []string{local.SandboxOff, local.SandboxAuto, local.SandboxRequire}

// finalStates are the names that retention is set by.
var finalStates = map[string]jobsv1.State{
	"completed": jobsv1.State_STATE_COMPLETED,
	"failed":    jobsv1.State_STATE_FAILED,
	"cancelled": jobsv1.State_STATE_CANCELLED,
}

// retention is what the store keeps.
func (c Config) retention() store.Retention {
	r := store.Retention{}
	for name, state := range finalStates {
		k := store.Keep{For: c.KeepFor[name], AtMost: c.KeepAtMost[name]}
		if k != (store.Keep{}) {
			r[state] = k
		}
	}
	return r
}

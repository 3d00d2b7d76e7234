package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc/status"

	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler"
	"github.com/stint-jobs/stint/internal/store"
)

// newLogger writes to w as the configuration says.
func newLogger(w io.Writer, cfg Config) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		return nil, fmt.Errorf("--log-level: %q is not debug, info, warn or error", cfg.LogLevel)
	}
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: redactAttr}
	switch cfg.LogFormat {
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	default:
		return nil, fmt.Errorf("--log-format: %q is not text or json", cfg.LogFormat)
	}
}

// newRegistry has the figures of the process, the store and the executors.
func newRegistry(stint *stintCollector) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		stint,
	)
	return reg
}

// metricsHandler serves the registry to operators whose credential may be used for running the server.
func metricsHandler(reg *prometheus.Registry, authenticate func(*http.Request) (auth.Principal, error)) http.Handler {
	h := promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := authenticate(r)
		held, _ := errors.AsType[*job.UserError](err)
		switch {
		case held != nil:
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(held.RetryAfter.Seconds()))))
			http.Error(w, held.Message, http.StatusTooManyRequests)
		case err != nil:
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, status.Convert(err).Message(), http.StatusUnauthorized)
		case !p.Has(auth.RoleOperator):
			http.Error(w, "Only operators may read the metrics.", http.StatusForbidden)
		case !p.InScope(auth.ScopeAdmin):
			http.Error(w, "This credential is narrowed: the metrics need the scope admin.", http.StatusForbidden)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

var (
	jobsDesc     = prometheus.NewDesc("stint_jobs", "Jobs by state and service.", []string{"state", "service"}, nil)
	changesDesc  = prometheus.NewDesc("stint_store_changes_total", "Changes of jobs committed since the start.", nil, nil)
	commitsDesc  = prometheus.NewDesc("stint_store_commits_total", "Transactions committed since the start.", nil, nil)
	waitingDesc  = prometheus.NewDesc("stint_store_waiting_writes", "Writes that wait for the next commit.", nil, nil)
	fileDesc     = prometheus.NewDesc("stint_store_file_bytes", "Size of the database file.", nil, nil)
	doomedDesc   = prometheus.NewDesc("stint_doomed_folders", "Folders of deleted jobs that are still to be removed.", nil, nil)
	healthyDesc  = prometheus.NewDesc("stint_store_healthy", "1 while the store can save.", nil, nil)
	engineDesc   = prometheus.NewDesc("stint_executor_healthy", "1 while the executor answers.", []string{"executor"}, nil)
	activeDesc   = prometheus.NewDesc("stint_executor_active_jobs", "Jobs handed to the executor that have not ended.", []string{"executor"}, nil)
	usedCPUsDesc = prometheus.NewDesc("stint_executor_used_cpus", "Cores that active jobs asked for.", []string{"executor"}, nil)
	usedDesc     = prometheus.NewDesc("stint_executor_used", "What active jobs have of GPUs and of what the operator named.", []string{"executor", "resource"}, nil)
	totalDesc    = prometheus.NewDesc("stint_executor_total", "How much there is of it.", []string{"executor", "resource"}, nil)
	asideDesc    = prometheus.NewDesc("stint_quarantined_jobs", "Jobs that are not scheduled because their records cannot be read.", nil, nil)
	refusedDesc  = prometheus.NewDesc("stint_refused_total", "What was refused since the start because of a limit of its caller.", []string{"limit"}, nil)
	deniedDesc   = prometheus.NewDesc("stint_denied_total", "Calls and requests that were denied since the start, by the code of the error.", []string{"code"}, nil)
	backupAge    = prometheus.NewDesc("stint_backup_age_seconds", "Time since the newest good backup; absent while there is none.", nil, nil)
	backupBytes  = prometheus.NewDesc("stint_backup_bytes", "Size of the newest good backup; absent while there is none.", nil, nil)
	backupOK     = prometheus.NewDesc("stint_backup_ok", "1 while the last backup was made and found to be good; absent without --backup-dir.", nil, nil)
	connsDesc    = prometheus.NewDesc("stint_open_connections", "Connections that are open.", nil, nil)
)

// stintCollector reads the figures when they are asked for.
type stintCollector struct {
	store     *store.Store
	scheduler *scheduler.Scheduler
	limits    *limits
	calls     *callLog
	decisions prometheus.Histogram
	backups   *backups // nil where none are made
}

// newDecisions counts decisions of the scheduler by their processor time.
func newDecisions() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "stint_scheduler_decision_seconds", Help: "Processor time of each decision which job starts next.",
		Buckets: prometheus.ExponentialBuckets(1e-6, 4, 10), // to a quarter of a second
	})
}

// Describe sends the descriptions of all figures.
func (c *stintCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		jobsDesc, changesDesc, commitsDesc, waitingDesc, fileDesc, doomedDesc, healthyDesc, engineDesc, activeDesc, usedCPUsDesc, usedDesc, totalDesc, asideDesc, refusedDesc, deniedDesc, connsDesc,
		backupAge, backupBytes, backupOK,
	} {
		ch <- d
	}
	newDecisions().Describe(ch)
}

// Collect sends all figures as they are now.
func (c *stintCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for service, n := range c.store.Summarize(store.Everyone).GetServices() {
		for i, v := range []int64{n.GetQueued(), n.GetRunning(), n.GetCompleted(), n.GetFailed(), n.GetCancelled()} {
			gauge(jobsDesc, float64(v), job.StateWord(job.States[i]), service)
		}
	}
	s := c.store.Stats()
	ch <- prometheus.MustNewConstMetric(changesDesc, prometheus.CounterValue, float64(s.Changes))
	ch <- prometheus.MustNewConstMetric(commitsDesc, prometheus.CounterValue, float64(s.Commits))
	gauge(waitingDesc, float64(s.Waiting))
	gauge(fileDesc, float64(s.FileBytes))
	gauge(doomedDesc, float64(s.Doomed))
	gauge(healthyDesc, oneIf(c.store.Healthy() == nil))
	c.decisions.Collect(ch)
	gauge(asideDesc, float64(len(c.scheduler.Quarantined())))
	for kind, name := range refusalNames {
		ch <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(c.limits.refused[kind].Load()), name)
	}
	for i, name := range refusedNames {
		ch <- prometheus.MustNewConstMetric(deniedDesc, prometheus.CounterValue, float64(c.calls.denied[i].Load()), name)
	}
	gauge(connsDesc, float64(c.limits.connections.InAll()))
	if c.backups != nil {
		last := c.backups.state()
		gauge(backupOK, oneIf(last.ok))
		if !last.time.IsZero() {
			gauge(backupAge, time.Since(last.time).Seconds())
			gauge(backupBytes, float64(last.bytes))
		}
	}
	for _, e := range c.scheduler.Status() {
		gauge(engineDesc, oneIf(e.GetHealthy()), e.GetName())
		gauge(activeDesc, float64(e.GetActiveJobs()), e.GetName())
		gauge(usedCPUsDesc, float64(e.GetUsedCpus()), e.GetName())
		for _, r := range e.GetResources() {
			gauge(usedDesc, float64(r.GetUsed()), e.GetName(), r.GetName())
			gauge(totalDesc, float64(r.GetTotal()), e.GetName(), r.GetName())
		}
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

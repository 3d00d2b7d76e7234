package server

import (
	"fmt"
	"maps"
	"slices"

	"github.com/stint-jobs/stint/internal/executor/batch"
	"github.com/stint-jobs/stint/internal/executor/slurm"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

// slurmName is the executor that `--executor slurm` means without any section `clusters`.
const slurmName = "slurm"

// defaultClusterJobs bounds the jobs that a cluster is given at a time. One poll
// sees them all: 5,000 cost the controller some 0.1 s.
const defaultClusterJobs = 5000

// ClusterConfig is one Slurm cluster in the configuration file.
type ClusterConfig struct {
	// SlurmConf is the path of its slurm.conf. Empty means Slurm's own default.
	SlurmConf string `yaml:"slurm-conf"`
	// User that the jobs run as. Empty means the user of stintd.
	User string `yaml:"user"`
	// Remote is a command line that runs Slurm's commands elsewhere, such as [ssh, login1].
	Remote []string `yaml:"remote"`
	// Commands are the paths of sbatch, squeue, sacct, scancel and scontrol that are not in PATH.
	Commands map[string]string `yaml:"commands"`
	// MaxJobs bounds the jobs that the cluster is given at a time. Zero means 5,000.
	MaxJobs int `yaml:"max-jobs"`
	// Resources are what the cluster's jobs may have together besides what Slurm counts, by names of the operator.
	Resources map[string]int64 `yaml:"resources"`
	// SubmitsInFlight bounds how many sbatch run at a time. Zero means 8.
	SubmitsInFlight int `yaml:"submits-in-flight"`
	// ClusterOptions are for all services.
	ClusterOptions `yaml:",inline"`
	// Services have options of their own, by id; they win.
	Services map[string]ClusterOptions `yaml:"services"`
}

// ClusterOptions is what jobs ask of a cluster beyond their own resources.
type ClusterOptions struct {
	// Partition, Account and Constraint are for jobs that name none.
	Partition  string `yaml:"partition"`
	Account    string `yaml:"account"`
	Constraint string `yaml:"constraint"`
	// GPUs are for jobs that ask for none.
	GPUs int32 `yaml:"gpus"`
	// Extra are further options of sbatch, from the list that docs/slurm.md has.
	Extra []string `yaml:"extra"`
}

func (o ClusterOptions) slurm() slurm.Options {
	return slurm.Options{Partition: o.Partition, Account: o.Account, Constraint: o.Constraint, GPUs: o.GPUs, Extra: o.Extra}
}

// sections are the keys of the configuration file that no flag has.
func (c *Config) sections() map[string]any {
	return map[string]any{"clusters": &c.Clusters, "oidc": &c.OIDC, "shares": &c.Shares, sectionCertificates: &c.Certificates}
}

// withDefaultCluster has the cluster that `--executor slurm` asks for.
func (c Config) withDefaultCluster() map[string]ClusterConfig {
	all := maps.Clone(c.Clusters)
	if all == nil {
		all = make(map[string]ClusterConfig)
	}
	if _, ok := all[slurmName]; !ok && c.Executor == slurmName {
		all[slurmName] = ClusterConfig{SlurmConf: c.SlurmConf}
	}
	return all
}

// remote reports whether jobs of an executor run on other machines than this one.
// Empty is the executor of services that name none.
func (c Config) remote(executor string) bool {
	if executor == "" {
		executor = c.Executor
	}
	_, ok := c.withDefaultCluster()[executor]
	return ok
}

// openClusters makes the executors of all clusters. They ask nothing of Slurm before they run.
func (s *server) openClusters() (map[string]scheduler.Engine, error) {
	engines := make(map[string]scheduler.Engine)
	s.clusters = make(map[string]*batch.Cluster)
	all := s.cfg.withDefaultCluster()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if name == localExecutor || !job.ValidExecutor(name) {
			return nil, fmt.Errorf("clusters: %q cannot be the name of a cluster: %w", name, errUsage)
		}
		cfg := all[name]
		services := make(map[string]slurm.Options, len(cfg.Services))
		for id, o := range cfg.Services {
			services[id] = o.slurm()
		}
		c, err := slurm.New(slurm.Config{
			Name: name, Folders: s.folders, InstallID: s.store.Settings().GetInstallId(), User: cfg.User, SlurmConf: cfg.SlurmConf,
			Commands: cfg.Commands, Remote: cfg.Remote, Defaults: cfg.slurm(), Services: services,
			SubmitsInFlight: cfg.SubmitsInFlight, Logger: s.log,
		})
		if err != nil {
			return nil, fmt.Errorf("clusters: %s: %w", name, err)
		}
		jobs := cfg.MaxJobs
		if jobs == 0 {
			jobs = defaultClusterJobs
		}
		s.clusters[name] = c
		engines[name] = scheduler.Engine{Executor: c, Capacity: withNamed(scheduler.Capacity{policy.Slots: int64(jobs)}, cfg.Resources)}
	}
	return engines, nil
}

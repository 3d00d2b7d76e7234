package server

import (
	"fmt"
	"maps"
	"slices"

	"github.com/stint-jobs/stint/internal/allowlist"
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
	// Commands are the paths of sbatch, squeue, sacct, scancel, scontrol and sacctmgr that are not in PATH.
	Commands map[string]string `yaml:"commands"`
	// MaxJobs bounds the jobs that the cluster is given at a time. Zero means 5,000.
	MaxJobs int `yaml:"max-jobs"`
	// Resources are what the cluster's jobs may have together besides what Slurm counts, by names of the operator.
	Resources map[string]int64 `yaml:"resources"`
	// SubmitsInFlight bounds how many sbatch run at a time. Zero means 8.
	SubmitsInFlight int `yaml:"submits-in-flight"`
	// Accounts says which account is charged for jobs that name none: fixed, which is the default, per-owner or map.
	Accounts string `yaml:"accounts"`
	// AccountPrefix begins the accounts of owners, and AccountParent is what they are made below, for per-owner.
	AccountPrefix string `yaml:"account-prefix"`
	AccountParent string `yaml:"account-parent"`
	// AccountMap has the accounts by owner, for map.
	AccountMap map[string]string `yaml:"account-map"`
	// Allow are the rules by which users may name more than the defaults.
	Allow []AllowRule `yaml:"allow"`
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
	// QOS is the quality of service for jobs that name none.
	QOS string `yaml:"qos"`
	// GPUs are for jobs that ask for none.
	GPUs int32 `yaml:"gpus"`
	// Extra are further options of sbatch, from the list that docs/slurm.md has.
	Extra []string `yaml:"extra"`
}

func (o ClusterOptions) slurm() slurm.Options {
	return slurm.Options{Partition: o.Partition, Account: o.Account, Constraint: o.Constraint, QOS: o.QOS, GPUs: o.GPUs, Extra: o.Extra}
}

// services are the options of services in the words of package slurm.
func (c ClusterConfig) services() map[string]slurm.Options {
	all := make(map[string]slurm.Options, len(c.Services))
	for id, o := range c.Services {
		all[id] = o.slurm()
	}
	return all
}

func (c ClusterConfig) accounts() slurm.Accounts {
	return slurm.Accounts{Mode: slurm.AccountMode(c.Accounts), Prefix: c.AccountPrefix, Parent: c.AccountParent, Map: c.AccountMap}
}

// AllowRule lets users name something of a cluster.
type AllowRule struct {
	// Users by name; "*" is everybody. Groups are those of the issuer's claim.
	Users  []string `yaml:"users"`
	Groups []string `yaml:"groups"`
	// What they may name; "*" is anything.
	Accounts    []string `yaml:"accounts"`
	Partitions  []string `yaml:"partitions"`
	QOS         []string `yaml:"qos"`
	Constraints []string `yaml:"constraints"`
}

// groups are those that the rules of any cluster name.
func (c Config) groups() []string {
	var all []string
	for _, cluster := range c.Clusters {
		for _, r := range cluster.Allow {
			all = append(all, r.Groups...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// names makes the list of what jobs may name of a cluster.
func (c ClusterConfig) names(cluster slurm.Config) (*allowlist.List, error) {
	rules := make([]allowlist.Rule, 0, len(c.Allow))
	for _, r := range c.Allow {
		rules = append(rules, allowlist.Rule(r))
	}
	list, err := allowlist.New(cluster.Name, rules, func(owner, service string) (allowlist.Names, error) {
		o, err := cluster.DefaultsFor(owner, service)
		return allowlist.Names{Account: o.Account, Partition: o.Partition, QOS: o.Quality(), Constraint: o.Constraint}, err
	})
	if err != nil {
		return nil, fmt.Errorf("allow: %w", err)
	}
	return list, nil
}

// checkClusters finds what is wrong with the rules of clusters.
func (c Config) checkClusters() error {
	if groups := c.groups(); len(groups) > 0 && !c.OIDC.enabled() {
		return fmt.Errorf("clusters: allow: the groups of users, such as %q, are known with the section oidc alone", groups[0])
	}
	return nil
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
	s.clusters, s.names = make(map[string]*batch.Cluster), make(allowlist.Lists)
	all := s.cfg.withDefaultCluster()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if name == localExecutor || !job.ValidExecutor(name) {
			return nil, fmt.Errorf("clusters: %q cannot be the name of a cluster: %w", name, errUsage)
		}
		cfg := all[name]
		of := slurm.Config{
			Name: name, Folders: s.folders, InstallID: s.store.Settings().GetInstallId(), User: cfg.User, SlurmConf: cfg.SlurmConf,
			Commands: cfg.Commands, Remote: cfg.Remote, Defaults: cfg.slurm(), Services: cfg.services(),
			Accounts: cfg.accounts(), SubmitsInFlight: cfg.SubmitsInFlight, Logger: s.log,
		}
		c, err := slurm.New(of)
		if err != nil {
			return nil, fmt.Errorf("clusters: %s: %w", name, err)
		}
		if s.names[name], err = cfg.names(of); err != nil {
			return nil, fmt.Errorf("clusters: %s: %w: %w", name, err, errUsage)
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

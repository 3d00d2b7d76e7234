package server

import (
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/executor/local"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/mount"
)

// newDoctor returns the doctor of a server that is open.
func (s *server) newDoctor() *doctor {
	clusters := make(map[string]prober, len(s.clusters))
	for name, c := range s.clusters {
		clusters[name] = c
	}
	return &doctor{
		folders: s.cfg.folders(), floor: s.cfg.MinFreeSpace, find: mount.Find, clusters: clusters, every: s.cfg.Backup.Every,
		statfs: func(path string) (st unix.Statfs_t, err error) { err = unix.Statfs(path, &st); return st, err },
		shim:   func() error { return local.CheckShim(s.shim(), s.cfg.Version) },
		backups: func() (backupState, bool) {
			if s.backups == nil {
				return backupState{}, false
			}
			return s.backups.state(), true
		},
		damaged: s.damaged, healthy: s.store.Healthy, orphans: s.scheduler.Orphans, now: time.Now,
	}
}

// damaged returns the jobs that were put aside, by the store when it was opened or by the scheduler since.
func (s *server) damaged() []job.ID {
	ids := slices.AppendSeq(s.scheduler.Quarantined(), maps.Keys(maps.Collect(s.store.Damaged())))
	slices.Sort(ids)
	return slices.Compact(ids)
}

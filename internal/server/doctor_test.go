package server

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	"github.com/stint-jobs/stint/internal/executor/batch"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/mount"
)

// fakeCluster answers what it is told to.
type fakeCluster struct {
	answer batch.Controller
	err    error
}

func (f *fakeCluster) Controller(context.Context) (batch.Controller, error) { return f.answer, f.err }

// wellDoctor is one on a server that lacks nothing, with a cluster.
func wellDoctor() (*doctor, *fakeCluster) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	cluster := &fakeCluster{answer: batch.Controller{Version: "24.11", Boot: now.Add(-time.Hour), ClockKnown: true}}
	return &doctor{
		folders: folders{state: "state", data: "data"}, floor: 1 << 30, every: time.Hour,
		find: func(path string) (mount.Mount, error) {
			return mount.Mount{Type: map[string]string{"state": "ext4", "data": "nfs4"}[path], Network: path == "data"}, nil
		},
		statfs: func(string) (unix.Statfs_t, error) {
			return unix.Statfs_t{Bavail: 10 << 20, Bsize: 4096, Files: 1 << 20, Ffree: 1 << 19}, nil
		},
		shim:     func() error { return nil },
		clusters: map[string]prober{"big": cluster},
		backups:  func() (backupState, bool) { return backupState{time: now.Add(-time.Minute), bytes: 1, ok: true}, true },
		damaged:  func() []job.ID { return nil },
		healthy:  func() error { return nil },
		orphans:  func(context.Context) ([]*adminv1.Orphan, []string) { return nil, nil },
		now:      func() time.Time { return now },
	}, cluster
}

// worst are the checks that are not good, as name/subject.
func worst(checks []*adminv1.Check) map[string]adminv1.CheckStatus {
	bad := make(map[string]adminv1.CheckStatus)
	for _, c := range checks {
		if c.GetStatus() != adminv1.CheckStatus_CHECK_STATUS_OK {
			bad[strings.TrimSuffix(c.GetName()+"/"+c.GetSubject(), "/")] = c.GetStatus()
		}
	}
	return bad
}

func TestDoctorNamesEachMatter(t *testing.T) {
	const warn, fail = adminv1.CheckStatus_CHECK_STATUS_WARNING, adminv1.CheckStatus_CHECK_STATUS_FAILING
	disk := func(path string, st unix.Statfs_t, err error) func(*doctor, *fakeCluster) {
		return func(d *doctor, _ *fakeCluster) {
			well := d.statfs
			d.statfs = func(p string) (unix.Statfs_t, error) {
				if p == path {
					return st, err
				}
				return well(p)
			}
		}
	}
	backup := func(s func(now time.Time) (backupState, bool)) func(*doctor, *fakeCluster) {
		return func(d *doctor, _ *fakeCluster) { d.backups = func() (backupState, bool) { return s(d.now()) } }
	}
	kind := func(path string, m mount.Mount, err error) func(*doctor, *fakeCluster) {
		return func(d *doctor, _ *fakeCluster) {
			well := d.find
			d.find = func(p string) (mount.Mount, error) {
				if p == path {
					return m, err
				}
				return well(p)
			}
		}
	}
	tests := []struct {
		name, check string
		status      adminv1.CheckStatus
		words       string
		damage      func(*doctor, *fakeCluster)
	}{
		{"clock far ahead", "clock/big", fail, "1m30s", func(_ *doctor, c *fakeCluster) { c.answer.Ahead = 90 * time.Second }},
		{"clock behind", "clock/big", warn, "8s", func(_ *doctor, c *fakeCluster) { c.answer.Ahead = -8 * time.Second }},
		{"no clock", "clock/big", warn, "does not tell", func(_ *doctor, c *fakeCluster) { c.answer.ClockKnown = false }},
		{"no controller", "controller/big", fail, "timed out", func(_ *doctor, c *fakeCluster) { c.err = errors.New("timed out") }},
		{"restarted controller", "controller/big", warn, "a short while ago", func(d *doctor, c *fakeCluster) { c.answer.Boot = d.now().Add(-time.Minute) }},
		{"silent controller", "controller/big", warn, "does not say", func(_ *doctor, c *fakeCluster) { c.answer.Boot = time.Time{} }},
		{"state on NFS", "state-folder", fail, "nfs4", kind("state", mount.Mount{Type: "nfs4", Network: true}, nil)},
		{"state gone", "state-folder", fail, "cannot be found", kind("state", mount.Mount{}, fs.ErrNotExist)},
		{"data not shared", "data-folder", warn, "xfs", kind("data", mount.Mount{Type: "xfs"}, nil)},
		{"data gone", "data-folder", fail, "cannot be found", kind("data", mount.Mount{}, fs.ErrNotExist)},
		{"state full", "disk/state", fail, "4096 bytes are free", disk("state", unix.Statfs_t{Bavail: 1, Bsize: 4096}, nil)},
		{"data full", "disk/data", fail, "4096 bytes are free", disk("data", unix.Statfs_t{Bavail: 1, Bsize: 4096}, nil)},
		{"data nearly full", "disk/data", warn, "--min-free-space", disk("data", unix.Statfs_t{Bavail: 300_000, Bsize: 4096}, nil)},
		{"no inodes", "disk/data", fail, "inodes", disk("data", unix.Statfs_t{Bavail: 1 << 30, Bsize: 4096, Files: 1 << 20, Ffree: 3}, nil)},
		{"few inodes", "disk/state", warn, "inodes", disk("state", unix.Statfs_t{Bavail: 1 << 30, Bsize: 4096, Files: 1 << 20, Ffree: 3000}, nil)},
		{"disk not seen", "disk/data", fail, "cannot be seen", disk("data", unix.Statfs_t{}, unix.EIO)},
		{"no shim", "shim", warn, "no program stintd-shim", func(d *doctor, _ *fakeCluster) { d.shim = func() error { return fs.ErrNotExist } }},
		{"other shim", "shim", warn, "another build", func(d *doctor, _ *fakeCluster) { d.shim = func() error { return errors.New("of the version 1") } }},
		{"no backups", "backup", warn, "No backups are configured", backup(func(time.Time) (backupState, bool) { return backupState{}, false })},
		{"no backup yet", "backup", warn, "No backup was made yet", backup(func(time.Time) (backupState, bool) { return backupState{ok: true}, true })},
		{"failed backup", "backup", fail, "failed", backup(func(now time.Time) (backupState, bool) { return backupState{time: now}, true })},
		{"old backup", "backup", fail, "3h0m0s old", backup(func(now time.Time) (backupState, bool) {
			return backupState{time: now.Add(-3 * time.Hour), ok: true}, true
		})},
		{"damaged jobs", "damaged-jobs", fail, "2 jobs are put aside, because their records cannot be read: 3, 9.", func(d *doctor, _ *fakeCluster) {
			d.damaged = func() []job.ID { return []job.ID{3, 9} }
		}},
		{"full database", "store", fail, "full", func(d *doctor, _ *fakeCluster) { d.healthy = func() error { return job.ErrNoSpace } }},
		{"broken database", "store", fail, "cannot be written", func(d *doctor, _ *fakeCluster) { d.healthy = func() error { return job.ErrStorage } }},
		{"orphans", "orphans", warn, "big/7", func(d *doctor, _ *fakeCluster) {
			d.orphans = func(context.Context) ([]*adminv1.Orphan, []string) {
				return []*adminv1.Orphan{{Executor: "big", EngineId: "7"}}, nil
			}
		}},
		{"executor away", "orphans", warn, "could not be asked: big", func(d *doctor, _ *fakeCluster) {
			d.orphans = func(context.Context) ([]*adminv1.Orphan, []string) { return nil, []string{"big"} }
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, c := wellDoctor()
			tt.damage(d, c)
			checks := d.diagnose(t.Context())
			if bad := worst(checks); len(bad) != 1 || bad[tt.check] != tt.status {
				t.Errorf("not good are %v, want %s %v", bad, tt.check, tt.status)
			}
			for _, c := range checks {
				if c.GetStatus() == adminv1.CheckStatus_CHECK_STATUS_OK {
					continue
				}
				if !strings.Contains(c.GetMessage(), tt.words) || c.GetAction() == "" {
					t.Errorf("message %q, action %q", c.GetMessage(), c.GetAction())
				}
			}
		})
	}
}

func TestDoctorFindsAGoodServerGood(t *testing.T) {
	d, _ := wellDoctor()
	checks := d.diagnose(t.Context())
	if bad := worst(checks); len(bad) > 0 || len(checks) != 11 {
		t.Errorf("%d checks, not good are %v", len(checks), bad)
	}
}

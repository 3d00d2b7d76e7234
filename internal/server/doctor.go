package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	"github.com/stint-jobs/stint/internal/executor/batch"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/mount"
)

const (
	// doctorPatience bounds how long the checks ask others.
	doctorPatience = 15 * time.Second
	// clockWarning and clockFailing are differences between two clocks. A watch and the accounting of Slurm are read by time.
	clockWarning = 5 * time.Second
	clockFailing = time.Minute
	// settled is how long after its start a controller may still have forgotten jobs that it took before.
	settled = 10 * time.Minute
	// inodesFailing and inodesWarning are inodes that are free. A job needs some ten.
	inodesFailing = 1000
	inodesWarning = 10_000
	// listed is how many jobs or orphans a message names.
	listed = 10
)

// prober is a cluster that can be asked about itself.
type prober interface {
	Controller(ctx context.Context) (batch.Controller, error)
}

// doctor checks the server and what it depends on.
type doctor struct {
	folders  folders
	floor    int64 // bytes that must stay free
	find     func(path string) (mount.Mount, error)
	statfs   func(path string) (unix.Statfs_t, error)
	shim     func() error // nil while the small shim can be used
	clusters map[string]prober
	backups  func() (backupState, bool) // false where none are configured
	every    time.Duration              // between two backups
	damaged  func() []job.ID
	healthy  func() error
	orphans  func(ctx context.Context) ([]*adminv1.Orphan, []string)
	now      func() time.Time
}

// check is one result under construction.
func check(name, subject string, status adminv1.CheckStatus, message, action string) *adminv1.Check {
	return &adminv1.Check{Name: name, Subject: subject, Status: status, Message: message, Action: action}
}

func good(name, subject, message string) *adminv1.Check {
	return check(name, subject, adminv1.CheckStatus_CHECK_STATUS_OK, message, "")
}

func warning(name, subject, message, action string) *adminv1.Check {
	return check(name, subject, adminv1.CheckStatus_CHECK_STATUS_WARNING, message, action)
}

func failing(name, subject, message, action string) *adminv1.Check {
	return check(name, subject, adminv1.CheckStatus_CHECK_STATUS_FAILING, message, action)
}

// diagnose makes all checks.
func (d *doctor) diagnose(ctx context.Context) []*adminv1.Check {
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	all := []*adminv1.Check{d.checkStore(), d.checkDamaged(), d.checkBackup()}
	all = append(all, d.checkFolders()...)
	all = append(all, d.checkDisk("state", d.folders.state), d.checkDisk("data", d.folders.data), d.checkShim())
	for _, name := range slices.Sorted(maps.Keys(d.clusters)) {
		all = append(all, d.checkCluster(ctx, name)...)
	}
	return append(all, d.checkOrphans(ctx))
}

func (d *doctor) checkStore() *adminv1.Check {
	err := d.healthy()
	switch {
	case err == nil:
		return good("store", "", "The database takes changes.")
	case errors.Is(err, job.ErrNoSpace):
		return failing("store", "", "The disk of the database is full; nothing new is taken.", "Make room on the file system of the state folder. The server then goes on by itself.")
	default:
		return failing("store", "", "The database cannot be written.", "Look at the server's log and at the disk, and see that a supervisor starts the server again.")
	}
}

func (d *doctor) checkDamaged() *adminv1.Check {
	ids := d.damaged()
	if len(ids) == 0 {
		return good("damaged-jobs", "", "All records of jobs can be read.")
	}
	return failing("damaged-jobs", "", fmt.Sprintf("%d jobs are put aside, because their records cannot be read: %s.", len(ids), some(ids)),
		"Run stintd check on a backup, and delete the jobs or restore the backup.")
}

// some names the first ones of a list.
func some[T fmt.Stringer](list []T) string {
	var names []string
	for _, x := range list[:min(listed, len(list))] {
		names = append(names, x.String())
	}
	if len(list) > listed {
		names = append(names, "...")
	}
	return strings.Join(names, ", ")
}

func (d *doctor) checkBackup() *adminv1.Check {
	last, configured := d.backups()
	const look = "The server's log says why. Look at the folder of --backup-dir and at its disk."
	age := d.now().Sub(last.time).Round(time.Minute)
	switch {
	case !configured:
		return warning("backup", "", "No backups are configured.", "Give --backup-dir a folder on another disk.")
	case !last.ok:
		return failing("backup", "", "The last backup failed.", look)
	case last.time.IsZero():
		return warning("backup", "", "No backup was made yet.", "Wait for the first one, and look again.")
	case age > 2*d.every:
		return failing("backup", "", fmt.Sprintf("The newest good backup is %s old, and one is due every %s.", age, d.every), look)
	default:
		return good("backup", "", fmt.Sprintf("The newest good backup is %s old and has %d bytes.", age, last.bytes))
	}
}

// checkFolders checks that the state is on a local disk, and the data where clusters see it.
func (d *doctor) checkFolders() []*adminv1.Check {
	var all []*adminv1.Check
	state, err := d.find(d.folders.state)
	switch {
	case err != nil:
		all = append(all, failing("state-folder", "", "The file system of the state folder cannot be found.", "Look whether the folder is there."))
	case state.Network:
		all = append(all, failing("state-folder", "", fmt.Sprintf("The state folder is on a network file system (%s), where locks and syncs cannot be relied on.", state.Type), "Stop the server and move it to a local disk, see --state."))
	default:
		all = append(all, good("state-folder", "", fmt.Sprintf("The state folder is on a local file system (%s).", state.Type)))
	}
	data, err := d.find(d.folders.data)
	switch {
	case err != nil:
		return append(all, failing("data-folder", "", "The file system of the data folder cannot be found.", "Look whether the folder is there."))
	case len(d.clusters) > 0 && !data.Network:
		return append(all, warning("data-folder", "", fmt.Sprintf("There are clusters, and the data folder is on a local file system (%s).", data.Type),
			"See that all nodes have the folder under the same path, for example exported by NFS; otherwise put --data on a shared file system."))
	default:
		return append(all, good("data-folder", "", fmt.Sprintf("The data folder is on a file system of the type %s.", data.Type)))
	}
}

// checkDisk checks the room on the file system of a folder.
func (d *doctor) checkDisk(subject, path string) *adminv1.Check {
	st, err := d.statfs(path)
	if err != nil {
		return failing("disk", subject, "How much room the file system has cannot be seen.", "Look whether the folder is there.")
	}
	free := int64(st.Bavail) * st.Bsize //nolint:gosec // a disk has fewer than 2^63 bytes
	room := fmt.Sprintf("%d bytes are free, and --min-free-space keeps %d.", free, d.floor)
	const makeRoom = "Delete old jobs and files, or give the file system more room."
	switch {
	case free < d.floor:
		return failing("disk", subject, room, makeRoom)
	case st.Files > 0 && st.Ffree < inodesFailing:
		return failing("disk", subject, fmt.Sprintf("Only %d inodes are free, so that no files can be made soon.", st.Ffree), makeRoom)
	case free < 2*d.floor:
		return warning("disk", subject, room, makeRoom)
	case st.Files > 0 && st.Ffree < inodesWarning:
		return warning("disk", subject, fmt.Sprintf("Only %d inodes are free.", st.Ffree), makeRoom)
	default:
		return good("disk", subject, room)
	}
}

func (d *doctor) checkShim() *adminv1.Check {
	err := d.shim()
	const install = "Install stintd-shim of the same version beside stintd, and restart the server."
	switch {
	case err == nil:
		return good("shim", "", "The program stintd-shim is of the server's build.")
	case errors.Is(err, fs.ErrNotExist):
		return warning("shim", "", "There is no program stintd-shim beside stintd, so that jobs start slower than they could.", install)
	default:
		return warning("shim", "", "The program stintd-shim cannot be used, or is of another build than the server.", install)
	}
}

// checkCluster checks the controller of a cluster, and its clock.
func (d *doctor) checkCluster(ctx context.Context, name string) []*adminv1.Check {
	p, err := d.clusters[name].Controller(ctx)
	if err != nil {
		return []*adminv1.Check{failing("controller", name, "Slurm cannot be asked: "+err.Error()+".", "See that slurmctld runs and that this machine reaches it; scontrol ping tells.")}
	}
	return []*adminv1.Check{d.checkController(name, p), d.checkClock(name, p)}
}

func (d *doctor) checkController(name string, p batch.Controller) *adminv1.Check {
	began := p.Boot.UTC().Format(time.RFC3339)
	switch age := d.now().Add(p.Ahead).Sub(p.Boot); {
	case p.Boot.IsZero():
		return warning("controller", name, fmt.Sprintf("Slurm %s answers, and does not say when its controller started.", p.Version), "See that Slurm is a version that docs/slurm.md names.")
	case age < settled:
		return warning("controller", name, fmt.Sprintf("The controller started at %s, a short while ago.", began), "Jobs that it took just before may be forgotten and are submitted again; look whether it was restarted on purpose.")
	default:
		return good("controller", name, fmt.Sprintf("Slurm %s answers, and its controller started at %s.", p.Version, began))
	}
}

func (d *doctor) checkClock(name string, p batch.Controller) *adminv1.Check {
	words := fmt.Sprintf("The clock of the controller differs from this machine's by %s.", p.Ahead.Abs())
	const synchronize = "Synchronize both, for example with chrony."
	switch {
	case !p.ClockKnown:
		return warning("clock", name, "The controller does not tell its time.", "Compare the clocks by hand.")
	case p.Ahead.Abs() >= clockFailing:
		return failing("clock", name, words, synchronize)
	case p.Ahead.Abs() >= clockWarning:
		return warning("clock", name, words, synchronize)
	default:
		return good("clock", name, "The clock of the controller is that of this machine, to some seconds.")
	}
}

func (d *doctor) checkOrphans(ctx context.Context) *adminv1.Check {
	orphans, unreachable := d.orphans(ctx)
	switch {
	case len(orphans) > 0:
		var names []string
		for _, o := range orphans[:min(listed, len(orphans))] {
			names = append(names, o.GetExecutor()+"/"+o.GetEngineId())
		}
		return warning("orphans", "", fmt.Sprintf("%d jobs on the engines are not known here: %s.", len(orphans), strings.Join(names, ", ")), "See stint admin orphans, and end those that nobody needs.")
	case len(unreachable) > 0:
		return warning("orphans", "", "These executors could not be asked: "+strings.Join(unreachable, ", ")+".", "Look at their own checks.")
	default:
		return good("orphans", "", "All jobs on the engines are known here.")
	}
}

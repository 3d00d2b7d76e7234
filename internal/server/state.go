package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/mount"
)

const (
	databaseName = "jobs.db"
	lockName     = "lock"
	// lockPatience is how long a lock is waited for: a tool holds it for a moment.
	lockPatience = time.Second
)

// folders are the two folders of an installation.
type folders struct {
	state string // the database, its lock and the operator's sockets
	data  string // jobs and workspaces
}

func (c Config) folders() folders { return foldersOf(c.State, c.Data) }

// foldersOf returns the folders that the flags --state and --data name.
func foldersOf(state, data string) folders {
	if state == "" {
		state = filepath.Join(data, "state")
	}
	return folders{state: state, data: data}
}

func (f folders) database() string { return filepath.Join(f.state, databaseName) }

// check refuses folders that no server may use.
func (f folders) check(onNetwork bool) error {
	if err := f.checkEdition(); err != nil {
		return err
	}
	if onNetwork {
		return nil
	}
	m, err := mount.Find(f.state)
	if err != nil {
		return err
	}
	if m.Network {
		return networkState(f.state, m)
	}
	return nil
}

func networkState(path string, m mount.Mount) error {
	where := "mounted on " + m.Point
	if m.Point == "" {
		where = "whose mount point is not known"
	}
	return refused(fmt.Errorf("the state folder %s is on a network file system (%s, %s), where the locks and syncs of a database cannot be relied on. "+
		"Give --state a folder on a local disk, for example --state /var/lib/stint/state; --data may stay where it is. "+
		"--state-on-network-fs starts the server all the same", path, m.Type, where))
}

// checkEdition refuses a folder of the first edition, which kept the database directly in the data folder.
func (f folders) checkEdition() error {
	old := filepath.Join(f.data, databaseName)
	if filepath.Clean(f.state) == filepath.Clean(f.data) {
		return nil // then it is the database itself that tells
	}
	if _, err := os.Stat(old); err == nil {
		return firstEdition(old)
	}
	return nil
}

func firstEdition(path string) error {
	return refused(fmt.Errorf("%s is the database of the first edition of Stint, which this one does not read. "+
		"Move it away, with the files %s-wal0 and -wal1 if they are there, and start with an empty state folder: "+
		"workspaces and the folders of jobs stay, the list of jobs begins anew", path, databaseName))
}

// lockFolder takes the lock of a folder, which is that of a file in it. The caller closes it.
func lockFolder(ctx context.Context, dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the folder %s: %w", dir, err)
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	for again := time.NewTicker(lockPatience / 50); ; {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			again.Stop()
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			again.Stop()
			return nil, errors.Join(fmt.Errorf("lock the folder %s: %w", dir, err), f.Close())
		}
		select {
		case <-ctx.Done():
			again.Stop()
			return nil, errors.Join(locked(fmt.Errorf("another stintd uses the folder %s; stop it first", dir)), f.Close())
		case <-again.C:
		}
	}
}

// noLocks reports whether an error means that the file system has no locks.
func noLocks(err error) bool {
	return errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS)
}

// lock takes the locks of both folders. Where the data folder's file system has none it does without that one.
func (f folders) lock(ctx context.Context) (unlock func() error, err error) {
	state, err := lockFolder(ctx, f.state)
	if err != nil {
		return nil, err
	}
	if sameFolder(f.state, f.data) {
		return state.Close, nil
	}
	data, err := lockFolder(ctx, f.data)
	if noLocks(err) {
		return state.Close, nil
	}
	if err != nil {
		return nil, errors.Join(err, state.Close())
	}
	return func() error { return errors.Join(data.Close(), state.Close()) }, nil
}

func sameFolder(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// lockedTool runs what changes the database of a server that does not run, with the state folder's lock.
func (f folders) lockedTool(ctx context.Context, do func() error) error {
	lock, err := lockFolder(ctx, f.state)
	if err != nil {
		return err
	}
	return errors.Join(do(), lock.Close())
}

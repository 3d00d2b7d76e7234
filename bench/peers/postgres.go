package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/stint-jobs/stint/bench/rig"
)

// startPostgres makes a database that syncs each commit, as PostgreSQL does by default, and serves it on a socket alone.
func startPostgres(ctx context.Context, l *lab) (*rig.Process, error) {
	initdb, err := postgresProgram("initdb")
	if err != nil {
		return nil, err
	}
	dir, err := l.folder("postgres")
	if err != nil {
		return nil, err
	}
	as, err := postgresUser(dir, l.dir)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, initdb, "--pgdata", dir, "--username", "bench", "--auth", "trust", "--no-locale", "--encoding", "UTF8") //nolint:gosec // Debian's
	cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: as}
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	return l.start(ctx, "postgres", rig.Command{
		Program: filepath.Join(filepath.Dir(initdb), "postgres"),
		Args: []string{
			"-D", dir, "-c", "listen_addresses=", "-c", "unix_socket_directories=" + l.dir,
			"-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "max_connections=100",
		},
		Ready: "database system is ready to accept connections", Merge: true,
		User: as, Stop: syscall.SIGINT, // SIGTERM waits for clients
	})
}

// postgresProgram finds one of the programs that Debian keeps out of the way.
func postgresProgram(name string) (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil || len(found) == 0 {
		return "", errors.Join(err, errors.New("PostgreSQL is not there; `tools/setup-debian.sh peers` installs it"))
	}
	return found[len(found)-1], nil
}

// postgresUser gives the folders to the user that PostgreSQL runs as, for it refuses to run as root.
func postgresUser(folders ...string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(errUID, errGID); err != nil {
		return nil, err
	}
	for _, folder := range folders {
		if err := os.Chown(folder, int(uid), int(gid)); err != nil {
			return nil, err
		}
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

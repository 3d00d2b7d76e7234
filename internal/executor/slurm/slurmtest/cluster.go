// Package slurmtest brings up a real, private, throw-away Slurm cluster for a
// test, and breaks it on demand: what happens to it is what happens to real ones.
package slurmtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Cluster is a throw-away cluster. Its daemons end with the test.
type Cluster struct {
	// Dir has everything of it: configuration, state, logs.
	Dir string
	// Conf is its slurm.conf.
	Conf string

	t  testing.TB
	up *[]string // the flags it is up with; nil while it is not
}

// New makes a cluster that is not up yet. Where Slurm is not installed the
// test is skipped, or fails if STINT_TEST_REQUIRE lists slurm.
func New(tb testing.TB) *Cluster {
	tb.Helper()
	if missing := missing(); missing != "" {
		if slices.Contains(strings.Split(os.Getenv("STINT_TEST_REQUIRE"), ","), "slurm") {
			tb.Fatalf("Slurm is required, and %s is missing: tools/setup-debian.sh slurm brings it", missing)
		}
		tb.Skipf("%s is missing: tools/setup-debian.sh slurm brings it", missing)
	}
	// The path of a socket may have 108 bytes, which rules out T.TempDir.
	dir, err := os.MkdirTemp("/tmp", "stint-slurm-") //nolint:usetesting // too long a path
	if err != nil {
		tb.Fatal(err)
	}
	c := &Cluster{Dir: dir, Conf: filepath.Join(dir, "etc", "slurm.conf"), t: tb, up: new([]string)}
	tb.Cleanup(func() { c.tool("down.sh", "-k", "-d", dir) })
	return c
}

// For is the same cluster in another test, a part of the first.
func (c *Cluster) For(tb testing.TB) *Cluster {
	tb.Helper()
	other := *c
	other.t = tb
	return &other
}

// NodePrefix is a name for nodes that no other cluster on this machine has: cgroups are named after it.
func (c *Cluster) NodePrefix() string { return NodePrefixOf(c.Dir) }

// NodePrefixOf is NodePrefix for the cluster in dir.
func NodePrefixOf(dir string) string {
	return "n" + strings.TrimPrefix(filepath.Base(dir), "stint-slurm-") + "x"
}

// CanLimitMemory says whether Slurm can enforce memory here: as root, with cgroups of version 1.
func (c *Cluster) CanLimitMemory() bool {
	if os.Geteuid() != 0 {
		return false
	}
	for _, controller := range []string{"memory", "freezer", "cpuacct"} {
		probe := filepath.Join("/sys/fs/cgroup", controller, filepath.Base(c.Dir))
		if err := os.Mkdir(probe, 0o755); err != nil {
			return false
		}
		if err := os.Remove(probe); err != nil {
			return false
		}
	}
	return true
}

// missing is a program of a cluster that is not there, or "".
func missing() string {
	for _, name := range []string{"sbatch", "slurmctld", "slurmd", "munged", "slurmdbd", "mariadbd"} {
		found := false
		for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
			info, err := os.Stat(filepath.Join(dir, name))
			found = found || err == nil && info.Mode().IsRegular()
		}
		if !found {
			return name
		}
	}
	return ""
}

// Up brings the cluster up with the flags of tools/slurm/up.sh, or starts what is missing of it. With
// other flags than before it is taken down first, and begins without jobs; its accounts stay.
func (c *Cluster) Up(flags ...string) {
	c.t.Helper()
	if *c.up != nil && !slices.Equal(flags, *c.up) {
		c.Down()
		for _, what := range []string{"state", "spool"} { // of the controller, of the nodes
			if err := os.RemoveAll(filepath.Join(c.Dir, what)); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	c.tool("up.sh", append(slices.Clone(flags), "-I", c.Dir)...)
	*c.up = slices.Clone(flags)
}

// Again starts what is missing of the cluster, as it was up before.
func (c *Cluster) Again() {
	c.t.Helper()
	c.Up(*c.up...)
}

// Down takes the cluster down at once, whatever it is doing.
func (c *Cluster) Down() {
	c.t.Helper()
	c.tool("down.sh", "-k", c.Dir)
	*c.up = nil
}

// tool runs a script of tools/slurm.
func (c *Cluster) tool(name string, args ...string) {
	c.t.Helper()
	_, here, _, _ := runtime.Caller(0)
	path := filepath.Join(filepath.Dir(here), "..", "..", "..", "..", "tools", "slurm", name)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, path, args...).CombinedOutput(); err != nil { //nolint:gosec // a script of this repository
		c.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// Try runs a command of Slurm on the cluster and answers what it wrote.
func (c *Cluster) Try(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "SLURM_CONF=" + c.Conf, "TZ=UTC", "LANG=C"}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Run is Try for commands that must succeed.
func (c *Cluster) Run(name string, args ...string) string {
	c.t.Helper()
	out, err := c.Try(name, args...)
	if err != nil {
		c.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// Signal sends a signal to a daemon: slurmctld, slurmdbd, mariadbd, or slurmd.NODE.
func (c *Cluster) Signal(daemon string, s syscall.Signal) {
	c.t.Helper()
	if err := syscall.Kill(c.pid(daemon), s); err != nil {
		c.t.Fatalf("signal %v to %s: %v", s, daemon, err)
	}
}

// Kill ends a daemon at once, as a loss of power does, and waits until it is gone. Up starts it again.
func (c *Cluster) Kill(daemon string) {
	c.t.Helper()
	c.end(daemon, syscall.SIGKILL)
}

// Stop ends a daemon in order, and waits until it is gone. Up starts it again.
func (c *Cluster) Stop(daemon string) {
	c.t.Helper()
	c.end(daemon, syscall.SIGTERM)
}

func (c *Cluster) end(daemon string, s syscall.Signal) {
	c.t.Helper()
	pid := c.pid(daemon)
	c.Signal(daemon, s)
	c.Until("the end of "+daemon, func() bool { return gone(pid) })
}

// gone says that a process has ended. It need not be a child of ours, so there is no waiting for it.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
}

func (c *Cluster) pid(daemon string) int {
	c.t.Helper()
	data, err := os.ReadFile(filepath.Join(c.Dir, "run", daemon+".pid"))
	if err != nil {
		c.t.Fatal(err)
	}
	number, _, _ := strings.Cut(string(data), " ")
	pid, err := strconv.Atoi(number)
	if err != nil || pid < 2 {
		c.t.Fatalf("the pid of %s is %q", daemon, data)
	}
	return pid
}

// Until asks again and again until ask says yes. A foreign daemon gives no signal to wait for.
func (c *Cluster) Until(what string, ask func() bool) {
	c.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(2 * time.Minute)
	defer deadline.Stop()
	for !ask() {
		select {
		case <-tick.C:
		case <-deadline.C:
			c.t.Fatalf("waiting for %s took too long", what)
		}
	}
}

// Administer puts nodes back into service that Slurm takes out of it, until ctx
// ends: a controller that was killed gives ids out again and then complains of them ("Duplicate jobid").
func (c *Cluster) Administer(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		out, err := c.Try("sinfo", "-h", "-N", "-o", "%N %T")
		if err != nil {
			continue // the controller is down, which is somebody else's part
		}
		for line := range strings.Lines(out) {
			if node, state, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(state, "drain") {
				_, _ = c.Try("scontrol", "update", "NodeName="+node, "State=RESUME")
			}
		}
	}
}

// CutNode takes a node off the network, or puts it back. The cluster must be up with -N.
func (c *Cluster) CutNode(number int, cut bool) {
	c.t.Helper()
	state := "up"
	if cut {
		state = "down"
	}
	c.Run("ip", "-n", fmt.Sprintf("%s.%d", c.name(), number), "link", "set", "eth0", state)
}

// name is the cluster's.
func (c *Cluster) name() string {
	c.t.Helper()
	conf, err := os.ReadFile(c.Conf)
	if err != nil {
		c.t.Fatal(err)
	}
	for line := range strings.Lines(string(conf)) {
		if name, ok := strings.CutPrefix(line, "ClusterName="); ok {
			return strings.TrimSpace(name)
		}
	}
	c.t.Fatal("the cluster has no name")
	return ""
}

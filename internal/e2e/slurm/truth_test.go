package slurm_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/slurm"
	"github.com/stint-jobs/stint/internal/executor/slurm/slurmtest"
)

// remotes stand for ssh to a login node with ways of its own. Each is a script whose first argument
// is the command line; N is how often it was called before.
var remotes = map[string]string{
	"prints lines":         `echo "*** Welcome ***"; echo 42; echo "sbatch: error: x" >&2; sh -c "$1"; code=$?; echo Bye; exit $code`,
	"prints half a line":   `printf 101; exec sh -c "$1"`,
	"traces":               `exec sh -xv -c "$1"`,
	"forgets exit codes":   `sh -c "$1"; exit 255`,
	"loses a line":         `if [ $((N % 3)) = 0 ]; then sh -c "$1" | sed 2d; else exec sh -c "$1"; fi`,
	"loses the last line":  `if [ $((N % 3)) = 0 ]; then sh -c "$1" | sed '$d'; else exec sh -c "$1"; fi`,
	"breaks off":           `if [ $((N % 3)) = 0 ]; then sh -c "$1" | head -c 60; echo "Connection to login1 closed by remote host." >&2; exit 255; else exec sh -c "$1"; fi`,
	"breaks off submits":   `case $1 in *sbatch*) sh -c "$1" >/dev/null; echo "Connection to login1 closed by remote host." >&2; exit 255 ;; *) exec sh -c "$1" ;; esac`,
	"refuses at first":     `[ $N -gt 2 ] || { echo "ssh: connect to host login1 port 22: Connection refused" >&2; exit 255; }; exec sh -c "$1"`,
	"loses complaints too": `if [ $((N % 3)) = 1 ]; then sh -c "$1" 2>/dev/null; else exec sh -c "$1"; fi`,
}

// testRemotes is a cluster behind a login node.
func testRemotes(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	t.Run("Conformance", func(t *testing.T) {
		shell := script(t, remotes["prints lines"])
		testConformance(t, c, func(cfg *slurm.Config) { cfg.Remote, cfg.User = []string{shell}, "root" })
	})
	for name, body := range remotes {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, c.For(t))
			l.change = func(cfg *slurm.Config) {
				const count = `exec 9>>"$0.lock"; flock 9; N=$(cat "$0.n" 2>/dev/null || echo 0); echo $((N+1)) >"$0.n"; exec 9>&-; `
				cfg.Remote, cfg.User = []string{script(t, count+body)}, "root"
				cfg.Accounts = slurm.Accounts{Mode: slurm.AccountsPerOwner, Prefix: cfg.InstallID + "-"} // sacctmgr goes the same way
			}
			ex, _ := running(t, l.config())
			l.bringAll(ex, 4, func(i int) order { return owned("owner"+strconv.Itoa(i%2), counted) }, zero)
		})
	}
}

// noAccount is a site's plug-in that wants an account to be named.
const noAccount = `
function slurm_job_submit(job, partitions, uid)
  if job.account == nil then
    slurm.log_user("Please give a project with --account=PROJECT, as partitions, time and features are scarce")
    return slurm.ERROR
  end
  return slurm.SUCCESS
end
function slurm_job_modify() return slurm.SUCCESS end
return slurm.SUCCESS
`

// testSite is a cluster of a site with rules, and with times of maintenance.
func testSite(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	t.Run("refusal in the site's words", func(t *testing.T) {
		l := newLab(t, c.For(t))
		ex, _ := running(t, l.config())
		_, err := ex.Start(t.Context(), l.task(nextJob(), 1, order{script: "exit 0"}))
		var f *executor.Failure
		const want = "The cluster refused the job: Please give a project with --account=PROJECT, as partitions, time and features are scarce."
		if !errors.As(err, &f) || f.Reason != jobsv1.Reason_REASON_SUBMIT_REJECTED || f.Message != want {
			t.Errorf("Start() = %v", err)
		}
	})
	account := func(t *executor.Task) { t.Command.Resources.Account = "root" }
	for _, state := range []string{"DRAIN", "INACTIVE", "DOWN"} {
		t.Run("partition "+state, func(t *testing.T) {
			c := c.For(t)
			l := newLab(t, c)
			ex, _ := running(t, l.config())
			c.Run("scontrol", "update", "PartitionName=main", "State="+state)
			defer c.Run("scontrol", "update", "PartitionName=main", "State=UP")
			h, err := l.start(ex, l.task(nextJob(), 1, order{script: counted, change: account}))
			if err != nil {
				t.Fatal(err)
			}
			f := l.follow(ex, h)
			o := f.until("ENGINE_HELD", func(o executor.Observation) bool { return o.Reason == jobsv1.Reason_REASON_ENGINE_HELD })
			if !strings.Contains(o.Message, "closed for now") {
				t.Errorf("observed %q", o.Message)
			}
			c.Run("scontrol", "update", "PartitionName=main", "State=UP")
			f.want(byItself, 0, 0, "")
		})
	}
	t.Run("limit on the jobs of an account", func(t *testing.T) {
		c := c.For(t)
		c.Run("sacctmgr", "-i", "modify", "account", "root", "set", "MaxSubmitJobs=2")
		defer c.Run("sacctmgr", "-i", "modify", "account", "root", "set", "MaxSubmitJobs=-1")
		l := newLab(t, c)
		ex, _ := running(t, l.config())
		root := order{script: "sleep 2; " + counted, change: func(t *executor.Task) { t.Command.Resources.Account = "root" }}
		l.bringAll(ex, 6, always(root), zero)
	})
}

// writeSubmitPlugin writes the plug-in of the site, before the controller reads it.
func writeSubmitPlugin(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	etc := filepath.Join(c.Dir, "etc")
	if err := errors.Join(os.MkdirAll(etc, 0o755), os.WriteFile(filepath.Join(etc, "job_submit.lua"), []byte(noAccount), 0o644)); err != nil {
		t.Fatal(err)
	}
}

package slurm_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/slurm"
	"github.com/stint-jobs/stint/internal/executor/slurm/slurmtest"
)

const (
	byItself = jobsv1.Reason_REASON_UNSPECIFIED
	queued   = jobsv1.State_STATE_QUEUED
)

// outcome is one line of the table: what becomes of a job, and what is told of it.
type outcome struct {
	name         string
	order        order
	during       func(t *testing.T, l *lab, f *follow, task executor.Task) // what happens to it; nil: nothing
	reason       jobsv1.Reason
	code, signal int
	words        string
	state        string // Slurm's word in the end
	check        func(t *testing.T, x executor.Exit)
}

func testOutcomes(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	node := c.NodePrefix()
	for _, tc := range []outcome{
		{name: "exit 0", order: order{script: "exit 0"}, state: "COMPLETED"},
		{name: "exit 37", order: order{script: "exit 37"}, code: 37, state: "FAILED"},
		{name: "signal", order: order{script: "kill -SEGV $$"}, code: -1, signal: 11, state: "FAILED"},
		{
			name: "signal to the script", order: order{script: "kill -KILL $PPID; sleep 60"}, code: -1, signal: 9, state: "FAILED",
		},
		{
			name: "missing program", order: order{change: func(t *executor.Task) { t.Command.Argv = []string{"/stint/no/such/program"} }},
			reason: jobsv1.Reason_REASON_LAUNCH_FAILED, code: -1, words: "/stint/no/such/program", state: "FAILED",
		},
		{
			name: "missing folder", order: order{script: "exit 0", service: "Held"}, during: removeFolder,
			reason: jobsv1.Reason_REASON_LAUNCH_FAILED, code: -1, words: "check that the node shares", state: "FAILED",
		},
		{
			name: "usage", order: order{script: "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; sleep 3"}, state: "COMPLETED",
			check: func(t *testing.T, x executor.Exit) {
				t.Helper()
				u := x.Usage
				if u.GetElapsed().AsDuration() < 3*time.Second || u.GetCpuTime().AsDuration() <= 0 || u.GetMaxRssBytes() < 4096 || u.GetAllocatedCpus() != 1 || u.GetAllocatedMemoryBytes() != 64<<20 {
					t.Errorf("usage = %v", u)
				}
			},
		},
		{
			name: "cancelled by somebody while pending", order: order{script: "exit 0", service: "Held"}, during: scancel,
			reason: jobsv1.Reason_REASON_CANCELLED_BY_ENGINE, code: -1, words: "Cancelled on the cluster by user root (uid 0)", state: "CANCELLED",
		},
		{
			name: "cancelled by somebody while running", order: order{script: "sleep 600"}, during: scancelRunning,
			reason: jobsv1.Reason_REASON_CANCELLED_BY_ENGINE, code: -1, words: "Cancelled on the cluster by user root (uid 0)", state: "CANCELLED",
		},
		{
			name: "held, then released", order: order{script: "exit 0", service: "Held"}, during: release, state: "COMPLETED",
		},
		{
			name: "requeued", order: order{script: `: >"$JOB/began"; sleep 600`}, during: requeue,
			reason: jobsv1.Reason_REASON_PREEMPTED, code: -1, words: "queued it again",
		},
		{
			name: "node down", order: order{script: "sleep 600", service: "LastNode"}, during: killNode,
			reason: jobsv1.Reason_REASON_NODE_FAILED, code: -1, words: "lost node " + node + "3", state: "NODE_FAIL",
		},
		{
			name: "more than the partition gives", order: order{script: "exit 0", change: func(t *executor.Task) { t.Command.Resources.TimeLimit = durationpb.New(3 * time.Hour) }},
			reason: jobsv1.Reason_REASON_SUBMIT_REJECTED, code: -1, words: "can never start", state: "CANCELLED",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			newLab(t, c).begin(t, tc).want()
		})
	}
	if c.CanLimitMemory() {
		tc := outcome{
			name:   "out of memory",
			order:  order{script: "head -c 300000000 /dev/zero | tail -c 290000000 | sort >/dev/null; sleep 1; exit 0", change: func(t *executor.Task) { t.Command.Resources.MemoryBytes = 30 << 20 }},
			reason: jobsv1.Reason_REASON_OUT_OF_MEMORY, code: -1, state: "OUT_OF_MEMORY",
		}
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			newLab(t, c).begin(t, tc).want()
		})
	}
}

// testRefusals has what Slurm says no to at once.
func testRefusals(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	for name, tc := range map[string]struct {
		service, words string
		change         func(*executor.Task)
	}{
		"bad account":    {service: "BadAccount", words: "account"},
		"bad partition":  {words: "partition", change: func(t *executor.Task) { t.Command.Resources.Partition = "nix" }},
		"bad constraint": {words: "constraint", change: func(t *executor.Task) { t.Command.Resources.Constraint = "unobtainium" }},
		"too large":      {words: "asks for more than any node has", change: func(t *executor.Task) { t.Command.Resources.MemoryBytes = 1 << 50 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, c)
			l.change = services
			ex, _ := running(t, l.config())
			_, err := ex.Start(t.Context(), l.task(nextJob(), 1, order{script: "exit 0", service: tc.service, change: tc.change}))
			var f *executor.Failure
			if !errors.As(err, &f) || f.Reason != jobsv1.Reason_REASON_SUBMIT_REJECTED || !strings.Contains(f.Message, tc.words) {
				t.Errorf("Start() = %v", err)
			}
		})
	}
}

// services have options of their own.
func services(c *slurm.Config) {
	prefix := strings.TrimSuffix(c.SlurmConf, "/etc/slurm.conf")
	c.Services["Held"] = slurm.Options{Extra: []string{"--begin=now+1hour"}}
	c.Services["LastNode"] = slurm.Options{Extra: []string{"--nodelist=" + slurmtest.NodePrefixOf(prefix) + "3"}}
	c.Services["BadAccount"] = slurm.Options{Account: "nobodys"}
}

// begun is an outcome that is on its way.
type begun struct {
	outcome
	t *testing.T
	f *follow
}

// begin starts the job and does to it what the table says.
func (l *lab) begin(t *testing.T, o outcome) begun {
	t.Helper()
	l.change = services
	ex, _ := running(t, l.config())
	task := l.task(nextJob(), 1, o.order)
	h, err := ex.Start(t.Context(), task)
	if err != nil {
		t.Fatalf("%s: Start() = %v", o.name, err)
	}
	f := l.follow(ex, h)
	if o.during != nil {
		o.during(t, l, f, task)
	}
	return begun{o, t, f}
}

// want waits for the end and checks it.
func (b begun) want() {
	b.t.Helper()
	x := b.f.want(b.reason, b.code, b.signal, b.words)
	if b.state != "" && x.EngineState != b.state {
		b.t.Errorf("Slurm's word is %q, want %q", x.EngineState, b.state)
	}
	if b.check != nil {
		b.check(b.t, x)
	}
}

// pendingID waits until the job is known to be pending and answers Slurm's id of it.
func pendingID(f *follow) string {
	f.l.t.Helper()
	return f.until("QUEUED", func(o executor.Observation) bool { return o.State == queued && o.EngineID != "" }).EngineID
}

func scancel(t *testing.T, l *lab, f *follow, _ executor.Task) {
	t.Helper()
	l.cluster.Run("scancel", pendingID(f))
}

func scancelRunning(t *testing.T, l *lab, f *follow, _ executor.Task) {
	t.Helper()
	l.cluster.Run("scancel", f.untilRunning().EngineID)
}

func removeFolder(t *testing.T, l *lab, f *follow, task executor.Task) {
	t.Helper()
	id := pendingID(f)
	away := task.Dir.Path() + ".away"
	if err := os.Rename(task.Dir.Path(), away); err != nil {
		t.Fatal(err)
	}
	l.cluster.Run("scontrol", "update", "JobId="+id, "StartTime=now")
	l.cluster.Until("the end of the job", func() bool {
		out, _ := l.cluster.Try("squeue", "-h", "-t", "all", "-j", id, "-o", "%T")
		return out == "FAILED"
	})
	if err := os.Rename(away, task.Dir.Path()); err != nil {
		t.Fatal(err)
	}
}

func release(t *testing.T, l *lab, f *follow, _ executor.Task) {
	t.Helper()
	id := pendingID(f)
	l.cluster.Run("scontrol", "hold", id)
	o := f.until("ENGINE_HELD", func(o executor.Observation) bool { return o.Reason == jobsv1.Reason_REASON_ENGINE_HELD })
	if !strings.HasPrefix(o.Message, "Held ") {
		t.Errorf("observed %+v", o)
	}
	l.cluster.Run("scontrol", "release", id)
	l.cluster.Run("scontrol", "update", "JobId="+id, "StartTime=now")
}

func requeue(t *testing.T, l *lab, f *follow, task executor.Task) {
	t.Helper()
	id := f.untilRunning().EngineID
	l.untilFile(task.Dir.JobID(), "began") // a job that is queued again before its command began is none that was interrupted
	// Jobs are submitted so that Slurm does not requeue them; an administrator still can.
	l.cluster.Run("scontrol", "update", "JobId="+id, "Requeue=1")
	l.cluster.Run("scontrol", "requeue", id)
}

func killNode(t *testing.T, l *lab, f *follow, _ executor.Task) {
	t.Helper()
	f.untilRunning()
	l.cluster.Kill("slurmd." + l.cluster.NodePrefix() + "3")
}

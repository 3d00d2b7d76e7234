// Package slurm_test runs the Slurm executor on a real throw-away cluster, and
// breaks the cluster under it.
//
// It is one test with parts, because bringing a cluster up takes longer than most of them. The parts that
// need the same kind of cluster stand together.
package slurm_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/executortest"
	"github.com/stint-jobs/stint/internal/executor/slurm"
	"github.com/stint-jobs/stint/internal/executor/slurm/slurmtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSlurm(t *testing.T) {
	c := slurmtest.New(t)
	common := []string{"-a", "-P", c.NodePrefix()}
	if c.CanLimitMemory() {
		common = append(common, "-g")
	}
	part := func(name string, flags []string, test func(t *testing.T, c *slurmtest.Cluster)) {
		t.Run(name, func(t *testing.T) {
			c := c.For(t)
			c.Up(append(slices.Clone(common), flags...)...)
			test(t, c)
		})
	}
	part("Whole", []string{
		"-n", "3", "-x", "SlurmdTimeout=5", "-x", "AccountingStorageEnforce=associations",
		"-x", "PartitionName=main Nodes=ALL Default=YES MaxTime=120 DefaultTime=60 State=UP",
	}, testWhole)
	part("Faults", []string{"-x", "MessageTimeout=3"}, testFaults)
	part("Remotes", nil, testRemotes)
	part("Accounts", []string{"-x", "AccountingStorageEnforce=associations", "-x", "PriorityType=priority/multifactor"}, testAccounts)
	writeSubmitPlugin(t, c)
	part("Site", []string{"-x", "JobSubmitPlugins=lua", "-x", "AccountingStorageEnforce=limits"}, testSite)
	part("Limits", []string{"-x", "MessageTimeout=2", "-x", "MinJobAge=2", "-x", "FirstJobId=1", "-x", "MaxJobId=12", "-x", "MaxJobCount=5"}, testLimits)
	part("Thousand", []string{"-c", "16"}, testThousand)
	part("Hints", []string{"-x", "JobAcctGatherFrequency=task=30"}, testHints)
	part("Network", []string{"-N", "-x", "SlurmdTimeout=5"}, testNetwork)
}

// testConformance is what every executor must do.
func testConformance(t *testing.T, c *slurmtest.Cluster, change func(*slurm.Config)) {
	t.Helper()
	executortest.Run(t, func(t *testing.T) *executortest.Harness {
		t.Helper()
		l := newLab(t, c)
		l.change = change
		return &executortest.Harness{
			New: func(tb testing.TB) executor.Executor {
				tb.Helper()
				ex, _ := running(tb, l.config())
				return ex
			},
			Folders: l.root, EndsEscaped: c.CanLimitMemory(), Timeout: 2 * time.Minute,
			Resources: &jobsv1.Resources{Cpus: 1, MemoryBytes: 64 << 20},
		}
	})
}

// testWhole is what goes on on a cluster that is well.
func testWhole(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	// Slurm keeps time limits to the minute, so this begins before all else.
	limit := newLab(t, c).begin(t, outcome{
		name: "time limit", order: order{script: "sleep 600", change: func(t *executor.Task) { t.Command.Resources.TimeLimit = durationpb.New(time.Second) }},
		reason: jobsv1.Reason_REASON_TIME_LIMIT, code: -1, state: "TIMEOUT",
	})
	// A real server waits a minute before it calls a submission lost, so this begins early too.
	killed := make(chan error, 1)
	srv := newSlowStintd(t, c)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		defer cancel()
		killed <- srv.killedAgainAndAgain(ctx)
	}()
	t.Run("Conformance", func(t *testing.T) { testConformance(t, c, nil) })
	t.Run("Outcomes", func(t *testing.T) { testOutcomes(t, c) })
	t.Run("Refusals", func(t *testing.T) { testRefusals(t, c) })
	t.Run("Growth", func(t *testing.T) { testGrowth(t, c) })
	limit.want()
	if err := <-killed; err != nil {
		t.Errorf("stintd killed while it submits: %v", err)
	}
}

// Package slurm_test runs the Slurm executor on a real throw-away cluster, and
// breaks the cluster under it.
//
// It is one test with parts, because bringing a cluster up takes longer than most of them. The parts that
// need the same kind of cluster stand together.
package slurm_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/executortest"
	"github.com/stint-jobs/stint/internal/executor/slurm/slurmtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSlurm(t *testing.T) {
	c := slurmtest.New(t)
	prefix := []string{"-a", "-P", c.NodePrefix()}

	// Accounting that enforces accounts, and cgroups that enforce memory.
	if c.CanLimitMemory() {
		prefix = append(prefix, "-g")
	}
	part := func(name string, flags []string, test func(t *testing.T, c *slurmtest.Cluster)) {
		t.Run(name, func(t *testing.T) {
			c := c.For(t)
			c.Up(append(append([]string{}, prefix...), flags...)...)
			test(t, c)
		})
	}
	part("Whole", []string{"-n", "3", "-x", "AccountingStorageEnforce=associations", "-x", "SlurmdTimeout=5"}, testWhole)
	part("Faults", []string{"-x", "MessageTimeout=3"}, testFaults)
	part("Limits", []string{"-x", "MinJobAge=2", "-x", "FirstJobId=1", "-x", "MaxJobId=12", "-x", "MaxJobCount=5"}, testLimits)
	part("Thousand", []string{"-c", "16"}, testThousand)
	part("Network", []string{"-N", "-x", "SlurmdTimeout=5"}, testNetwork)
}

// testWhole is what can go on at the same time on a cluster that is well.
func testWhole(t *testing.T, c *slurmtest.Cluster) {
	t.Run("Conformance", func(t *testing.T) {
		t.Parallel()
		executortest.Run(t, func(t *testing.T) *executortest.Harness {
			l := newLab(t, c)
			return &executortest.Harness{
				New: func(t testing.TB) executor.Executor {
					ex, _ := running(t, l.config())
					return ex
				},
				Folders: l.root, EndsEscaped: c.CanLimitMemory(), Timeout: 2 * time.Minute,
				Resources: &stintv1.Resources{Cpus: 1, MemoryBytes: 64 << 20},
			}
		})
	})
	t.Run("Outcomes", func(t *testing.T) {
		t.Parallel()
		testOutcomes(t, c)
	})
}

// Package slurm_test runs the Slurm executor on a real throw-away cluster.
package slurm_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/executortest"
	"github.com/stint-jobs/stint/internal/executor/slurm"
	"github.com/stint-jobs/stint/internal/executor/slurm/slurmtest"
	"github.com/stint-jobs/stint/internal/workdir"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// folders are where the jobs of a test are.
func folders(t testing.TB) *workdir.Root {
	t.Helper()
	root, err := workdir.Open(filepath.Join(t.TempDir(), "jobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// config is an executor on the cluster that is in more of a hurry than one in production.
func config(t testing.TB, c *slurmtest.Cluster, root *workdir.Root) slurm.Config {
	t.Helper()
	return slurm.Config{
		Name: "slurm", Folders: root, InstallID: "test", SlurmConf: c.Conf,
		Pace: slurm.Pace{
			Fastest: 300 * time.Millisecond, Hot: 10 * time.Second, Usual: time.Second, Idle: 2 * time.Second, Accounting: 500 * time.Millisecond, Rest: 1,
		},
		Patience: slurm.Patience{Confirm: 5 * time.Second, Settle: 10 * time.Second, Usage: 10 * time.Second, Lost: 30 * time.Second, Never: 3 * time.Second},
		Logger:   slog.New(slog.NewTextHandler(testWriter{t}, nil)),
	}
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

// running makes an executor whose loop runs until stop is called, or the test ends.
func running(t testing.TB, cfg slurm.Config) (c *slurm.Cluster, stop func()) {
	t.Helper()
	c, err := slurm.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Run() = %v", err)
		}
	}
	t.Cleanup(stop)
	return c, stop
}

func TestConformance(t *testing.T) {
	c := slurmtest.New(t)
	c.Up("-a", "-g", "-P", "conf")
	executortest.Run(t, func(t *testing.T) *executortest.Harness {
		root := folders(t)
		return &executortest.Harness{
			New: func(t testing.TB) executor.Executor {
				ex, _ := running(t, config(t, c, root))
				return ex
			},
			Folders: root, EndsEscaped: true,
			Resources: &stintv1.Resources{Cpus: 1, MemoryBytes: 64 << 20},
		}
	})
}

package slurm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/slurm"
	"github.com/stint-jobs/stint/internal/executor/slurm/slurmtest"
	"github.com/stint-jobs/stint/internal/job"
)

// counted is a script that leaves a line when it begins and one when it is done.
const counted = `echo began >>"$JOB/began"; echo done >>"$JOB/done"`

// fate is what became of a job, and in how many attempts.
type fate struct {
	id       job.ID
	attempts int
	exit     executor.Exit
}

// bring plays the scheduler for one job: an attempt that failed for a reason of
// the infrastructure is followed by another.
func (l *lab) bring(ex executor.Executor, id job.ID, o order) (fate, error) {
	for n := 1; ; n++ {
		h, err := l.start(ex, l.task(id, n, o))
		if err != nil {
			return fate{}, err
		}
		f := l.follow(ex, h)
		<-f.done
		again := errors.Is(f.err, executor.ErrLost)
		switch f.exit.Reason {
		case jobsv1.Reason_REASON_NODE_FAILED, jobsv1.Reason_REASON_PREEMPTED, jobsv1.Reason_REASON_LAUNCH_FAILED:
			again = true
		default:
		}
		if !again || n == 5 {
			return fate{id, n, f.exit}, f.err
		}
	}
}

// start is Start, again and again while the cluster cannot be reached.
func (l *lab) start(ex executor.Executor, t executor.Task) (executor.Handle, error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		h, err := ex.Start(l.t.Context(), t)
		if !errors.Is(err, executor.ErrUnavailable) {
			return h, err
		}
		select {
		case <-tick.C:
		case <-l.t.Context().Done():
			return "", l.t.Context().Err()
		}
	}
}

// bringAll brings n jobs to their ends, and checks that each was done exactly
// once, and that nothing began again unless its attempt had been cut off.
func (l *lab) bringAll(ex executor.Executor, n int, o func(i int) order, code func(i int) int) {
	l.t.Helper()
	fates := make([]fate, n)
	var all sync.WaitGroup
	for i := range n {
		id := nextJob()
		all.Go(func() {
			var err error
			if fates[i], err = l.bring(ex, id, o(i)); err != nil {
				l.t.Errorf("job %s: %v", id, err)
			}
		})
	}
	all.Wait()
	more := 0
	for i, f := range fates {
		if f.exit.Reason != byItself || f.exit.Code != code(i) {
			l.t.Errorf("job %s ended with %v, code %d, %q; want code %d", f.id, f.exit.Reason, f.exit.Code, f.exit.Message, code(i))
		}
		began, done := l.lines(f.id, "began"), l.lines(f.id, "done")
		if done != 1 || began < 1 || began > f.attempts {
			l.t.Errorf("job %s began %d times and was done %d times in %d attempts", f.id, began, done, f.attempts)
		}
		more += f.attempts - 1
	}
	if more > 0 {
		l.t.Logf("%d of %d jobs needed another attempt", more, n)
	}
}

func always(o order) func(int) order { return func(int) order { return o } }
func zero(int) int                   { return 0 }

func testFaults(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	t.Run("controller frozen during sbatch", func(t *testing.T) {
		c := c.For(t)
		l := newLab(t, c)
		ex, _ := running(t, l.config())
		c.Signal("slurmctld", syscall.SIGSTOP)
		var handles [4]executor.Handle
		var tasks [4]executor.Task
		var starts sync.WaitGroup
		for i := range handles {
			tasks[i] = l.task(nextJob(), 1, order{script: counted})
			starts.Go(func() {
				var err error
				if handles[i], err = ex.Start(t.Context(), tasks[i]); err != nil {
					t.Errorf("Start() = %v", err)
				}
			})
		}
		starts.Wait()
		c.Signal("slurmctld", syscall.SIGCONT)
		for i, h := range handles {
			l.follow(ex, h).want(byItself, 0, 0, "")
			if n := l.lines(tasks[i].Dir.JobID(), "done"); n != 1 {
				t.Errorf("the command ran %d times", n)
			}
		}
	})
	t.Run("controller killed under 200 submits", func(t *testing.T) {
		c := c.For(t)
		l := newLab(t, c)
		var accepted atomic.Int64
		kill := make(chan struct{})
		ex, _ := running(t, l.config())
		crash := &countingExecutor{Executor: ex, accepted: func() {
			if accepted.Add(1) == 70 {
				close(kill)
			}
		}}
		ctx, stop := context.WithCancel(t.Context())
		var others sync.WaitGroup
		others.Go(func() {
			<-kill
			c.Kill("slurmctld")
			c.Again()
		})
		others.Go(func() { c.Administer(ctx) })
		l.bringAll(crash, 200, always(order{script: counted}), zero)
		stop()
		others.Wait()
	})
	t.Run("server dead between sbatch and its commit", func(t *testing.T) {
		l := newLab(t, c.For(t))
		ex, stop := running(t, l.config())
		task := l.task(nextJob(), 1, order{script: counted})
		h, err := ex.Start(t.Context(), task)
		if err != nil {
			t.Fatal(err)
		}
		stop()
		ex, _ = running(t, l.config())
		found, err := ex.Find(t.Context(), task)
		if err != nil || found != h {
			t.Fatalf("Find() = %q, %v; want %q", found, err, h)
		}
		l.follow(ex, found).want(byItself, 0, 0, "")
		if n := l.lines(task.Dir.JobID(), "done"); n != 1 {
			t.Errorf("the command ran %d times", n)
		}
	})
	testAccounting(t, c)
	// once is for scripts that do it right when a job comes the second time.
	const once = `for a; do case $a in --job-name=*) seen=$0.${a#--job-name=} ;; esac; done; [ ! -e "$seen" ] || exec sbatch "$@"; : >"$seen"; `
	for name, body := range map[string]string{
		"accepts and reports a time-out":   `sbatch "$@" >/dev/null; echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2; exit 1`,
		"accepts and hangs":                `sbatch "$@"; sleep 600`,
		"hangs before it reaches anything": once + `sleep 600`,
		"accepts with warnings":            `echo "Welcome to the cluster"; echo "sbatch: warning: you look tired" >&2; sbatch "$@"; status=$?; echo; exit $status`,
		"is killed at random":              `exec 3<&0; sbatch "$@" <&3 & sleep 0.$(($$ % 7)); kill -9 $!; wait $!; exit $?`,
		"fails before it reaches anything": once + `echo "sbatch: error: Batch job submission failed: Unexpected missing socket error" >&2; exit 1`,
	} {
		t.Run("sbatch "+name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, c.For(t))
			l.change = func(cfg *slurm.Config) {
				cfg.Commands["sbatch"] = script(t, body)
				cfg.Timeouts.Submit = 2 * time.Second
			}
			ex, _ := running(t, l.config())
			l.bringAll(ex, 6, always(order{script: counted}), zero)
		})
	}
}

// script is a program that does body.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// countingExecutor tells of every start.
type countingExecutor struct {
	executor.Executor
	accepted func()
}

func (c *countingExecutor) Start(ctx context.Context, t executor.Task) (executor.Handle, error) {
	h, err := c.Executor.Start(ctx, t)
	if err == nil {
		c.accepted()
	}
	return h, err
}

func testAccounting(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	long := order{script: "sleep 2; " + counted} // long enough for accounting to be asked
	for name, fault := range map[string]struct{ begin, end func(c *slurmtest.Cluster) }{
		"stopped": {func(c *slurmtest.Cluster) { c.Stop("slurmdbd") }, func(c *slurmtest.Cluster) { c.Again() }},
		"frozen": {
			func(c *slurmtest.Cluster) { c.Signal("mariadbd", syscall.SIGSTOP) },
			func(c *slurmtest.Cluster) { c.Signal("mariadbd", syscall.SIGCONT) },
		},
	} {
		t.Run("accounting "+name, func(t *testing.T) {
			c := c.For(t)
			l := newLab(t, c)
			l.change = func(cfg *slurm.Config) {
				cfg.Patience.Usage = 3 * time.Second
				cfg.Timeouts.Account = 2 * time.Second
			}
			ex, _ := running(t, l.config())
			fault.begin(c)
			l.bringAll(ex, 4, always(long), zero)
			fault.end(c)
			l.bringAll(ex, 4, always(long), zero)
		})
	}
}

// testLimits is a cluster that soon forgets what is over, uses its few ids again, and takes few jobs.
func testLimits(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	l := newLab(t, c)
	l.change = func(cfg *slurm.Config) { cfg.Timeouts.Submit = 2 * time.Second }
	ex, _ := running(t, l.config())
	// More at a time than it takes, and then more in all than it has ids.
	for _, n := range []int{7, 3, 3, 3, 3} {
		l.bringAll(ex, n, func(i int) order {
			return order{script: counted + fmt.Sprintf("; exit %d", i)}
		}, func(i int) int { return i })
	}
}

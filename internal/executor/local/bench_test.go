//go:build linux

package local

import (
	"testing"

	"golang.org/x/sys/unix"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/workdir"
)

// BenchmarkJob is what a job that does nothing costs, in time and in the CPU time of all processes for it.
func BenchmarkJob(b *testing.B) {
	for _, mode := range []string{SandboxOff, SandboxAuto} {
		b.Run("sandbox="+mode, func(b *testing.B) {
			root, err := workdir.Open(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer root.Close()
			e := newExecutor(b, Config{Folders: root, Sandbox: Sandbox{Mode: mode}})
			var before, after unix.Rusage
			if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &before); err != nil {
				b.Fatal(err)
			}
			n := 0
			for b.Loop() {
				n++
				a := root.Job(1).Attempt(n)
				if err := a.Create(); err != nil {
					b.Fatal(err)
				}
				h, err := e.Start(b.Context(), executor.Task{
					Job: &jobsv1.Job{Id: "1"}, Attempt: n, Dir: a,
					Command: executor.Command{Argv: []string{"/bin/true"}, Env: []string{"PATH=/usr/bin:/bin"}, Resources: &jobsv1.Resources{Cpus: 1}},
				})
				if err != nil {
					b.Fatal(err)
				}
				if x, err := e.Wait(b.Context(), h, func(executor.Observation) {}); err != nil || x.Code != 0 {
					b.Fatal(x, err)
				}
			}
			for _, s := range e.idle { // counted once they are reaped
				s.server.Close()
				if _, err := unix.Wait4(s.pid, nil, 0, nil); err != nil {
					b.Fatal(err)
				}
			}
			if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &after); err != nil {
				b.Fatal(err)
			}
			cpu := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
			b.ReportMetric(float64(cpu)/float64(n)/1e6, "cpu-ms/op")
		})
	}
}

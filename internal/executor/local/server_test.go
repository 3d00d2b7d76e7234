//go:build linux

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/local/shim"
	"github.com/stint-jobs/stint/internal/workdir"
)

// serverMain starts job 1 of the folder with the script, says so, and stays until it is killed.
func serverMain(args []string) int {
	root, err := workdir.Open(args[0])
	if err == nil {
		var e *Executor
		if e, err = New(Config{Folders: root, Grace: testGrace}); err == nil {
			_, err = e.Start(context.Background(), executor.Task{
				Job: &jobsv1.Job{Id: "1"}, Attempt: 1, Dir: root.Job(1).Attempt(1),
				Command: executor.Command{
					Argv: []string{"/bin/sh", "-c", args[1]}, Env: []string{"PATH=/usr/bin:/bin"}, Resources: &jobsv1.Resources{Cpus: 1},
				},
			})
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stdout, "started")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

func TestJobsOutliveAKilledServer(t *testing.T) {
	cfg := testConfig(t)
	j := newJob(t, cfg, "")
	hold, born := j.fifo("hold"), j.fifo("born")
	server := exec.Command("/proc/self/exe", "server", cfg.Folders.Path(), "echo ran >>runs; echo $$ >born; read code <hold; exit $code")
	server.Stderr = t.Output()
	// Its own group and session, as a service manager or a terminal would have it.
	server.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	in, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	command := j.pid(born)
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// Its standard output closes only if no shim or command kept it.
	if err := server.Wait(); err == nil || server.ProcessState.ExitCode() != -1 {
		t.Fatalf("the server ended with %v", server.ProcessState)
	}
	if gone(command) {
		t.Fatal("the command ended with the server")
	}
	h, err := j.e.Find(t.Context(), j.task)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := j.e.Start(t.Context(), j.task); err != nil || again != h {
		t.Errorf("Start() after the restart = %q, %v; want %q", again, err, h)
	}
	running := make(chan executor.Observation, 1)
	ended := make(chan executor.Exit, 1)
	go func() {
		x, err := j.e.Wait(t.Context(), h, func(o executor.Observation) { running <- o })
		if err != nil {
			t.Error(err)
		}
		ended <- x
	}()
	if o := <-running; o.State != jobsv1.State_STATE_RUNNING || o.StartTime.IsZero() {
		t.Errorf("observed %+v", o)
	}
	if s := j.e.Status(); s.GetActiveJobs() != 1 || s.GetUsedCpus() != 1 {
		t.Errorf("Status() = %v", s)
	}
	if _, err := hold.WriteString("42\n"); err != nil {
		t.Fatal(err)
	}
	if x := <-ended; x.Code != 42 || x.Reason != jobsv1.Reason_REASON_UNSPECIFIED {
		t.Errorf("ended with %+v", x)
	}
	if s := j.e.Status(); s.GetActiveJobs() != 0 {
		t.Errorf("Status() = %v", s)
	}
	runs, err := os.ReadFile(filepath.Join(j.task.Dir.OutputPath(), "runs"))
	if err != nil || string(runs) != "ran\n" {
		t.Errorf("runs = %q, %v", runs, err)
	}
}

// A shim that an earlier server spawned, and that comes only after Find said
// that the attempt is not there, must not start it; also not when the attempt is started anew meanwhile.
func TestLateShimDoesNotStart(t *testing.T) {
	for _, anew := range []bool{false, true} {
		t.Run(fmt.Sprintf("anew=%v", anew), func(t *testing.T) {
			cfg := testConfig(t)
			late := cfg
			late.ShimArgv = []string{"/bin/sh", "-c", `echo here >"$1/spawned"; read _ <"$1/gate"; shift; "$@"; echo $? >"$0"`}
			j := newJob(t, cfg, "echo ran >>runs")
			spawned, gate, over := j.fifo("spawned"), j.fifo("gate"), j.fifo("over")
			out := j.task.Dir.OutputPath()
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			late.ShimArgv = append(late.ShimArgv, filepath.Join(out, "over"), out, self, "shim")
			ctx, crash := context.WithCancel(t.Context())
			started := make(chan error, 1)
			go func() {
				_, err := newExecutor(t, late).Start(ctx, j.task)
				started <- err
			}()
			j.line(spawned)
			crash()
			var failure *executor.Failure
			if err := <-started; !errors.Is(err, context.Canceled) || errors.As(err, &failure) || errors.Is(err, executor.ErrUnavailable) {
				t.Errorf("Start() = %v; want it to leave open what became of the attempt", err)
			}
			if _, err := j.e.Find(t.Context(), j.task); !errors.Is(err, executor.ErrNotFound) {
				t.Fatalf("Find() = %v", err)
			}
			want := ""
			var h executor.Handle
			if anew {
				h, want = j.start(), "ran\n"
			}
			if _, err := gate.WriteString("go\n"); err != nil {
				t.Fatal(err)
			}
			if code := j.line(over); code != "1" {
				t.Errorf("the late shim ended with %s", code)
			}
			if anew {
				if x := j.wait(h); x.Code != 0 {
					t.Errorf("ended with %+v", x)
				}
			}
			runs, _ := os.ReadFile(filepath.Join(out, "runs"))
			if string(runs) != want {
				t.Errorf("runs = %q, want %q", runs, want)
			}
		})
	}
}

// Of two shims that are under way the one with the newer ticket runs the
// attempt, in whatever order they come.
func TestOnlyTheNewestTicketCounts(t *testing.T) {
	for _, first := range []string{"older", "newer"} {
		t.Run(first, func(t *testing.T) {
			cfg := testConfig(t)
			j := newJob(t, cfg, "echo ran >>runs")
			out := j.task.Dir.OutputPath()
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			type answer struct {
				h   executor.Handle
				err error
			}
			// Two executors, as a server that was not quite dead yet and its successor.
			begin := func(name string) (gate *os.File, started chan answer) {
				spawned, gate := j.fifo(name+".spawned"), j.fifo(name+".gate")
				held := cfg
				held.ShimArgv = []string{"/bin/sh", "-c", `echo here >"$0.spawned"; read _ <"$0.gate"; exec "$@"`, filepath.Join(out, name), self, "shim"}
				started = make(chan answer, 1)
				go func() {
					h, err := newExecutor(t, held).Start(t.Context(), j.task)
					started <- answer{h, err}
				}()
				j.line(spawned)
				return gate, started
			}
			gates, answers := map[string]*os.File{}, map[string]chan answer{}
			for _, name := range []string{"older", "newer"} {
				gates[name], answers[name] = begin(name)
			}
			second := map[string]string{"older": "newer", "newer": "older"}[first]
			got := map[string]answer{}
			for _, name := range []string{first, second} {
				if _, err := gates[name].WriteString("go\n"); err != nil {
					t.Fatal(err)
				}
				got[name] = <-answers[name]
			}
			if got["newer"].err != nil {
				t.Fatalf("Start() with the newer ticket = %v", got["newer"].err)
			}
			var failure *executor.Failure
			switch a := got["older"]; {
			case first == "newer" && (a.err != nil || a.h != got["newer"].h):
				t.Errorf("Start() that came too late = %q, %v; want the handle of the run that is there", a.h, a.err)
			case first == "older" && (a.err == nil || errors.As(a.err, &failure) || errors.Is(a.err, executor.ErrUnavailable)):
				t.Errorf("Start() with the older ticket = %q, %v; want it to leave open what became of the attempt", a.h, a.err)
			}
			if x := j.wait(got["newer"].h); x.Code != 0 {
				t.Errorf("ended with %+v", x)
			}
			if runs, err := os.ReadFile(filepath.Join(out, "runs")); err != nil || string(runs) != "ran\n" {
				t.Errorf("runs = %q, %v", runs, err)
			}
		})
	}
}

// A shim that ends without a report has started nothing, and nothing will.
func TestShimThatDiesAtOnce(t *testing.T) {
	for _, argv := range [][]string{{"/bin/sh", "-c", "echo no such luck >&2; exit 3"}, {"/stint/no/such/shim"}} {
		cfg := testConfig(t)
		broken := cfg
		broken.ShimArgv = argv
		j := newJob(t, cfg, "true")
		_, err := newExecutor(t, broken).Start(t.Context(), j.task)
		var failure *executor.Failure
		if !errors.As(err, &failure) || failure.Reason != jobsv1.Reason_REASON_LAUNCH_FAILED {
			t.Errorf("Start() with the shim %q = %v", argv, err)
		}
		if _, err := j.e.Find(t.Context(), j.task); !errors.Is(err, executor.ErrNotFound) {
			t.Errorf("Find() = %v", err)
		}
		if x := j.wait(j.start()); x.Code != 0 {
			t.Errorf("the attempt started anew ended with %+v", x)
		}
		if err := j.task.Dir.RemoveFile(shim.LogFile); err != nil {
			t.Fatal(err)
		}
	}
}

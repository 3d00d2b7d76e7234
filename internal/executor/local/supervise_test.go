//go:build linux

package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/local/proc"
	"github.com/stint-jobs/stint/internal/executor/local/shim"
)

const byItself = jobsv1.Reason_REASON_UNSPECIFIED

// What ended by itself keeps its real end, though a cancellation came before
// all that it had left behind was gone.
func TestCancelAfterTheCommandKeepsItsEnd(t *testing.T) {
	cfg := testConfig(t)
	cfg.Grace = time.Hour // what is left would linger for two seconds
	j := newJob(t, cfg, `(trap 'echo asked >asked; exit 0' TERM; echo $$ >left; while :; do read _ <hold; done) & exit 3`)
	left, asked := j.fifo("left"), j.fifo("asked")
	j.fifo("hold")
	h := j.start()
	j.line(left)
	s, err := shim.ReadState(j.task.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if command, err := proc.Read(s.Command); err == nil {
		j.untilGone(command)
	}
	if err := j.e.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if said := j.line(asked); said != "asked" {
		t.Errorf("what was left said %q", said)
	}
	if x := j.wait(h); x.Code != 3 || x.Reason != byItself || x.Signal != 0 {
		t.Errorf("ended with %+v", x)
	}
}

// untilGone looks until a process of somebody else has ended, of which no signal tells us.
func (j *job) untilGone(p proc.Process) {
	j.t.Helper()
	ctx, cancel := context.WithTimeout(j.t.Context(), time.Minute)
	defer cancel()
	for !gone(p) {
		if err := shim.Pause(ctx, time.Millisecond); err != nil {
			j.t.Fatalf("process %d has not ended", p.PID)
		}
	}
}

func TestTimeLimit(t *testing.T) {
	cfg := testConfig(t)
	j := newJob(t, cfg, `trap '' TERM; while :; do read _ <hold; done`)
	j.fifo("hold")
	const limit = 50 * time.Millisecond
	j.task.Command.Resources.TimeLimit = durationpb.New(limit)
	x := j.wait(j.start())
	if x.Reason != jobsv1.Reason_REASON_TIME_LIMIT || x.Code != -1 || x.Message != "The command ran longer than its time limit of 50ms." {
		t.Errorf("ended with %+v", x)
	}
	if took := x.End.Sub(x.Start); took < limit {
		t.Errorf("ended after %v", took)
	}
}

func TestGraceLetsACommandEndInOrder(t *testing.T) {
	cfg := testConfig(t)
	cfg.Grace = time.Hour
	j := newJob(t, cfg, `trap 'echo saved; exit 9' TERM; echo ready >born; while :; do read _ <hold; done`)
	born := j.fifo("born")
	j.fifo("hold")
	h := j.start()
	j.line(born)
	if err := j.e.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if x := j.wait(h); x.Reason != jobsv1.Reason_REASON_CANCELLED_BY_OWNER || x.Code != 9 {
		t.Errorf("ended with %+v", x)
	}
	if got := j.stdout(); got != "saved\n" {
		t.Errorf("it wrote %q", got)
	}
}

// A stopped process is woken to hear that it is to end.
func TestCancelOfAStoppedCommand(t *testing.T) {
	cfg := testConfig(t)
	cfg.Grace = time.Hour
	j := newJob(t, cfg, `echo $$ >born; kill -STOP $$; exit 1`)
	born := j.fifo("born")
	h := j.start()
	j.line(born)
	if err := j.e.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if x := j.wait(h); x.Reason != jobsv1.Reason_REASON_CANCELLED_BY_OWNER {
		t.Errorf("ended with %+v", x)
	}
}

func TestShimThatIsAskedToEndByOthers(t *testing.T) {
	cfg := testConfig(t)
	j := newJob(t, cfg, `echo $$ >born; read _ <hold`)
	born := j.fifo("born")
	j.fifo("hold")
	h := j.start()
	command := j.pid(born)
	s, err := shim.ReadState(j.task.Dir)
	if err != nil {
		t.Fatal(err)
	}
	shim := proc.Process{PID: s.PID, Birth: s.Birth}
	for _, harmless := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGPIPE} {
		if err := shim.Signal(harmless); err != nil {
			t.Fatal(err)
		}
	}
	if gone(shim) || gone(command) {
		t.Fatal("a signal meant for a terminal ended the job")
	}
	if err := shim.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if x := j.wait(h); x.Reason != jobsv1.Reason_REASON_NODE_FAILED || x.Signal != int(unix.SIGTERM) {
		t.Errorf("ended with %+v", x)
	}
}

// A cancellation that came while the server was starting the attempt, as after
// a crash between the two, is not forgotten.
func TestWishBeforeTheCommand(t *testing.T) {
	j := newJob(t, testConfig(t), "echo ran")
	if err := j.task.Dir.Mark(shim.CancelFile); err != nil {
		t.Fatal(err)
	}
	h := j.start()
	if o, ok := j.e.Started(h); ok {
		t.Errorf("a command that never ran was seen to: %+v", o)
	}
	x := j.wait(h)
	if x.Reason != jobsv1.Reason_REASON_CANCELLED_BY_OWNER || !x.Start.IsZero() || x.Code != -1 || j.stdout() != "" {
		t.Errorf("ended with %+v, and wrote %q", x, j.stdout())
	}
}

// A killed shim's orphans are found though they left the group and the
// session, cleared their environment, or ignore what they can.
func TestOrphansOfAKilledShim(t *testing.T) {
	for _, group := range []string{"", CgroupNone} {
		cfg := testConfig(t)
		cfg.Cgroup = group
		j := newJob(t, cfg, `trap '' TERM HUP
			env -i /bin/sh -c 'echo $$ >born; read _ <hold' &
			setsid /bin/sh -c 'env -i /bin/sh -c "echo \$\$ >born; read _ <hold"; exit' &
			echo $$ >born
			read _ <hold`)
		born := j.fifo("born")
		j.fifo("hold")
		h := j.start()
		all := []proc.Process{j.pid(born), j.pid(born), j.pid(born)}
		killShim(t, j.task.Dir)
		if x, err := newExecutor(t, cfg).Wait(t.Context(), h, func(executor.Observation) {}); !errors.Is(err, executor.ErrLost) {
			t.Errorf("Wait() = %+v, %v", x, err)
		}
		for i, p := range all {
			if !gone(p) {
				t.Errorf("cgroup %q: process %d (%+v) still runs", group, i, p)
			}
		}
		os.RemoveAll(filepath.Join(j.task.Dir.Path(), shim.LogFile))
	}
}

// What was started at another place may be the processes of another installation, of which this one has a copy.
func TestOrphansOfAnotherPlaceAreLeftAlone(t *testing.T) {
	cfg := testConfig(t)
	cfg.Place = "here"
	// The kernel ends the command itself with its shim, but not what the command started.
	j := newJob(t, cfg, `(setsid /bin/sh -c 'echo $$ >born; read _ <hold' &); read _ <hold`)
	born := j.fifo("born")
	j.fifo("hold")
	h := j.start()
	command := j.pid(born)
	killShim(t, j.task.Dir)
	elsewhere := cfg
	elsewhere.Place = "elsewhere"
	if x, err := newExecutor(t, elsewhere).Wait(t.Context(), h, func(executor.Observation) {}); !errors.Is(err, executor.ErrLost) {
		t.Errorf("Wait() = %+v, %v", x, err)
	}
	if gone(command) {
		t.Error("a process of another place was ended")
	}
	if _, err := newExecutor(t, cfg).Wait(t.Context(), h, func(executor.Observation) {}); !errors.Is(err, executor.ErrLost) {
		t.Error(err)
	}
	if !gone(command) {
		t.Error("a process of this place still runs")
	}
	os.RemoveAll(filepath.Join(j.task.Dir.Path(), shim.LogFile))
}

// A cgroup ends at once what was forked faster than it could be found.
func TestCancelInACgroup(t *testing.T) {
	cfg := testConfig(t)
	if findCgroup("").path == "" {
		t.Skip("no cgroup can be made here")
	}
	j := newJob(t, cfg, `trap '' TERM; (setsid /bin/sh -c 'env -i /bin/sh -c "echo \$\$ >born; read _ <hold"; exit' &); cat /proc/self/cgroup; read _ <hold`)
	born := j.fifo("born")
	j.fifo("hold")
	h := j.start()
	escaped := j.pid(born)
	if err := j.e.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if x := j.wait(h); x.Reason != jobsv1.Reason_REASON_CANCELLED_BY_OWNER || x.Signal != int(unix.SIGKILL) {
		t.Errorf("ended with %+v", x)
	}
	if !gone(escaped) {
		t.Error("a process outlived its cancelled job")
	}
	if in := j.stdout(); !strings.Contains(in, "/stint-") {
		t.Errorf("the command was in the cgroups %q", in)
	}
}

// A command that removes its own folder cannot make its job hang, or its processes stay.
func TestCommandThatRemovesItsFolder(t *testing.T) {
	cfg := testConfig(t)
	j := newJob(t, cfg, `exec 8>born 9<hold; cd /; rm -rf "$DIR"; echo $$ >&8; read _ <&9`)
	j.task.Command.Env = append(j.task.Command.Env, "DIR="+cfg.Folders.Job(1).Path())
	born := j.fifo("born")
	j.fifo("hold")
	h := j.start()
	command := j.pid(born)
	if x, err := j.e.Wait(t.Context(), h, func(executor.Observation) {}); !errors.Is(err, executor.ErrLost) {
		t.Errorf("Wait() = %+v, %v", x, err)
	}
	if !gone(command) {
		t.Error("the command still runs")
	}
	if err := j.e.Cancel(t.Context(), h); err != nil {
		t.Errorf("Cancel() = %v", err)
	}
}

func TestTemporaryFilesAreGone(t *testing.T) {
	j := newJob(t, testConfig(t), `mkdir -p ../tmp/a/b; echo x >../tmp/a/b/c; chmod 0 ../tmp/a/b`)
	if x := j.wait(j.start()); x.Code != 0 {
		t.Errorf("ended with %+v", x)
	}
	if left, err := os.ReadDir(j.task.Dir.TmpPath()); err != nil || len(left) > 0 {
		t.Errorf("tmp/ holds %v, %v", left, err)
	}
}

func TestCommandInheritsNothing(t *testing.T) {
	// A descriptor as a server gets it from whoever started it: open across exec.
	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	j := newJob(t, testConfig(t), `ls /proc/$$/fd; grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status; cat /proc/self/timerslack_ns; umask; readlink /proc/$$/fd/0; tty -s || echo no tty`)
	if x := j.wait(j.start()); x.Code != 0 {
		t.Errorf("ended with %+v", x)
	}
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(j.stdout())
	zero := "0000000000000000"
	// glibc's posix_spawn, which make uses, leaves its own signal 32 ignored in what
	// it starts. No program may ask for that signal, so no command can notice.
	if i := slices.Index(got, "SigIgn:") + 1; got[i] == "0000000080000000" {
		got[i] = zero
	}
	want := []string{"0", "1", "2", "SigBlk:", zero, "SigIgn:", zero, "SigCgt:", got[slices.Index(got, "SigCgt:")+1], strconv.Itoa(slack), "0022", "/dev/null", "no", "tty"}
	if !slices.Equal(got, want) {
		t.Errorf("the command has %q, want %q", got, want)
	}
}

// Whatever a command leaves behind has ended when the record says so, and results may be linked.
func TestTheRecordSaysThatAllHasEnded(t *testing.T) {
	for name, leave := range map[string]string{
		"nothing":             ``,
		"a child":             `sleep 1000 & echo $! >left`,
		"another session":     `setsid sh -c 'echo $$ >left; exec sleep 1000' & until [ -s left ]; do :; done`,
		"deaf to SIGTERM":     `sh -c 'trap "" TERM HUP INT; echo $$ >left; while :; do sleep 1; done' & until [ -s left ]; do :; done`,
		"stopped":             `sh -c 'echo $$ >left; kill -STOP $$' & until [ -s left ]; do :; done`,
		"without a parent":    `sh -c 'setsid sh -c "echo \$\$ >left; exec sleep 1000" &'; until [ -s left ]; do :; done`,
		"without environment": `sh -c 'env -i setsid sh -c "echo \$\$ >left; exec sleep 1000" & exit 0'; until [ -s left ]; do :; done`,
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t)
			j := newJob(t, cfg, leave+"\nexit 0")
			if x := j.wait(j.start()); x.Code != 0 {
				t.Fatalf("ended with %+v", x)
			}
			if r, ok, err := j.task.Dir.ReadExit(); !ok || err != nil || !r.Ended {
				t.Errorf("record %+v, %v, %v", r, ok, err)
			}
			left, err := os.ReadFile(filepath.Join(j.task.Dir.OutputPath(), "left"))
			if leave == "" {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat("/proc/" + strings.TrimSpace(string(left))); !os.IsNotExist(err) {
				t.Errorf("process %s still runs: %v", left, err)
			}
		})
	}
}

func TestExitRecordIsComplete(t *testing.T) {
	j := newJob(t, testConfig(t), "exit 4")
	h := j.start()
	o, ok := j.e.Started(h)
	x := j.wait(h)
	if !ok || o.State != jobsv1.State_STATE_RUNNING || o.EngineID != x.EngineID || o.Node != x.Node || !o.StartTime.Equal(x.Start) {
		t.Errorf("at the start it was seen as %+v, %v; it ended with %+v", o, ok, x)
	}
	r, ok, err := j.task.Dir.ReadExit()
	if !ok || err != nil || r.Code != 4 || r.Node == "" || r.EngineID == "" || r.Usage == nil || r.Usage.CPUs != 2 || r.Usage.MemoryBytes != 64<<20 {
		t.Errorf("record %+v, %v, %v", r, ok, err)
	}
	if x.Node != r.Node || x.EngineID != r.EngineID || x.Usage.GetMaxRssBytes() != r.Usage.MaxRSSBytes {
		t.Errorf("exit %+v is not the record %+v", x, r)
	}
	// What another version wrote, or something else destroyed, is no end.
	for _, broken := range []string{`{"code":0,"reason":"OF_ANOTHER_VERSION"}`, `{"code":`} {
		if err := os.WriteFile(filepath.Join(j.task.Dir.Path(), "exit.json"), []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		if x, err := j.e.Wait(t.Context(), handleOf(j.task.Dir), func(executor.Observation) {}); !errors.Is(err, executor.ErrLost) {
			t.Errorf("Wait() with the record %s = %+v, %v", broken, x, err)
		}
	}
}

func TestHandlesOfOthers(t *testing.T) {
	j := newJob(t, testConfig(t), "true")
	for _, h := range []executor.Handle{"", "1", "../1", "x/1"} {
		if _, err := j.e.Wait(t.Context(), h, nil); err == nil || errors.Is(err, executor.ErrLost) {
			t.Errorf("Wait(%q) = %v", h, err)
		}
		if err := j.e.Cancel(t.Context(), h); err == nil {
			t.Errorf("Cancel(%q) took it", h)
		}
	}
	if _, err := j.e.Wait(t.Context(), "99/1", nil); !errors.Is(err, executor.ErrLost) {
		t.Errorf("Wait() for a job without a folder = %v", err)
	}
	if err := j.e.Cancel(t.Context(), "99/1"); err != nil {
		t.Errorf("Cancel() of a job without a folder = %v", err)
	}
}

// Waiting costs no thread: hundreds of jobs may run for days.
func TestWaitingCostsNoThread(t *testing.T) {
	const jobs = 200
	cfg := testConfig(t)
	ctx, detach := context.WithCancel(t.Context())
	done := make(chan error, jobs)
	threads := func() int {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		return len(tasks)
	}
	before := threads()
	for n := range jobs {
		a := cfg.Folders.Job(1).Attempt(n + 1)
		if err := a.Create(); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mkfifo(filepath.Join(a.Path(), shim.AliveFile), 0o600); err != nil {
			t.Fatal(err)
		}
		alive, err := shim.OpenPrivate(a, shim.AliveFile, os.O_RDWR)
		if err != nil {
			t.Fatal(err)
		}
		defer alive.Close()
		go func() { done <- awaitEnd(ctx, a, 0) }()
	}
	detach()
	for range jobs {
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("awaitEnd() = %v", err)
		}
	}
	// Go keeps threads, so those that were needed are still there.
	if more := threads() - before; more > jobs/2 {
		t.Errorf("%d waiting jobs took %d threads", jobs, more)
	}
}

func TestWhatStartedToldIsNotObservedAgain(t *testing.T) {
	j := newJob(t, testConfig(t), "read code <hold; exit $code")
	hold := j.fifo("hold")
	h := j.start()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	look := func() (n int) { // all that Wait does before it waits
		if _, err := j.e.Wait(over, h, func(executor.Observation) { n++ }); !errors.Is(err, context.Canceled) {
			t.Errorf("Wait() = %v", err)
		}
		return n
	}
	if n := look(); n != 1 {
		t.Errorf("observed %d times while nobody had asked Started", n)
	}
	if _, ok := j.e.Started(h); !ok {
		t.Fatal("a command that runs is not known to")
	}
	if n := look(); n != 0 {
		t.Errorf("observed %d times after Started had told", n)
	}
	if _, err := hold.WriteString("5\n"); err != nil {
		t.Fatal(err)
	}
	if x := j.wait(h); x.Code != 5 {
		t.Errorf("ended with %+v", x)
	}
}

//go:build linux

package local

import (
	"bufio"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor/local/proc"
	"github.com/stint-jobs/stint/internal/executor/local/shim"
)

// next is another attempt of the same job on the same executor.
func (j *job) next(n int, script string) *job {
	j.t.Helper()
	a := j.cfg.Folders.Job(1).Attempt(n)
	if err := a.Create(); err != nil {
		j.t.Fatal(err)
	}
	other := *j
	other.task.Attempt, other.task.Dir = n, a
	other.task.Command.Argv = []string{"/bin/sh", "-c", script}
	return &other
}

// shimOf is the process that supervises or supervised the attempt.
func (j *job) shimOf() proc.Process {
	j.t.Helper()
	s, err := shim.ReadState(j.task.Dir)
	if err != nil {
		j.t.Fatal(err)
	}
	return proc.Process{PID: s.PID, Birth: s.Birth}
}

func TestAShimGoesOnToTheNextAttempt(t *testing.T) {
	// No pipe: the shell, whose files are listed, might still hold an end of it.
	const say = "grep -E 'SigIgn|SigBlk' /proc/self/status; ls /proc/$$/fd; echo $STINT_ATTEMPT; "
	first := newJob(t, testConfig(t), say+"seq 100000 | sort >/dev/null; exit 3")
	if x := first.wait(first.start()); x.Code != 3 {
		t.Fatalf("the first ended with %+v", x)
	}
	was := first.shimOf()
	if gone(was) {
		t.Fatal("the shim ended with its attempt")
	}
	second := first.next(2, say+"kill -TERM $$")
	x := second.wait(second.start())
	if x.Signal != int(unix.SIGTERM) || x.Reason != jobsv1.Reason_REASON_UNSPECIFIED {
		t.Errorf("the second ended with %+v", x)
	}
	if second.shimOf() != was {
		t.Errorf("another process supervised it")
	}
	a, b := strings.Fields(first.stdout()), strings.Fields(second.stdout())
	if len(a) != len(b) || strings.Join(a[:len(a)-1], " ") != strings.Join(b[:len(b)-1], " ") {
		t.Errorf("the first command had %q, the second %q", a, b)
	}
	if a[len(a)-1] == b[len(b)-1] {
		t.Error("both have one marker")
	}
	ends := make([]int64, 2)
	for i, j := range []*job{first, second} {
		r, ok, err := j.task.Dir.ReadExit()
		if err != nil || !ok || r.Usage == nil {
			t.Fatalf("exit record %d: %+v %v", i, r, err)
		}
		ends[i] = int64(r.Usage.CPUSeconds * 1e6)
	}
	if ends[1] >= ends[0] {
		t.Errorf("the second used %d us of processor time, the first, which did much more, %d", ends[1], ends[0])
	}
	// Idle, it has no part in either folder.
	if open := was.OpenFiles(first.cfg.Folders.Path()); len(open) > 0 {
		t.Errorf("the idle shim has %q open", open)
	}
}

// A wish to cancel an attempt that is over reaches a shim that has gone on.
func TestALateCancellationHitsNobody(t *testing.T) {
	first := newJob(t, testConfig(t), "exit 0")
	h := first.start()
	first.wait(h)
	second := first.next(2, "echo $$ >born; read code <hold; exit $code")
	hold, born := second.fifo("hold"), second.fifo("born")
	h2 := second.start()
	second.pid(born)
	if err := first.e.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	// What Cancel sends when the first ends between its look and its signal.
	if err := second.shimOf().Signal(unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if _, err := hold.WriteString("5\n"); err != nil {
		t.Fatal(err)
	}
	if x := second.wait(h2); x.Code != 5 || second.shimOf() != first.shimOf() {
		t.Errorf("the second ended with %+v", x)
	}
	third := second.next(3, "echo $$ >born; sleep 1000")
	born = third.fifo("born")
	h3 := third.start()
	third.pid(born)
	if err := third.e.Cancel(t.Context(), h3); err != nil {
		t.Fatal(err)
	}
	if x := third.wait(h3); x.Reason != jobsv1.Reason_REASON_CANCELLED_BY_OWNER {
		t.Errorf("the third ended with %+v", x)
	}
}

func TestAnIdleShimThatWasKilledIsReplaced(t *testing.T) {
	first := newJob(t, testConfig(t), "exit 0")
	first.wait(first.start())
	was := first.shimOf()
	for n, sig := range []unix.Signal{unix.SIGKILL, unix.SIGTERM} {
		if err := was.Signal(sig); err != nil {
			t.Fatal(err)
		}
		first.untilGone(was)
		j := first.next(2+n, "exit 4")
		if x := j.wait(j.start()); x.Code != 4 || j.shimOf() == was {
			t.Errorf("after %v: %+v", sig, x)
		}
		was = j.shimOf()
	}
}

func TestManyAttemptsHaveFewShims(t *testing.T) {
	first := newJob(t, testConfig(t), "exit 0")
	first.wait(first.start())
	shims := map[proc.Process]bool{first.shimOf(): true}
	for n := range 30 {
		j := first.next(2+n, "(sleep 1000 & ) ; echo out; echo err >&2; exit 1")
		if x := j.wait(j.start()); x.Code != 1 || j.stdout() != "out\n" {
			t.Fatalf("attempt %d ended with %+v and said %q", 2+n, x, j.stdout())
		}
		shims[j.shimOf()] = true
	}
	if len(shims) != 1 {
		t.Errorf("%d shims for attempts one after the other", len(shims))
	}
	idleFDs := func() int { // once it has let go of the attempt
		t.Helper()
		for p := first.shimOf(); ; runtime.Gosched() {
			if len(p.OpenFiles(first.cfg.Folders.Path())) == 0 {
				fds, err := os.ReadDir("/proc/" + strconv.Itoa(p.PID) + "/fd")
				if err != nil {
					t.Fatal(err)
				}
				return len(fds)
			}
		}
	}
	if n := idleFDs(); n > 12 {
		t.Errorf("after 31 attempts the idle shim has %d files open", n)
	}
	var ends []func()
	for n := range 2 * mostIdle { // at a time
		j := first.next(100+n, "read x <hold")
		hold, h := j.fifo("hold"), j.start()
		ends = append(ends, func() {
			if _, err := hold.WriteString("\n"); err != nil {
				t.Error(err)
			}
			j.wait(h)
		})
	}
	for _, end := range ends {
		end()
	}
	first.e.mu.Lock()
	defer first.e.mu.Unlock()
	if len(first.e.idle) != mostIdle || len(first.e.shims) != 0 {
		t.Errorf("%d shims are idle and %d at work", len(first.e.idle), len(first.e.shims))
	}
}

func TestAnIdleShimEndsWithTheServer(t *testing.T) {
	cfg := testConfig(t)
	j := newJob(t, cfg, "")
	server := exec.Command("/proc/self/exe", "server", cfg.Folders.Path(), "exit 6")
	server.Stderr = t.Output()
	in, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	h, err := j.e.Find(t.Context(), j.task)
	if err != nil {
		t.Fatal(err)
	}
	if x := j.wait(h); x.Code != 6 || gone(j.shimOf()) {
		t.Errorf("it ended with %+v", x)
	}
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()
	j.untilGone(j.shimOf())
}

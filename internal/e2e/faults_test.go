package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// ended wants what is true of every job that has ended: its attempts are closed, and times stand in order.
func ended(t *testing.T, j *jobsv1.Job) {
	t.Helper()
	if j.GetCompleteTime() == nil {
		t.Errorf("job %s is %v and has no end", j.GetId(), j.GetState())
	}
	if (j.GetState() == jobsv1.State_STATE_CANCELLED) != (j.GetReason() == jobsv1.Reason_REASON_CANCELLED_BY_OWNER) {
		t.Errorf("job %s is %v for %v", j.GetId(), j.GetState(), j.GetReason())
	}
	for _, a := range j.GetAttempts() {
		if a.GetCompleteTime() == nil {
			t.Errorf("job %s is %v and its attempt %d goes on", j.GetId(), j.GetState(), a.GetNumber())
		}
	}
	last := j.GetHistory()[len(j.GetHistory())-1]
	if last.GetState() != j.GetState() || last.GetReason() != j.GetReason() {
		t.Errorf("job %s is %v, and its history ends with %v", j.GetId(), j.GetState(), last)
	}
}

// want wants a job to end in a state, for a reason.
func (h *hostile) want(t *testing.T, id string, state jobsv1.State, reason jobsv1.Reason) *jobsv1.Job {
	t.Helper()
	j := h.until(id, state)
	if j.GetReason() != reason {
		t.Errorf("job %s: %v %q, want %v", id, j.GetReason(), j.GetMessage(), reason)
	}
	ended(t, j)
	t.Logf("says: %q", j.GetMessage())
	return j
}

// Whatever is killed, the job ends in a way that says so, and nothing of it is left.
func TestProcessesAreKilled(t *testing.T) {
	h := newHostile(t, "--cpus", "8", "--grace", "200ms")
	running := func(j *jobsv1.Job) (id string, shim int) {
		id = h.submit("ann", j)
		h.until(id, jobsv1.State_STATE_RUNNING)
		attempts := h.get(id).GetAttempts()
		shim, err := strconv.Atoi(attempts[len(attempts)-1].GetEngineId())
		if err != nil {
			t.Fatal(err)
		}
		return id, shim
	}
	kill := func(pid int, sig syscall.Signal) {
		if err := syscall.Kill(pid, sig); err != nil {
			t.Error(err)
		}
	}
	t.Run("shim", func(t *testing.T) {
		j := misbehave("wait")
		j.Retry = &jobsv1.RetryPolicy{MaxAttempts: 2, Backoff: durationpb.New(0)}
		id, shim := running(j)
		command := h.written(t, id, 1, "pid", 1)[0]
		kill(shim, syscall.SIGKILL)
		second := h.written(t, id, 2, "pid", 1)[0]
		gone(t, command)
		h.release()
		h.want(t, id, jobsv1.State_STATE_COMPLETED, 0)
		gone(t, second)
		a := h.get(id).GetAttempts()
		if len(a) != 2 || a[0].GetReason() != jobsv1.Reason_REASON_LOST || a[1].GetReason() != 0 || a[1].ExitCode == nil {
			t.Errorf("attempts %v", a)
		}
		if err := os.Remove(filepath.Join(h.data, "released")); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("shim for good", func(t *testing.T) {
		id, shim := running(misbehave("ignore_term"))
		command := h.written(t, id, 1, "pid", 1)[0]
		kill(shim, syscall.SIGKILL)
		h.want(t, id, jobsv1.State_STATE_FAILED, jobsv1.Reason_REASON_LOST)
		gone(t, command)
	})
	t.Run("command", func(t *testing.T) {
		id, _ := running(misbehave("wait"))
		kill(h.written(t, id, 1, "pid", 1)[0], syscall.SIGKILL)
		j := h.want(t, id, jobsv1.State_STATE_FAILED, jobsv1.Reason_REASON_SIGNALLED)
		if a := j.GetAttempts()[0]; a.GetSignal() != 9 || j.ExitCode != nil {
			t.Errorf("signal %d, exit code %v", a.GetSignal(), j.ExitCode)
		}
	})
	t.Run("deaf command", func(t *testing.T) {
		id, _ := running(misbehave("ignore_term"))
		command := h.written(t, id, 1, "pid", 1)[0]
		if _, err := h.jobs().Cancel(h.as("ann"), &jobsv1.CancelRequest{Id: id}); err != nil {
			t.Fatal(err)
		}
		j := h.want(t, id, jobsv1.State_STATE_CANCELLED, jobsv1.Reason_REASON_CANCELLED_BY_OWNER)
		gone(t, command)
		if a := j.GetAttempts()[0]; a.GetSignal() != 9 {
			t.Errorf("signal %d", a.GetSignal())
		}
	})
	t.Run("daemons", func(t *testing.T) {
		id := h.submit("ann", misbehave("daemons"))
		h.want(t, id, jobsv1.State_STATE_COMPLETED, 0)
		all := pids(t, filepath.Join(h.output(id, 1), "pids"))
		if len(all) != 3 {
			t.Errorf("%d daemons", len(all))
		}
		for _, pid := range all {
			gone(t, pid)
		}
	})
	t.Run("time limit", func(t *testing.T) {
		j := misbehave("wait")
		j.Resources = &jobsv1.Resources{TimeLimit: durationpb.New(300 * time.Millisecond)}
		id := h.submit("ann", j)
		h.want(t, id, jobsv1.State_STATE_FAILED, jobsv1.Reason_REASON_TIME_LIMIT)
		gone(t, h.written(t, id, 1, "pid", 1)[0])
	})
	t.Run("server stopped for a while", func(t *testing.T) {
		id, _ := running(misbehave("wait"))
		command := h.written(t, id, 1, "pid", 1)[0]
		kill(h.cmd.Process.Pid, syscall.SIGSTOP)
		h.release()
		gone(t, command) // the job ended without it
		kill(h.cmd.Process.Pid, syscall.SIGCONT)
		h.want(t, id, jobsv1.State_STATE_COMPLETED, 0)
	})
	h.stop()
	h.check()
}

// written waits until a job has written so many numbers into a file of its output.
func (h *hostile) written(t *testing.T, id string, attempt int, name string, n int) []int {
	t.Helper()
	path := filepath.Join(h.output(id, attempt), name)
	for range 20_000 {
		if b, err := os.ReadFile(path); err == nil && bytes.Count(b, []byte("\n")) >= n {
			return pids(t, path)
		}
		moment() // a foreign process gives no signal
	}
	t.Fatalf("%s was not written", path)
	return nil
}

// Cancellations that race with each other, with the start and with the end
// leave every job in one final state, once.
func TestCancelsRace(t *testing.T) {
	h := newHostile(t, "--cpus", "4", "--grace", "1s")
	const jobs = 60
	var wg sync.WaitGroup
	ids := make([]string, jobs)
	for i := range jobs {
		wg.Go(func() {
			j := appendJob(0)
			if i%4 == 0 {
				j = appendJob(30)
			}
			id := h.submit("ann", j)
			ids[i] = id
			if i%3 == 0 { // not before it runs
				h.started(id)
			}
			var two sync.WaitGroup
			for range 2 {
				two.Go(func() {
					if _, err := h.jobs().Cancel(h.as("ann"), &jobsv1.CancelRequest{Id: id}); err != nil {
						t.Error(err)
					}
				})
			}
			two.Wait()
		})
	}
	wg.Wait()
	waitUntilFinal(h.as("op"), h.server)
	states := make(map[jobsv1.State]int)
	for i, id := range ids {
		j := h.get(id)
		ended(t, j)
		states[j.GetState()]++
		if st := j.GetState(); st != jobsv1.State_STATE_CANCELLED && (st != jobsv1.State_STATE_COMPLETED || i%4 == 0) {
			t.Errorf("job %s: %v %v %q", id, st, j.GetReason(), j.GetMessage())
		}
		if n := h.runs()[id]; n > 1 || len(j.GetAttempts()) > 1 {
			t.Errorf("job %s ran %d times in %d attempts", id, n, len(j.GetAttempts()))
		}
	}
	t.Log(states)
	h.stop()
	h.check()
}

// started waits until a job runs or has ended.
func (h *hostile) started(id string) {
	h.Helper()
	stream, err := h.jobs().WatchStatus(h.as("op"), &jobsv1.WatchStatusRequest{Id: id, UntilFinal: true})
	for err == nil {
		var m *jobsv1.WatchStatusResponse
		if m, err = stream.Recv(); err == nil && m.GetJob() != nil && m.GetJob().GetState() != jobsv1.State_STATE_QUEUED {
			return
		}
	}
	if !errors.Is(err, io.EOF) {
		h.Error(err)
	}
}

// A command that writes 200 MB is kept to its cap, what is kept is where it
// says it is, and the server does not grow by reading it.
func TestFloodOfOutput(t *testing.T) {
	h := newHostile(t, "--output-head", "1M", "--output-tail", "512K")
	id := h.submit("ann", misbehave("flood"))
	h.want(t, id, jobsv1.State_STATE_COMPLETED, 0)
	before := h.peak()
	stream, err := h.jobs().StreamLogs(h.as("ann"), &jobsv1.StreamLogsRequest{Id: id, Stream: jobsv1.LogStream_LOG_STREAM_STDOUT})
	kept, last := int64(0), int64(0)
	for err == nil {
		var m *jobsv1.StreamLogsResponse
		if m, err = stream.Recv(); err != nil {
			break
		}
		kept += int64(len(m.GetData()))
		last = m.GetOffset() + int64(len(m.GetData()))
		for i := (64 - m.GetOffset()%64) % 64; i+64 <= int64(len(m.GetData())); i += 64 {
			line := fmt.Sprintf("%063d\n", (m.GetOffset()+i)/64)
			if got := string(m.GetData()[i : i+64]); got != line {
				t.Fatalf("at %d: %q", m.GetOffset()+i, got)
			}
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if last != 64*3276800 || kept < 1<<20 || kept > 4<<20 {
		t.Errorf("ends at %d, %d bytes kept", last, kept)
	}
	if grown := h.peak() - before; grown > 64<<10 {
		t.Errorf("the server grew by %d KiB", grown)
	}
}

// peak is the most memory that the server ever had, in KiB.
func (h *hostile) peak() int {
	h.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.cmd.Process.Pid))
	if err != nil {
		h.Fatal(err)
	}
	_, after, _ := strings.Cut(string(b), "VmHWM:")
	n, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		h.Fatal(err)
	}
	return n
}

// Inputs and names of a job that waits can change under it.
func TestFilesChangeUnderWaitingJobs(t *testing.T) {
	h := newHostile(t, "--cpus", "1")
	first := h.submit("ann", misbehave("wait"))
	h.until(first, jobsv1.State_STATE_RUNNING)
	if resp, body := h.rest("ann", call{method: "PUT", path: "/v1/workspace/in.txt", body: strings.NewReader("x"), length: 1}); resp.StatusCode >= 300 {
		t.Fatalf("%s %s", resp.Status, body)
	}
	reads := appendJob(0)
	reads.Parameters.Fields["file"] = structpb.NewStringValue("/in.txt")
	missing := h.submit("ann", reads)
	named := appendJob(0)
	named.OutputName = "same"
	one, two := h.submit("ann", named), h.submit("ann", named)
	if resp, body := h.rest("ann", call{method: "DELETE", path: "/v1/workspace/in.txt"}); resp.StatusCode >= 300 {
		t.Fatalf("%s %s", resp.Status, body)
	}
	h.release()
	j := h.want(t, missing, jobsv1.State_STATE_FAILED, jobsv1.Reason_REASON_INPUT_MISSING)
	if !strings.Contains(j.GetMessage(), "/in.txt") || !strings.Contains(j.GetMessage(), "file") || len(j.GetAttempts()) != 1 {
		t.Errorf("%q, %d attempts", j.GetMessage(), len(j.GetAttempts()))
	}
	a, b := h.want(t, one, jobsv1.State_STATE_COMPLETED, 0), h.want(t, two, jobsv1.State_STATE_COMPLETED, 0)
	if a.GetResultFolder() != "/jobs/same" || b.GetResultFolder() != "/jobs/same-"+two {
		t.Errorf("results in %q and %q", a.GetResultFolder(), b.GetResultFolder())
	}
}

// Very many very short jobs all end, and none runs twice.
func TestManyTinyJobs(t *testing.T) {
	many := 100 // STINT_E2E_JOBS=1000 takes about a minute
	if n, err := strconv.Atoi(os.Getenv("STINT_E2E_JOBS")); err == nil {
		many = n
	}
	h := newHostile(t, "--cpus", "8")
	req := &jobsv1.BatchSubmitRequest{}
	for range many {
		req.Jobs = append(req.Jobs, appendJob(0))
	}
	if _, err := h.jobs().BatchSubmit(h.as("ann"), req); err != nil {
		t.Fatal(err)
	}
	waitUntilFinal(h.as("op"), h.server)
	sum, err := h.jobs().Summarize(h.as("ann"), &jobsv1.SummarizeRequest{})
	if err != nil || sum.GetSummary().GetTotal().GetCompleted() != int64(many) {
		t.Errorf("%v, %v", sum, err)
	}
	runs := h.runs()
	for id, n := range runs {
		if n != 1 {
			t.Errorf("job %s ran %d times", id, n)
		}
	}
	if len(runs) != many {
		t.Errorf("%d jobs ran", len(runs))
	}
}

// A disk that fills takes nobody along: jobs and submits fail in clear words,
// what can be read is read, and with room and a restart all goes on.
func TestDiskFills(t *testing.T) {
	data := t.TempDir()
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=40m"); err != nil {
		t.Skipf("cannot mount a small disk here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(data, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	h := newHostileOn(t, data, "--min-free-space", "0")
	whole := h.submit("ann", appendJob(0))
	h.until(whole, jobsv1.State_STATE_COMPLETED)
	full := h.submit("ann", misbehave("fill"))
	zeros := filepath.Join(h.output(full, 1), "zeros")
	gone(t, h.written(t, full, 1, "pid", 1)[0])
	var refused error
	for n := 0; refused == nil; n++ {
		if n == 20_000 {
			t.Fatal("the disk is not full, or nobody minds")
		}
		_, refused = h.jobs().Submit(h.as("ann"), &jobsv1.SubmitRequest{Job: misbehave("nothing")})
	}
	judge(t, status.Convert(refused).Proto(), "NO_SPACE", "")
	if _, err := h.jobs().List(h.as("ann"), &jobsv1.ListRequest{}); err != nil {
		t.Errorf("reading on a full disk: %v", err)
	}
	if got := h.health(); got != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health %v", got)
	}
	if err := os.Remove(zeros); err != nil {
		t.Fatal(err)
	}
	for n := 0; refused != nil; n++ { // the same process takes jobs again by itself
		if n == 200_000 {
			t.Fatal("the room is not seen")
		}
		_, refused = h.jobs().Submit(h.as("ann"), &jobsv1.SubmitRequest{Job: misbehave("nothing")})
	}
	waitUntilFinal(h.as("op"), h.server)
	j := h.get(full)
	ended(t, j)
	if j.GetReason() != jobsv1.Reason_REASON_DISK_FULL && j.GetReason() != jobsv1.Reason_REASON_EXIT_NONZERO {
		t.Errorf("%v %q", j.GetReason(), j.GetMessage())
	}
	h.until(h.submit("ann", appendJob(0)), jobsv1.State_STATE_COMPLETED)
	h.stop()
	h.check()
}

// A disk that is nearly full takes nothing new and starts nothing, says so, and goes on by itself when there is room.
func TestDiskIsNearlyFull(t *testing.T) {
	data := t.TempDir()
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("cannot mount a small disk here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(data, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	h := newHostileOn(t, data, "--cpus", "1", "--min-free-space", "24M")
	running := h.submit("ann", misbehave("wait"))
	h.until(running, jobsv1.State_STATE_RUNNING)
	waiting := h.submit("ann", appendJob(0))
	ballast := filepath.Join(data, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 44<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var refused error
	for n := 0; refused == nil; n++ {
		if n == 20_000 {
			t.Fatal("nobody minds that the disk is nearly full")
		}
		_, refused = h.jobs().Submit(h.as("bob"), &jobsv1.SubmitRequest{Job: misbehave("nothing")})
	}
	judge(t, status.Convert(refused).Proto(), "NO_SPACE", "")
	resp, body := h.rest("ann", call{method: "PUT", path: "/v1/workspace/x", body: strings.NewReader("x"), length: 1})
	refusedAs(t, resp, body, http.StatusInsufficientStorage, "NO_SPACE")
	h.release()
	h.until(running, jobsv1.State_STATE_COMPLETED) // what runs ends as it should
	h.says(waiting, jobsv1.Reason_REASON_WAITING_FOR_SPACE, "disk")
	if got := h.health(); got != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health %v", got)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	h.until(waiting, jobsv1.State_STATE_COMPLETED)
	for n := 0; refused != nil; n++ {
		if n == 20_000 {
			t.Fatal("the room is not seen")
		}
		_, refused = h.jobs().Submit(h.as("bob"), &jobsv1.SubmitRequest{Job: appendJob(0)})
	}
	waitUntilFinal(h.as("op"), h.server)
}

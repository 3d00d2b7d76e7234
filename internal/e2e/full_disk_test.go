package e2e_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/status"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// roomSeen is within what time a server takes jobs again when there is room: it is five seconds, on a machine of its own.
const roomSeen = 20 * time.Second

// smallDisk is a file system in memory of so many bytes, as mount has it; further options of the mount may follow.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("cannot mount a small disk here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// watched are the states that a watch has shown.
type watched struct {
	mu  sync.Mutex
	all map[string]jobsv1.State
}

// watching notes what a watch of all jobs shows, until the test ends.
func (h *hostile) watching() *watched {
	h.Helper()
	stream, err := h.jobs().WatchStatus(h.as("ann"), &jobsv1.WatchStatusRequest{})
	if err != nil {
		h.Fatal(err)
	}
	s := &watched{all: make(map[string]jobsv1.State)}
	go func() {
		for {
			m, err := stream.Recv()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.all[m.GetJob().GetId()] = m.GetJob().GetState()
			s.mu.Unlock()
		}
	}()
	return s
}

func (s *watched) state(id string) jobsv1.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[id]
}

// fills has a job fill the disk and waits until nothing is taken any more.
func (h *hostile) fills(t *testing.T) (filler string) {
	t.Helper()
	filler = h.submit("ann", misbehave("fill_a_while"))
	h.until(filler, jobsv1.State_STATE_RUNNING)
	for began := time.Now(); time.Since(began) < time.Minute; {
		_, err := h.jobs().Submit(h.as("bob"), &jobsv1.SubmitRequest{Job: misbehave("nothing")})
		if err != nil {
			judge(t, status.Convert(err).Proto(), "NO_SPACE", "")
			return filler
		}
		moment()
	}
	t.Fatal("nobody minds that the disk is full")
	return ""
}

// touch makes an empty file, which needs no block.
func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// removed waits until a file is no more.
func removed(t *testing.T, path string) {
	t.Helper()
	for range 20_000 {
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
			return
		}
		moment() // a foreign process gives no signal
	}
	t.Fatalf("%s is still there", path)
}

// takesJobsAgain returns how long that took.
func (h *hostile) takesJobsAgain(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		_, err := h.jobs().Submit(h.as("bob"), &jobsv1.SubmitRequest{Job: misbehave("nothing")})
		took := time.Since(began)
		switch {
		case err == nil:
			return took
		case took > roomSeen:
			t.Fatalf("there is room for %s, and still: %v", took, err)
		case reasonOf(status.Convert(err).Proto()) != "NO_SPACE":
			t.Errorf("%v", err)
		}
		moment()
	}
}

// While a job fills the disk, calls are refused in words, reads and watches go on and the ends of jobs that run are kept. The
// same process takes jobs again when there is room, and stops in good order when there is none.
func TestTheDiskIsFullForAMoment(t *testing.T) {
	full := 2 * time.Second
	if long() {
		full = 8 * time.Second
	}
	data := smallDisk(t, "48m")
	h := newHostileOn(t, data, "--cpus", "4", "--min-free-space", "2M", "--drain-timeout", drainTime.String())
	running := h.submit("ann", misbehave("wait"))
	h.until(running, jobsv1.State_STATE_RUNNING)
	watch := h.watching()
	filler := h.fills(t)
	touch(t, filepath.Join(data, "released"))
	writes := make(map[string]int)
	for began := time.Now(); time.Since(began) < full || watch.state(running) != jobsv1.State_STATE_COMPLETED; {
		_, err := h.jobs().Submit(h.as("bob"), &jobsv1.SubmitRequest{Job: misbehave("nothing")})
		writes[reasonOf(status.Convert(err).Proto())]++
		if _, err := h.jobs().List(h.as("ann"), &jobsv1.ListRequest{}); err != nil {
			t.Fatalf("reading on a full disk: %v", err)
		}
		if _, err := h.jobs().Get(h.as("op"), &jobsv1.GetRequest{Id: running}); err != nil {
			t.Fatalf("an operator reads the job of another on a full disk: %v", err)
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("the watch shows the job that ended as %v, %v", watch.state(running), writes)
		}
		moment()
	}
	h.refusedUntilThereIsRoom(t, writes)
	pid := h.cmd.Process.Pid
	touch(t, filepath.Join(data, "emptied"))
	removed(t, filepath.Join(h.output(filler, 1), "zeros"))
	took := h.takesJobsAgain(t)
	h.readsAreAudited(t, running)
	h.until(filler, jobsv1.State_STATE_COMPLETED)
	t.Logf("writes while it was full, by the reason of the refusal: %v; it took jobs again after %s", writes, took)
	if h.cmd.Process.Pid != pid || h.over(0) {
		t.Error("it is another process")
	}
	if err := errors.Join(os.Remove(filepath.Join(data, "emptied")), os.Remove(filepath.Join(data, "released"))); err != nil {
		t.Fatal(err)
	}
	h.stopsWhileFull(t, data)
}

// readsAreAudited waits until the audit has what an operator read of a job.
func (h *hostile) readsAreAudited(t *testing.T, id string) {
	t.Helper()
	for began := time.Now(); time.Since(began) < roomSeen; moment() {
		list, err := adminv1.NewAdminServiceClient(h.conn).ListAudit(h.as("op"), &adminv1.ListAuditRequest{JobId: id})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list.GetEntries() {
			if e.GetMethod() == jobsv1.JobService_Get_FullMethodName && e.GetUser() == "op" {
				return
			}
		}
	}
	t.Error("the audit does not have what an operator read on the full disk")
}

// refusedUntilThereIsRoom wants some writes to have been refused, and none for another reason than the disk.
func (h *hostile) refusedUntilThereIsRoom(t *testing.T, writes map[string]int) {
	t.Helper()
	for reason := range writes {
		if reason != "" && reason != "NO_SPACE" {
			t.Errorf("writes %v", writes)
		}
	}
	if writes["NO_SPACE"] == 0 {
		t.Errorf("no write was refused: %v", writes)
	}
}

// stopsWhileFull stops the server on a full disk and starts it again with room.
func (h *hostile) stopsWhileFull(t *testing.T, data string) {
	t.Helper()
	running := h.submit("ann", misbehave("wait"))
	h.until(running, jobsv1.State_STATE_RUNNING)
	filler := h.fills(t)
	if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	h.ends(exitOK)
	said := len(h.log.String())
	_, err := h.launch() // on a disk that is full it serves or says so
	text := h.log.String()[said:]
	if err == nil {
		h.stop()
	} else if code := h.finish(endTime); code == exitOK || !strings.Contains(text, "no space") {
		t.Errorf("exit code %d\n%s", code, text)
	}
	t.Logf("a start on the full disk: served %v", err == nil)
	touch(t, filepath.Join(data, "emptied"))
	touch(t, filepath.Join(data, "released"))
	h.check()
	h.start()
	h.until(running, jobsv1.State_STATE_COMPLETED)
	h.until(filler, jobsv1.State_STATE_COMPLETED)
	h.takesJobsAgain(t)
	waitUntilFinal(h.as("op"), h.server)
	h.stop()
	h.check()
}

// Whatever call says that there is no space, nothing is lost and the same process goes on when there is.
func TestNoSpaceFromAnyCall(t *testing.T) {
	needStrace(t)
	files := []string{"state/jobs.db", "state/jobs.db.probe", "state/jobs.db.reserve"}
	tests := []injection{
		{calls: "pwrite64", errno: "EDQUOT", when: "1+", files: files},
		{calls: "fdatasync,fsync", errno: "ENOSPC", when: "1+", files: files},
	}
	s := newServer(t, "--cpus", "1", "--drain-timeout", drainTime.String())
	p := &promises{all: make(map[string]*promise)}
	for n, i := range tests {
		s.untilFinal(time.Minute) // a commit that had written its meta page would have another outcome
		tr := s.inject(t, i)
		name := string(rune('a' + n))
		s.loadUntilOver(t, p, name, 12)
		if s.over(0) {
			t.Fatalf("%s: the server ended with exit code %d", i, s.finish(endTime))
		}
		if _, err := s.jobs().List(t.Context(), &jobsv1.ListRequest{}); err != nil {
			t.Errorf("%s: reading: %v", i, err)
		}
		hits := tr.detach()
		began := time.Now()
		for !p.ask(t.Context(), t, s, name+"-again", 1) {
			if time.Since(began) > roomSeen {
				t.Fatalf("%s: it takes no jobs", i)
			}
			moment()
		}
		t.Logf("%s: %d calls failed; it took jobs again after %s", i, hits, time.Since(began))
		if hits == 0 {
			t.Errorf("%s: no call failed", i)
		}
	}
	if p.sums.refused == 0 || p.sums.unknown > 0 {
		t.Errorf("requests %+v", p.sums)
	}
	s.stop()
	s.check()
	s.start()
	p.keptBy(t, s)
	t.Logf("requests %+v", p.sums)
	s.untilFinal(time.Minute)
}

// A file system that turns read-only under the server, as ext4 does after an error, ends it with its exit code. The next
// start says what is wrong, and once it can be written again everything is there.
func TestTheDiskTurnsReadOnly(t *testing.T) {
	state, device := errorDisk(t)
	s := &server{TB: t, data: t.TempDir(), flags: []string{"--state", filepath.Join(state, "state"), "--min-free-space", "1M", "--cpus", "1", "--drain-timeout", drainTime.String()}}
	newServerWith(t, s)
	p := &promises{all: make(map[string]*promise)}
	p.load(t.Context(), t, s, "before", 4)
	if err := os.WriteFile(filepath.Join("/sys/fs/ext4", filepath.Base(device), "trigger_fs_error"), []byte("stint"), 0); err != nil {
		t.Skip(err)
	}
	s.loadUntilOver(t, p, "after", 12)
	s.ends(exitStorage)
	said := len(s.log.String())
	if _, err := s.launch(); err == nil {
		t.Error("it starts on a file system that cannot be written")
	}
	if code := s.finish(endTime); code != exitStorage || !strings.Contains(s.log.String()[said:], "read-only file system") {
		t.Errorf("exit code %d\n%s", code, s.log.String()[said:])
	}
	t.Logf("says: %s", s.log.String()[said:])
	remount(t, state, device)
	if out, code := run(t, "stintd", "check", "--state", filepath.Join(state, "state"), "--data", s.data); code != exitOK {
		t.Errorf("check: %s", out)
	}
	s.start()
	p.keptBy(t, s)
	t.Logf("requests %+v", p.sums)
	s.untilFinal(time.Minute)
	s.stop()
}

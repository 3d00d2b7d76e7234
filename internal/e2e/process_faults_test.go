package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// A start while the database is compacted waits or is refused. Either way what was acknowledged is there afterwards.
func TestACompactionBesideAStart(t *testing.T) {
	needStrace(t)
	s := newServer(t)
	p := &promises{all: make(map[string]*promise)}
	p.load(t.Context(), t, s, "before", 4)
	s.untilFinal(time.Minute)
	s.stop()
	compact := exec.CommandContext(t.Context(), "strace", "-f", "-o", filepath.Join(t.TempDir(), "strace"),
		"-e", "inject=rename,renameat,renameat2:delay_enter=3s", filepath.Join(bin, "stintd"), "compact", "--data", s.data)
	if err := compact.Start(); err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ { // until the new file waits for its name
		found, err := filepath.Glob(filepath.Join(s.data, "state", "jobs.db.*partial*"))
		if err != nil || n == 20_000 {
			t.Fatalf("the compaction made no file: %v", err)
		}
		if len(found) > 0 {
			break
		}
		moment()
	}
	said := len(s.log.String())
	if _, err := s.launch(); err != nil {
		if code, text := s.finish(endTime), s.log.String()[said:]; code != exitLocked || !strings.Contains(text, "another stintd uses the folder") {
			t.Errorf("exit code %d\n%s", code, text)
		}
	} else {
		p.load(t.Context(), t, s, "beside", 4)
		s.stop()
	}
	if err := compact.Wait(); err != nil {
		t.Errorf("compact: %v", err)
	}
	s.check()
	s.start()
	p.keptBy(t, s)
	s.untilFinal(time.Minute)
}

// A server that stands still for a while, as on a machine that swaps, goes on where it was.
func TestAServerStandsStill(t *testing.T) {
	s := newServer(t, "--cpus", "4")
	p := &promises{all: make(map[string]*promise)}
	loaded := make(chan struct{})
	go func() { defer close(loaded); p.load(t.Context(), t, s, "still", 6) }()
	for range 3 {
		for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
			if err := s.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if s.over(300 * time.Millisecond) {
				t.Fatal("the server ended")
			}
		}
	}
	<-loaded
	if p.sums.acknowledged != len(p.all) {
		t.Errorf("requests %+v", p.sums)
	}
	s.stop()
	s.check()
	s.start()
	p.keptBy(t, s)
	s.untilFinal(time.Minute)
}

// plainProgram builds the server without the race detector.
func plainProgram(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "stintd")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, "github.com/stint-jobs/stint/cmd/stintd")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// With little address space a server works, or ends and says what there is not enough of.
func TestLittleAddressSpace(t *testing.T) {
	program := plainProgram(t) // the race detector takes terabytes of addresses
	limits := []string{"1000000000", "64000000000"}
	if long() {
		limits = append(limits, "200000000", "2000000000", "4000000000", "16000000000")
	}
	served := 0
	for _, limit := range limits {
		s := &server{TB: t, data: t.TempDir(), program: program, address: "127.0.0.1:0", log: &lockedBuffer{}}
		line, err := s.launch("prlimit", "--as="+limit)
		if err != nil {
			code := s.finish(endTime)
			text := s.log.String()
			t.Logf("with %s bytes: exit code %d, %.300s", limit, code, text)
			if code == exitOK || !strings.Contains(text, "memory") && !strings.Contains(text, "address space") {
				t.Errorf("with %s bytes: exit code %d\n%s", limit, code, text)
			}
			continue
		}
		served++
		s.connect(line)
		if resp, err := s.jobs().Submit(t.Context(), &jobsv1.SubmitRequest{Job: appendJob(0)}); err != nil {
			t.Errorf("with %s bytes: %v", limit, err)
		} else {
			waitFor(t, s, resp.GetJob().GetId(), jobsv1.State_STATE_COMPLETED)
		}
		s.stop()
		_ = s.conn.Close()
	}
	if served == 0 {
		t.Error("it works with none of them")
	}
}

// starts measures how long a start takes until the server says that it serves.
func (s *server) starts() time.Duration {
	s.Helper()
	began := time.Now()
	s.start()
	return time.Since(began)
}

// How long a start takes after a kill, and after a good end, is printed, by default with 30,000 jobs; START_JOBS is
// another number. It is for `make test-long`.
func TestAStartAfterAKillTakesNoLonger(t *testing.T) {
	if !long() {
		t.Skip("STINT_TEST_LONG is not set")
	}
	const batch = 1000
	jobs := 30_000
	if n, err := strconv.Atoi(os.Getenv("START_JOBS")); err == nil {
		jobs = n
	}
	s := newServerWith(t, &server{TB: t, data: t.TempDir(), program: plainProgram(t), flags: []string{"--cpus", "1", "--max-active-per-owner", "0", "--max-active", "0"}})
	if _, err := s.jobs().Submit(t.Context(), &jobsv1.SubmitRequest{Job: appendJob(60)}); err != nil {
		t.Fatal(err)
	}
	req := &jobsv1.BatchSubmitRequest{}
	for range batch {
		req.Jobs = append(req.Jobs, appendJob(60))
	}
	for range jobs / batch {
		if _, err := s.jobs().BatchSubmit(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	var clean, killed time.Duration
	const rounds = 5
	for range rounds {
		s.stop()
		clean += s.starts()
		s.kill()
		killed += s.starts()
	}
	t.Logf("%d jobs: a start takes %s after a good end and %s after a kill, ratio %.2f", jobs, clean/rounds, killed/rounds, killed.Seconds()/clean.Seconds())
	list, err := s.jobs().List(t.Context(), &jobsv1.ListRequest{Filter: `state = RUNNING`})
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range list.GetJobs() {
		if _, err := s.jobs().Cancel(t.Context(), &jobsv1.CancelRequest{Id: j.GetId()}); err != nil {
			t.Error(err)
		}
	}
}

package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// long reports whether tests take their time, as in `make test-long`.
func long() bool { return os.Getenv("STINT_TEST_LONG") != "" }

const (
	// drainTime is what the calls of a server in these tests get when it stops.
	drainTime = 5 * time.Second
	// endTime is for the calls and then for closing, each of which gets drainTime, on a machine that others use too.
	endTime = 3 * drainTime
)

// phase is what the server does when a fault comes.
type phase int

const (
	serving  phase = iota // takes jobs, and is then told to stop
	starting              // on a folder with jobs
	fresh                 // on an empty folder
)

func (p phase) String() string { return [...]string{"serving", "starting", "fresh"}[p] }

// faultPoint is one fault of the campaign.
type faultPoint struct {
	phase
	injection
	ends bool // a server that serves ends by itself when it is hit
}

// refused reports whether a start may end with that exit code when the fault is hit.
func (p faultPoint) refused(code int) bool {
	return code == exitStorage || code == exitFailed && !p.ends
}

// faultSites are calls that the server makes on files of its state folder, as strace shows them. An ordinal counts those
// of one thread; n+ is that one and all after it, n+k every kth.
var faultSites = []struct {
	calls string
	files []string
	in    []phase
	when  []string
	ends  bool
}{
	{"fdatasync,fsync", []string{"state/jobs.db"}, []phase{serving, starting}, []string{"1", "2", "4", "2+", "1+3"}, true},
	{"pwrite64", []string{"state/jobs.db"}, []phase{serving, starting}, []string{"1", "2", "3", "5", "8", "1+", "2+5"}, true},
	{"fdatasync,fsync", []string{"state/jobs.db"}, []phase{fresh}, []string{"1", "2", "1+"}, true},
	{"pwrite64", []string{"state/jobs.db"}, []phase{fresh}, []string{"1", "2", "1+"}, true},
	{"ftruncate", []string{"state/jobs.db"}, []phase{serving}, []string{"1", "1+"}, true},
	{"fdatasync,fsync", []string{"state/jobs.db.partial", "state/jobs.db.reserve", "state"}, []phase{fresh}, []string{"1", "2", "3", "4", "5", "1+"}, false},
	{"pwrite64", []string{"state/jobs.db.partial", "state/jobs.db.reserve"}, []phase{fresh}, []string{"1", "2", "3", "40", "1+"}, false},
	{"ftruncate", []string{"state/jobs.db.partial", "state/jobs.db.reserve"}, []phase{fresh}, []string{"1", "2", "1+"}, false},
	{"rename,renameat,renameat2", []string{"state/jobs.db.partial", "state/acknowledged.json.part"}, []phase{fresh}, []string{"1", "2", "1+"}, false},
	{"rename,renameat,renameat2", []string{"state/acknowledged.json.part"}, []phase{serving, starting}, []string{"1", "1+"}, false},
	{"mkdir,mkdirat", []string{"state"}, []phase{fresh}, []string{"1"}, false},
	{"openat", []string{"state", "state/jobs.db", "state/jobs.db.partial", "state/lock", "state/jobs.db.reserve"}, []phase{starting, fresh}, []string{"1", "2", "3", "4", "1+"}, false},
	{"openat,write,fsync", []string{"state", "state/acknowledged.json.part", "state/acknowledged.json"}, []phase{serving, starting}, []string{"1", "2", "3", "4", "1+"}, false},
	{"unlink,unlinkat", []string{"state/admin.sock", "state/debug.sock"}, []phase{serving, starting}, []string{"1", "2", "1+"}, false},
	{"mmap", []string{"state/jobs.db", "state/jobs.db.partial"}, []phase{starting, fresh}, []string{"1", "2"}, false},
	{"flock", []string{"state/jobs.db", "state/jobs.db.partial", "state/lock"}, []phase{starting, fresh}, []string{"1", "2", "1+"}, false},
	{"statfs,fstat,newfstatat", []string{"state", "state/jobs.db"}, []phase{serving, starting}, []string{"1", "2", "1+"}, false},
}

// faultPoints are all of them, or so many of each phase by chance.
func faultPoints(random *rand.Rand, most int) (points []faultPoint) {
	for _, site := range faultSites {
		for _, p := range site.in {
			for _, when := range site.when {
				for _, errno := range []string{"EIO", "EROFS"} {
					points = append(points, faultPoint{p, injection{calls: site.calls, files: site.files, errno: errno, when: when}, site.ends})
				}
			}
		}
	}
	random.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
	taken := make(map[phase]int)
	return slices.DeleteFunc(points, func(p faultPoint) bool {
		taken[p.phase]++
		return taken[p.phase] > most
	})
}

// A disk that fails at any call takes nothing along that was acknowledged: the calls are told, the process ends with its
// exit code, and the next start has everything.
func TestTheDiskFails(t *testing.T) {
	needStrace(t)
	most := 2
	if long() {
		most = 1 << 20
	}
	points := faultPoints(rand.New(rand.NewPCG(7, 1)), most) //nolint:gosec // the same points each time
	s := newServer(t, "--cpus", "1", "--drain-timeout", drainTime.String())
	p := &promises{all: make(map[string]*promise)}
	count := make(map[string]int)
	for n, point := range points {
		t.Run(fmt.Sprintf("%s %s", point.phase, point.injection), func(t *testing.T) {
			s.TB = t
			var hits int
			var end string
			switch point.phase {
			case serving:
				hits, end = s.failServing(t, point, p, fmt.Sprintf("p%d", n))
			case starting:
				hits, end = s.failStarting(t, point, p, fmt.Sprintf("p%d", n))
			case fresh:
				hits, end = failFresh(t, point, fmt.Sprintf("p%d", n))
			}
			if hits == 0 {
				end = "not hit"
			}
			count[point.phase.String()+" "+end]++
			count["calls that failed"] += hits
			if point.phase != fresh {
				s.check()
				s.start()
				p.keptBy(t, s)
			}
		})
		if t.Failed() {
			break
		}
	}
	s.TB = t
	s.untilFinal(2 * time.Minute)
	for id, runs := range s.runs() {
		if runs > 1 {
			t.Errorf("job %s ran %d times", id, runs)
		}
	}
	t.Logf("%d points %v; requests %+v", len(points), count, p.sums)
}

// failServing has a fault while the server takes jobs, and if that did not end it, while it stops.
func (s *server) failServing(t *testing.T, point faultPoint, p *promises, name string) (hits int, end string) {
	t.Helper()
	tr := s.inject(t, point.injection)
	s.loadUntilOver(t, p, name, 12)
	byItself := point.ends && injected(t, tr.log) > 0
	if !byItself && !s.over(0) {
		end = "stopped, "
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
	}
	code := s.finish(endTime)
	if code != exitOK && code != exitStorage || byItself && code != exitStorage {
		t.Errorf("exit code %d, hit while it served: %v", code, byItself)
	}
	return tr.detach(), end + fmt.Sprintf("exit code %d", code)
}

// loadUntilOver gives the server so many requests of each client, or until it has ended.
func (s *server) loadUntilOver(t *testing.T, p *promises, name string, each int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), endTime)
	loaded := make(chan struct{})
	go func() { defer close(loaded); p.load(ctx, t, s, name, each) }()
	for !s.over(time.Second / 10) {
		select {
		case <-loaded:
			cancel()
			return
		default:
		}
	}
	cancel()
	<-loaded
}

// failStarting has a fault while the server starts. If it serves all the same, it is given jobs and told to stop.
func (s *server) failStarting(t *testing.T, point faultPoint, p *promises, name string) (hits int, end string) {
	t.Helper()
	s.stop()
	log := filepath.Join(t.TempDir(), "strace")
	said := len(s.log.String())
	_, err := s.launch(append([]string{"strace", "-D"}, point.args(s.data, log)...)...)
	if err == nil {
		end = "served, "
		s.loadUntilOver(t, p, name, 3)
		if !s.over(0) {
			_ = s.cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	code := s.finish(endTime)
	if err == nil && code != exitOK && code != exitStorage || err != nil && !point.refused(code) {
		t.Errorf("served: %v, exit code %d", err == nil, code)
	}
	if text := s.log.String()[said:]; err != nil && !strings.Contains(text, "stintd: ") {
		t.Errorf("the server says %q", text)
	}
	if err != nil {
		t.Logf("says: %s", s.log.String()[said:])
	}
	return injected(t, log), end + fmt.Sprintf("exit code %d", code)
}

// failFresh has a fault while a server starts for the first time. The next start finds nothing that is in its way.
func failFresh(t *testing.T, point faultPoint, name string) (hits int, end string) {
	t.Helper()
	s := &server{TB: t, data: t.TempDir(), program: filepath.Join(bin, "stintd"), address: "127.0.0.1:0", log: &lockedBuffer{}}
	s.flags = []string{"--cpus", "1", "--drain-timeout", drainTime.String()}
	log := filepath.Join(t.TempDir(), "strace")
	_, err := s.launch(append([]string{"strace", "-D"}, point.args(s.data, log)...)...)
	if err == nil {
		end = "served, "
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
	}
	code := s.finish(endTime)
	if err == nil && code != exitOK && code != exitStorage || err != nil && !point.refused(code) {
		t.Errorf("served: %v, exit code %d\n%s", err == nil, code, s.log)
	}
	if text := s.log.String(); err != nil && !strings.Contains(text, "stintd: ") {
		t.Errorf("the server says %q", text)
	}
	if err != nil {
		t.Logf("says: %s", s.log)
	}
	hits = injected(t, log)
	newServerWith(t, s)
	p := &promises{all: make(map[string]*promise)}
	p.load(t.Context(), t, s, name, 1)
	p.keptBy(t, s)
	s.untilFinal(time.Minute)
	s.stop()
	s.check()
	return hits, end + fmt.Sprintf("exit code %d", code)
}

package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// seen is what one watcher was told, over all its connections.
type seen struct {
	*testing.T
	after   string              // the last cursor
	newest  uint64              // revision of the last change
	changes map[string][]uint64 // revisions by job, in the order they came
	states  map[uint64]jobsv1.State
	resets  int
}

func newSeen(t *testing.T) *seen {
	t.Helper()
	return &seen{T: t, changes: make(map[string][]uint64), states: make(map[uint64]jobsv1.State)}
}

// frame takes in one frame. What a snapshot shows is state, not change.
func (s *seen) frame(m *jobsv1.WatchStatusResponse) {
	if m.GetRestarted() != nil {
		s.resets++
	}
	if c := m.GetJob(); c != nil && m.GetCursor() != "" {
		if c.GetRevision() <= s.newest {
			s.Errorf("change %d of job %s came after %d", c.GetRevision(), c.GetId(), s.newest)
		}
		s.newest = c.GetRevision()
		s.changes[c.GetId()] = append(s.changes[c.GetId()], c.GetRevision())
		s.states[c.GetRevision()] = c.GetState()
	}
	if m.GetCursor() != "" {
		s.after = m.GetCursor()
	}
}

// verify compares with the histories of all jobs: no transition is missing.
func (s *seen) verify(jobs []*jobsv1.Job) {
	s.Helper()
	if s.resets != 0 {
		s.Errorf("%d resets", s.resets)
	}
	for _, j := range jobs {
		if j.GetId() == "1" {
			continue // it was in the snapshot
		}
		got := make(map[uint64]bool)
		for _, r := range s.changes[j.GetId()] {
			if got[r] {
				s.Errorf("job %s: change %d came twice", j.GetId(), r)
			}
			got[r] = true
		}
		for _, h := range j.GetHistory() {
			if !got[h.GetRevision()] {
				s.Errorf("job %s: %v at %d never came", j.GetId(), h.GetState(), h.GetRevision())
			} else if s.states[h.GetRevision()] != h.GetState() {
				s.Errorf("job %s: %d came as %v, and was %v", j.GetId(), h.GetRevision(), s.states[h.GetRevision()], h.GetState())
			}
		}
	}
}

// connection reads frames until the server goes away or most were read.
type connection func(ctx context.Context, s *server, after string, most int, frame func(*jobsv1.WatchStatusResponse)) error

func overGRPC(ctx context.Context, s *server, after string, most int, frame func(*jobsv1.WatchStatusResponse)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.jobs().WatchStatus(ctx, &jobsv1.WatchStatusRequest{AfterCursor: after})
	if err != nil {
		return err
	}
	for range most {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		frame(m)
	}
	return nil
}

// errFrame is an event that no server may send, however its connections end.
var errFrame = errors.New("a wrong event")

func overSSE(ctx context.Context, s *server, after string, most int, frame func(*jobsv1.WatchStatusResponse)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url("/v1/jobs:watch"), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		return fmt.Errorf("%s %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	id := ""
	for n := 0; n < most && lines.Scan(); {
		switch field, value, _ := strings.Cut(lines.Text(), ": "); field {
		case "id":
			id = value
		case "data":
			m := &jobsv1.WatchStatusResponse{}
			if err := protojson.Unmarshal([]byte(value), m); err != nil {
				return fmt.Errorf("%w: %w: %s", errFrame, err, value)
			}
			if m.GetCursor() != id { // a snapshot has no ids until its end
				return fmt.Errorf("%w: event id %q of cursor %q", errFrame, id, m.GetCursor())
			}
			frame(m)
			id = ""
			n++
		}
	}
	return lines.Err()
}

// Watchers lose their connection at random and the server is killed and
// started again under them. In the end each was told every transition once and in order.
func TestWatchLosesNothing(t *testing.T) {
	s := newServer(t, "--cpus", "4")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// What both watch first is there already, and its snapshot is short enough for one connection.
	submitTolerant(ctx, t, s, 0)
	s.untilFinal(time.Minute)
	ways := map[string]connection{"gRPC": overGRPC, "SSE": overSSE}
	told := make(map[string]*seen)
	var watchers, ready sync.WaitGroup
	stop := make(chan string, len(ways))
	for name, way := range ways {
		w := newSeen(t)
		told[name] = w
		ready.Add(1)
		watchers.Go(func() { watchUntil(ctx, s, w, way, ready.Done, stop) })
	}
	ready.Wait()                                                   // both have had their first snapshot
	rnd := rand.New(rand.NewPCG(2, uint64(time.Now().UnixNano()))) //nolint:gosec // not a secret
	for range 4 {
		for i := range 15 {
			submitTolerant(ctx, t, s, float64(i%4)/20)
		}
		alive := time.NewTimer(time.Duration(rnd.IntN(500)) * time.Millisecond)
		<-alive.C
		s.kill()
		s.start()
	}
	s.untilFinal(2 * time.Minute)
	list, err := s.jobs().List(ctx, &jobsv1.ListRequest{PageSize: 1000, View: jobsv1.JobView_JOB_VIEW_FULL})
	if err != nil {
		t.Fatal(err)
	}
	for range ways {
		stop <- list.GetCursor()
	}
	watchers.Wait()
	for name, got := range told {
		t.Run(name, func(t *testing.T) {
			got.T = t
			got.verify(list.GetJobs())
		})
	}
	if len(list.GetJobs()) < 20 {
		t.Errorf("only %d jobs", len(list.GetJobs()))
	}
}

// watchUntil watches over many short connections until it has everything up to the cursor from stop.
func watchUntil(ctx context.Context, s *server, told *seen, way connection, first func(), stop <-chan string) {
	var begun sync.Once
	last := ""
	for n := 1; last == "" || told.after != last; n++ {
		conn, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := way(conn, s, told.after, 1+(n*7)%12, func(m *jobsv1.WatchStatusResponse) {
			told.frame(m)
			if m.GetSnapshotEnd() != nil {
				begun.Do(first)
			}
		})
		cancel()
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errFrame) {
			told.Error(err)
			begun.Do(first)
			return
		}
		select {
		case last = <-stop:
		default:
		}
	}
}

// submitTolerant submits a job; the server may be gone.
func submitTolerant(ctx context.Context, t *testing.T, s *server, seconds float64) {
	t.Helper()
	if _, err := s.jobs().Submit(ctx, &jobsv1.SubmitRequest{Job: appendJob(seconds)}); err != nil {
		t.Logf("submit: %v", err)
	}
}

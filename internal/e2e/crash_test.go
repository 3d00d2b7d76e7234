package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// appendJob is a job that counts its runs.
func appendJob(seconds float64) *jobsv1.Job {
	return &jobsv1.Job{
		Service:    "Append",
		Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{"seconds": structpb.NewNumberValue(seconds)}},
	}
}

// ledger is what the server acknowledged.
type ledger struct {
	mu sync.Mutex
	id map[string]string // job by request
}

func (l *ledger) note(t *testing.T, request, id string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if before := l.id[request]; before != "" && before != id {
		t.Errorf("request %s became job %s and later job %s", request, before, id)
	}
	l.id[request] = id
}

// The server is killed at random moments while clients submit, repeat what got
// no answer, and cancel. Every acknowledged job must be there afterwards, the
// database whole, every job ended, and none have run twice.
func TestKillAtAnyMoment(t *testing.T) {
	const clients = 4
	rounds := 8
	if n, err := strconv.Atoi(os.Getenv("KILLS")); err == nil {
		rounds = n
	}
	s := newServer(t, "--cpus", "8")
	acked := &ledger{id: make(map[string]string)}
	rnd := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano()))) //nolint:gosec // not a secret
	for round := range rounds {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for c := range clients {
			wg.Go(func() { submitUntil(ctx, t, s, acked, fmt.Sprintf("r%d-c%d", round, c)) })
		}
		alive := time.NewTimer(time.Duration(50+rnd.IntN(700)) * time.Millisecond)
		<-alive.C
		s.kill()
		cancel()
		wg.Wait()
		s.check()
		s.start()
		repeat(t, s, acked)
	}
	s.untilFinal(10 * time.Minute)
	for request, id := range acked.id {
		resp, err := s.jobs().Get(t.Context(), &jobsv1.GetRequest{Id: id})
		if err != nil {
			t.Errorf("job %s of request %s was acknowledged and is gone: %v", id, request, err)
			continue
		}
		if st := resp.GetJob().GetState(); st != jobsv1.State_STATE_COMPLETED && st != jobsv1.State_STATE_CANCELLED {
			t.Errorf("job %s ended %v: %v %q", id, st, resp.GetJob().GetReason(), resp.GetJob().GetMessage())
		}
	}
	for id, n := range s.runs() {
		if n > 1 {
			t.Errorf("job %s ran %d times", id, n)
		}
	}
	s.stop()
	s.check()
	t.Logf("%d jobs acknowledged over %d kills", len(acked.id), rounds)
}

// submitUntil submits job after job until the server goes away or ctx ends.
func submitUntil(ctx context.Context, t *testing.T, s *server, acked *ledger, name string) {
	t.Helper()
	for i := 0; ctx.Err() == nil && i < 60; i++ {
		request := name + "-" + strconv.Itoa(i)
		resp, err := s.jobs().Submit(ctx, &jobsv1.SubmitRequest{Job: appendJob(float64(i%3) / 20), RequestId: request})
		if err != nil {
			if c := status.Code(err); c != codes.Unavailable && c != codes.Canceled {
				t.Errorf("submit: %v", err)
			}
			acked.note(t, request, "") // perhaps stored: it is repeated
			return
		}
		acked.note(t, request, resp.GetJob().GetId())
		if i%7 == 3 {
			if _, err := s.jobs().Cancel(ctx, &jobsv1.CancelRequest{Id: resp.GetJob().GetId()}); err != nil && status.Code(err) != codes.Unavailable && status.Code(err) != codes.Canceled {
				t.Errorf("cancel: %v", err)
			}
		}
	}
}

// repeat sends the requests without an answer again, and some that had one.
func repeat(t *testing.T, s *server, acked *ledger) {
	t.Helper()
	acked.mu.Lock()
	again := make(map[string]string)
	for request, id := range acked.id {
		if id == "" || len(again) < 10 {
			again[request] = id
		}
	}
	acked.mu.Unlock()
	for request, id := range again {
		var round, client, i int
		if _, err := fmt.Sscanf(request, "r%d-c%d-%d", &round, &client, &i); err != nil {
			t.Fatal(err)
		}
		resp, err := s.jobs().Submit(t.Context(), &jobsv1.SubmitRequest{Job: appendJob(float64(i%3) / 20), RequestId: request})
		if err != nil {
			t.Fatalf("repeat %s: %v", request, err)
		}
		if id != "" && !resp.GetDeduplicated() {
			t.Errorf("request %s made another job", request)
		}
		acked.note(t, request, resp.GetJob().GetId())
	}
}

// A job outlives the kill of its server and is found again with its real exit code.
func TestJobOutlivesTheServer(t *testing.T) {
	s := newServer(t)
	resp, err := s.jobs().Submit(t.Context(), &jobsv1.SubmitRequest{Job: appendJob(2)})
	if err != nil {
		t.Fatal(err)
	}
	id := resp.GetJob().GetId()
	waitFor(t, s, id, jobsv1.State_STATE_RUNNING)
	s.kill()
	s.start()
	j := waitFor(t, s, id, jobsv1.State_STATE_COMPLETED)
	if len(j.GetAttempts()) != 1 || j.GetExitCode() != 0 || s.runs()[id] != 1 {
		t.Errorf("attempts %v, exit code %v, runs %d", j.GetAttempts(), j.ExitCode, s.runs()[id])
	}
}

// waitFor watches a job until it is in the state, or in a final one.
func waitFor(t *testing.T, s *server, id string, want jobsv1.State) *jobsv1.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stream, err := s.jobs().WatchStatus(ctx, &jobsv1.WatchStatusRequest{Id: id, UntilFinal: true})
	if err != nil {
		t.Fatal(err)
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			t.Fatalf("job %s never was %v: %v", id, want, err)
		}
		if m.GetJob().GetState() == want {
			break
		}
	}
	resp, err := s.jobs().Get(t.Context(), &jobsv1.GetRequest{Id: id})
	if err != nil {
		t.Fatal(err)
	}
	return resp.GetJob()
}

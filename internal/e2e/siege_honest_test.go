package e2e_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// honest is a user who submits five jobs a second, reads each, watches all, and reads results and lists now and then.
type honest struct {
	*hostile

	mu      sync.Mutex
	took    []time.Duration          // of submits, since the last look
	acked   map[string]bool          // by id: whether the watch saw it end as it should
	reads   int                      // that went well
	slowest map[string]time.Duration // by what was called
	calls   sync.WaitGroup
}

// submitEvery is how far apart the honest user's submits are.
const submitEvery = 200 * time.Millisecond

func newHonest(h *hostile) *honest {
	return &honest{hostile: h, acked: make(map[string]bool), slowest: make(map[string]time.Duration)}
}

// works submits on time, however long calls take, until ctx ends and all of them have ended.
func (u *honest) works(ctx context.Context) {
	tick := time.NewTicker(submitEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
			u.calls.Go(func() { u.submits(n) })
		case <-ctx.Done():
			u.calls.Wait()
			return
		}
	}
}

// timed makes a call that must not fail, and notes how long it took.
func (u *honest) timed(what string, call func(ctx context.Context) error) time.Duration {
	ctx, cancel := contextFor(u.as("ann"), time.Minute)
	defer cancel()
	begin := time.Now()
	err := call(ctx)
	took := time.Since(begin)
	if err != nil {
		u.Errorf("the honest user's %s failed after %s: %v", what, took, err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.slowest[what] = max(u.slowest[what], took)
	return took
}

// submits submits one job and reads it; each tenth time it reads a list, too, and a result.
func (u *honest) submits(n int) {
	id := ""
	took := u.timed("submit", func(ctx context.Context) error {
		resp, err := u.jobs().Submit(ctx, &jobsv1.SubmitRequest{Job: appendJob(0), RequestId: fmt.Sprint("honest-", n)})
		id = resp.GetJob().GetId()
		return err
	})
	if id == "" {
		return
	}
	u.mu.Lock()
	u.took = append(u.took, took)
	if _, seen := u.acked[id]; !seen {
		u.acked[id] = false
	}
	u.mu.Unlock()
	u.timed("get", func(ctx context.Context) error {
		_, err := u.jobs().Get(ctx, &jobsv1.GetRequest{Id: id})
		return err
	})
	if n%10 != 9 {
		return
	}
	var last *jobsv1.Job
	u.timed("list", func(ctx context.Context) error {
		page, err := u.jobs().List(ctx, &jobsv1.ListRequest{PageSize: 50, Filter: "state = COMPLETED"})
		if jobs := page.GetJobs(); len(jobs) > 0 {
			last = jobs[0]
		}
		return err
	})
	if last == nil {
		return
	}
	u.timed("read of a result", func(ctx context.Context) error { return u.readsResult(ctx, last.GetId()) })
}

func (u *honest) readsResult(ctx context.Context, id string) error {
	stream, err := u.jobs().ReadResult(ctx, &jobsv1.ReadResultRequest{Id: id, Path: "result.txt"})
	if err != nil {
		return err
	}
	var content []byte
	for {
		m, err := stream.Recv()
		if err == io.EOF { //nolint:errorlint // gRPC returns io.EOF itself
			break
		}
		if err != nil {
			return err
		}
		content = append(content, m.GetData()...)
	}
	if string(content) != "done\n" {
		return fmt.Errorf("the result of job %s is %q", id, content)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.reads++
	return nil
}

// watches notes which jobs a watch shows as completed, until ctx ends. The watch must not end by itself.
func (u *honest) watches(ctx context.Context, t *testing.T) {
	t.Helper()
	stream, err := u.jobs().WatchStatus(ctx, &jobsv1.WatchStatusRequest{})
	for err == nil {
		var m *jobsv1.WatchStatusResponse
		if m, err = stream.Recv(); m.GetJob().GetState() == jobsv1.State_STATE_COMPLETED {
			u.mu.Lock()
			u.acked[m.GetJob().GetId()] = true
			u.mu.Unlock()
		}
	}
	if ctx.Err() == nil {
		t.Errorf("the honest user's watch ended: %v", err)
	}
}

// look returns how long the submits since the last look took, sorted.
func (u *honest) look() []time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	took := u.took
	u.took = nil
	slices.Sort(took)
	return took
}

// quantile returns the value that a part of the sorted durations does not exceed.
func quantile(sorted []time.Duration, part float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(part*float64(len(sorted))))]
}

// keptItsWord fails the test unless each job that was acknowledged is there, has completed, was shown by the watch, and ran once.
func (u *honest) keptItsWord(t *testing.T) {
	t.Helper()
	runs := u.runs()
	for id, seen := range u.acked {
		resp, err := u.jobs().Get(u.as("op"), &jobsv1.GetRequest{Id: id})
		if err != nil || resp.GetJob().GetState() != jobsv1.State_STATE_COMPLETED || runs[id] != 1 || !seen {
			t.Errorf("job %s was acknowledged: it is %v, %v; ran %d times; the watch saw it complete: %v", id, resp.GetJob().GetState(), err, runs[id], seen)
		}
	}
}

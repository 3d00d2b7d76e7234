package server

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/storetest"
	"github.com/stint-jobs/stint/internal/workdir"
)

// cleaner is a janitor with a store and folders of its own, whose removals fail on demand. It runs in a bubble.
type cleaner struct {
	*testing.T
	*janitor
	path     string
	out      janitorLog
	tries    int
	requests int                            // submitted
	fail     func(try int, id job.ID) error // nil for those that succeed
	removed  []job.ID

	mu sync.Mutex // guards what removals read and write
}

// janitorLog collects what is logged.
type janitorLog struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *janitorLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *janitorLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newCleaner(t *testing.T) *cleaner {
	t.Helper()
	c := &cleaner{T: t, path: filepath.Join(t.TempDir(), "jobs.db")}
	folders, err := workdir.Open(filepath.Join(t.TempDir(), "jobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folders.Close() })
	c.start(folders)
	return c
}

// start opens the store and makes a new janitor, as a start of the server does.
func (c *cleaner) start(folders *workdir.Root) {
	c.Helper()
	c.janitor = newJanitor(storetest.OpenConfig(c, store.Config{Path: c.path}), folders, slog.New(slog.NewTextHandler(&c.out, nil)))
	remove := c.remove
	c.remove = func(id job.ID) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.tries++
		if c.fail != nil {
			if err := c.fail(c.tries, id); err != nil {
				return err
			}
		}
		c.removed = append(c.removed, id)
		return remove(id)
	}
}

func (c *cleaner) failWith(fail func(try int, id job.ID) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = fail
}

// restart closes the store and starts anew.
func (c *cleaner) restart() {
	c.Helper()
	storetest.Close(c, c.store, c.path)
	c.start(c.folders)
}

// jobs submits jobs with a request id, each with a folder, and cancels them.
func (c *cleaner) jobs(n int) (ids []job.ID) {
	c.Helper()
	for range n {
		c.requests++
		jobs, _, err := c.store.Submit(c.Context(), []*jobsv1.Job{{Service: "A", OutputName: "a"}},
			store.SubmitOptions{Owner: "ada", RequestID: strconv.Itoa(c.requests)})
		if err != nil {
			c.Fatal(err)
		}
		id, err := job.ParseID(jobs[0].GetId())
		if err != nil {
			c.Fatal(err)
		}
		ids = append(ids, id)
		c.folder(id, 0)
		if _, err := c.store.Update(c.Context(), store.Everyone, id, func(r *storev1.Record) error {
			r.Job.State = jobsv1.State_STATE_CANCELLED
			return nil
		}); err != nil {
			c.Fatal(err)
		}
	}
	return ids
}

// folder makes the folder of a job, in which nothing happened for a time.
func (c *cleaner) folder(id job.ID, age time.Duration) {
	c.Helper()
	d := c.folders.Job(id)
	if err := errors.Join(d.Create(), os.WriteFile(filepath.Join(d.Path(), "params.json"), nil, 0o600)); err != nil {
		c.Fatal(err)
	}
	at := time.Now().Add(-age)
	if err := os.Chtimes(d.Path(), at, at); err != nil {
		c.Fatal(err)
	}
}

func (c *cleaner) delete(ids ...job.ID) {
	c.Helper()
	if _, err := c.store.Delete(c.Context(), ids...); err != nil {
		c.Fatal(err)
	}
}

// there returns which folders are there.
func (c *cleaner) there() (ids []job.ID) {
	c.Helper()
	for some, err := range c.folders.JobGroups() {
		if err != nil {
			c.Fatal(err)
		}
		ids = append(ids, some...)
	}
	return ids
}

// want compares the folders that are there, and how many are to be removed.
func (c *cleaner) want(doomed int64, there ...job.ID) {
	c.Helper()
	if got := c.there(); !slices.Equal(got, there) {
		c.Errorf("there are folders of %v, want %v", got, there)
	}
	if got := c.store.Stats().Doomed; got != doomed {
		c.Errorf("%d folders are to be removed, want %d", got, doomed)
	}
}

// run runs the janitor while fn runs.
func (c *cleaner) run(fn func()) {
	c.Helper()
	ctx, cancel := context.WithCancel(c.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.janitor.Run(ctx) }()
	synctest.Wait()
	fn()
	cancel()
	if err := <-ended; err != nil {
		c.Error(err)
	}
}

func bubble(t *testing.T, test func(c *cleaner)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newCleaner(t)) })
}

// sleep lets time go by in a bubble, until all that is due has happened.
//
//nolint:forbidigo // fake time: a synctest bubble
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

var errBusy = errors.New("device or resource busy")

func TestFoldersOfDeletedJobsAreRemoved(t *testing.T) {
	bubble(t, func(c *cleaner) {
		c.jobs(3)
		c.delete(1)
		c.run(func() {
			c.want(0, 2, 3) // at the start
			c.delete(2)
			c.wake()
			synctest.Wait()
			c.want(0, 3) // at once
			c.delete(3)
			sleep(janitorEvery)
			c.want(0) // and without being woken
		})
		if !slices.Equal(c.removed, []job.ID{1, 2, 3}) {
			t.Errorf("removed %v", c.removed)
		}
	})
}

// A folder that cannot be removed is tried again, after waits that grow, and keeps none of the others.
func TestAFolderThatFailsIsTriedAgain(t *testing.T) {
	bubble(t, func(c *cleaner) {
		c.jobs(3)
		c.delete(1, 2, 3)
		c.fail = func(_ int, id job.ID) error {
			if id == 2 {
				return errBusy
			}
			return nil
		}
		begin := time.Now()
		c.run(func() {
			c.want(1, 2)
			sleep(time.Hour)
			if c.tries < 3+6 || c.tries > 3+20 {
				t.Errorf("it was tried %d times in an hour", c.tries-2)
			}
			c.failWith(nil)
			sleep(maxRemoveWait)
			c.want(0)
		})
		if got := c.out.String(); !strings.Contains(got, "job=2") || !strings.Contains(got, errBusy.Error()) || strings.Count(got, "\n") > 40 {
			t.Errorf("the log of %v: %s", time.Since(begin), got)
		}
	})
}

// Whichever removal fails, and however often the server starts again meanwhile, in the end all folders are gone and the
// database knows it.
func TestRemovalsThatFailByNumber(t *testing.T) {
	for n := 1; n <= 6; n++ {
		bubble(t, func(c *cleaner) {
			c.jobs(5)
			c.delete(1, 2, 4, 5)
			c.fail = func(try int, _ job.ID) error {
				if try >= n && try < n+3 {
					return errBusy
				}
				return nil
			}
			for range 3 {
				c.run(func() {})
				c.restart()
			}
			c.run(func() { sleep(janitorEvery) })
			c.want(0, 3)
		})
	}
}

// A crash between the removal of a folder and the commit that says so is made good by the next start.
func TestACrashBehindARemoval(t *testing.T) {
	bubble(t, func(c *cleaner) {
		c.jobs(2)
		c.delete(1, 2)
		if err := c.folders.Job(1).Remove(); err != nil {
			t.Fatal(err)
		}
		c.restart()
		c.run(func() {})
		c.want(0)
	})
}

// Where very many folders fail, a round ends, the log stays short, and the other folders come in later rounds.
func TestManyFoldersThatFail(t *testing.T) {
	bubble(t, func(c *cleaner) {
		const n = removeBatch + 50
		ids := c.jobs(n)
		c.delete(ids...)
		c.fail = func(_ int, id job.ID) error {
			if id <= removeBatch {
				return errBusy
			}
			return nil
		}
		c.run(func() {
			c.want(n, ids...)
			if got := strings.Count(c.out.String(), "\n"); got > maxNamedFailures+5 {
				t.Errorf("the log has %d lines", got)
			}
			sleep(2 * janitorEvery)
			c.want(removeBatch, ids[:removeBatch]...)
			c.failWith(nil)
			sleep(2 * maxRemoveWait)
			c.want(0)
		})
	})
}

// A store that cannot save does not keep folders: the database hears of them when it can.
func TestFoldersAreRemovedWhileNothingCanBeStored(t *testing.T) {
	bubble(t, func(c *cleaner) {
		ids := c.jobs(removeBatch + 1)
		c.delete(ids...)
		note := c.note
		var full atomic.Bool
		full.Store(true)
		c.note = func(ctx context.Context, ids ...job.ID) error {
			if full.Load() {
				return job.ErrNoSpace
			}
			return note(ctx, ids...)
		}
		c.run(func() {
			c.want(removeBatch + 1)
			full.Store(false)
			sleep(janitorEvery)
			c.want(0)
		})
		if got := strings.Count(c.out.String(), job.ErrNoSpace.Error()); got != 1 {
			t.Errorf("the log says it %d times: %s", got, c.out.String())
		}
	})
}

// Requests whose jobs were deleted are forgotten in time.
func TestOldRequestsAreDropped(t *testing.T) {
	bubble(t, func(c *cleaner) {
		ids := c.jobs(3)
		c.delete(ids...)
		again := func() error {
			_, _, err := c.store.Submitted(store.SubmitOptions{Owner: "ada", RequestID: "1"})
			return err
		}
		c.run(func() {
			sleep(store.RequestLife - time.Minute)
			if err := again(); !errors.Is(err, job.ErrRequestIDReused) {
				t.Errorf("within a week: %v", err)
			}
			sleep(2 * expireEvery)
			if n, err := c.store.ExpireRequests(c.Context()); n != 0 || err != nil {
				t.Errorf("the janitor left %d, %v", n, err)
			}
			if err := again(); err != nil {
				t.Errorf("after a week: %v", err)
			}
		})
	})
}

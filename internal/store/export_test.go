package store

import (
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// RefuseBatches has each batch that writes be refused with what hook returns, if that is an error.
func (s *Store) RefuseBatches(hook func() error) {
	if hook == nil {
		s.finishing.Store(nil)
		return
	}
	s.finishing.Store(&hook)
}

// WithoutSync makes nothing durable, for tests that are not about that.
func (c Config) WithoutSync() Config {
	c.kv.NoSync = true
	return c
}

// WithFiles has the database's files opened, renamed and removed by fs.
func (c Config) WithFiles(fs kv.FS) Config {
	c.kv.FS = fs
	return c
}

// WithRing sets how many changes the ring holds; a power of two.
func (c Config) WithRing(size int) Config {
	c.index.RingSize = size
	return c
}

// WithQueue sets how many writes may wait.
func (c Config) WithQueue(length int) Config {
	c.kv.QueueLength = length
	return c
}

// WithLockTimeout sets how long Open waits for another process to close the file.
func (c Config) WithLockTimeout(d time.Duration) Config {
	c.kv.LockTimeout = d
	return c
}

// WithScanBudget sets how many jobs a page looks at before its total is a lower bound.
func (c Config) WithScanBudget(jobs int) Config {
	c.index.ScanBudget = jobs
	return c
}

// WithViews keeps the results of every Match, however cheap it is.
func (c Config) WithViews() Config {
	c.index.SmallScan = -1
	return c
}

// Forge makes the index of one job say that it is in a state that its record does not have.
func (s *Store) Forge(id job.ID, state jobsv1.State) error {
	rec, err := s.Record(Everyone, id)
	if err != nil {
		return err
	}
	rec.Job.State = state
	rec.Job.Revision = s.Revision() + 1
	_, err = s.mem.index.Apply(&index.Commit{Writes: []index.Write{{Job: id, Header: file.HeaderOf(rec)}}})
	return err
}

// Views is the number of conditions whose results are kept.
func (s *Store) Views() int { return s.mem.index.Stats().Views }

// BetweenIndexAndRecords has fn called once, in the middle of the next page.
func (s *Store) BetweenIndexAndRecords(fn func()) {
	s.afterIndexRead = func() {
		s.afterIndexRead = nil
		fn()
	}
}

// FilePath is that of the database file.
func (s *Store) FilePath() string { return s.cfg.Path }

// OnCommit has hook called with the bytes of each commit. Nobody may write meanwhile.
func (s *Store) OnCommit(hook func(entry []byte)) { s.committed = hook }

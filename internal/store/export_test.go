package store

import (
	"slices"

	bolt "go.etcd.io/bbolt"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/index"
)

// FailCommits makes each commit fail with what hook returns, if that is an error.
func (s *Store) FailCommits(hook func() error) {
	s.between.Lock()
	defer s.between.Unlock()
	s.commitHook = nil
	if hook != nil {
		s.commitHook = func([]byte) error { return hook() }
	}
}

// WithRing sets how many changes the ring holds; a power of two.
func (c Config) WithRing(size int) Config {
	c.ringSize = size
	return c
}

// WithViews keeps the results of every Match, however cheap it is.
func (c Config) WithViews() Config {
	c.smallScan = -1
	return c
}

// WithoutSync makes nothing durable, for tests that are not about that.
func (c Config) WithoutSync() Config {
	c.noSync = true
	return c
}

// OpenWith is Open with more migrations.
func OpenWith(cfg Config, more ...func(*bolt.Tx) error) (*Store, error) {
	list := slices.Clone(migrations)
	for _, m := range more {
		list = append(list, m)
	}
	return openWith(cfg, list)
}

// Forge makes the index of one job say that it is in a state that its record does not have.
func (s *Store) Forge(id job.ID, state jobsv1.State) error {
	rec, err := s.Record(Everyone, id)
	if err != nil {
		return err
	}
	rec.Job.State = state
	rec.Job.Revision = s.Revision() + 1
	var c index.Commit
	c.PutJob(id, headerOf(rec))
	_, err = s.ix.Apply(&c)
	return err
}

// Views is the number of conditions whose results are kept.
func (s *Store) Views() int { return s.ix.Stats().Views }

// BetweenIndexAndRecords has fn called once, in the middle of the next page.
func (s *Store) BetweenIndexAndRecords(fn func()) {
	s.betweenReads = func() {
		s.betweenReads = nil
		fn()
	}
}

// EncodeAudit is the form in which an entry is stored.
var EncodeAudit = encodeAudit

// Follows is the hash of an entry behind h.
func (h AuditHead) Follows(entry []byte) AuditHash { return h.follows(entry) }

// How a value of the jobs bucket is made and read.
var (
	EncodeRecord = encodeRecord
	DecodeRecord = decodeRecord
)

// FilePath is that of the database file.
func (s *Store) FilePath() string { return s.cfg.Path }

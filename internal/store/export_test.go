package store

import (
	"slices"

	bolt "go.etcd.io/bbolt"
)

// FailCommits makes each commit fail with what hook answers, if that is an error.
func (s *Store) FailCommits(hook func() error) {
	s.between.Lock()
	defer s.between.Unlock()
	s.commitHook = hook
}

// WithRing sets how many changes the ring holds; a power of two.
func (c Config) WithRing(size int) Config {
	c.ringSize = size
	return c
}

// WithViews keeps the answers of every Match, however cheap it is.
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

// FlipCounter makes the index count one more job of an owner than there is.
func (s *Store) FlipCounter(owner string) {
	s.ix.mu.Lock()
	defer s.ix.mu.Unlock()
	_, w := s.ix.owners.find(owner)
	w.total[1]++
}

// Views is the number of conditions whose answers are kept.
func (s *Store) Views() int {
	s.ix.mu.RLock()
	defer s.ix.mu.RUnlock()
	return len(s.ix.views)
}

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

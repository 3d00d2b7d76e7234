package store

import bolt "go.etcd.io/bbolt"

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

// DB is the file.
func (s *Store) DB() *bolt.DB { return s.db }

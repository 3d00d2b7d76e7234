package store

import (
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// load makes everything in memory from the file.
func (s *Store) load() error {
	return s.db.View(func(tx *bolt.Tx) (err error) {
		if s.meta, err = readMeta(tx); err != nil {
			return err
		}
		if s.ix, err = buildIndex(tx); err != nil {
			return err
		}
		s.ix.revision, s.ix.purged = s.meta.revision, s.meta.purged
		s.ix.ring.start(s.cfg.ringSize, s.meta.revision)
		if n := len(s.ix.slab.chunks); n > 0 {
			last := s.ix.slab.chunks[n-1]
			s.lastTime = time.Unix(0, last.submit[last.used-1])
		}
		set := &storev1.Settings{}
		if err := proto.Unmarshal(tx.Bucket(bucketMeta).Get(keySettings), set); err != nil {
			return fmt.Errorf("read the settings: %w: %w", job.ErrStorage, err)
		}
		s.settings.Store(set)
		return nil
	})
}

// buildIndex makes the index from the hot records.
func buildIndex(tx *bolt.Tx) (*index, error) {
	ix := &index{requests: newRequests()}
	var h header
	c := tx.Bucket(bucketJobs).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if len(k) != 8 {
			return nil, fmt.Errorf("a job's key has %d bytes: %w", len(k), job.ErrStorage)
		}
		id := job.IDFromKey(k)
		if err := decodeHeader(id, v, &h); err != nil {
			return nil, damaged(id, err)
		}
		ix.add(&h)
	}
	return ix, nil
}

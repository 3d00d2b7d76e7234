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
		if err := s.loadAudit(tx); err != nil {
			return err
		}
		set := &storev1.Settings{}
		if err := proto.Unmarshal(tx.Bucket(bucketMeta).Get(keySettings), set); err != nil {
			return fmt.Errorf("read the settings: %w: %w", job.ErrStorage, err)
		}
		s.settings.Store(set)
		return s.tokens.load(tx)
	})
}

const (
	headerBlock  = 256 // headers handed over at a time
	headerBlocks = 4
)

// buildIndex makes the index from the hot records. Another goroutine reads and
// decodes them, this one adds them: each takes about half of the time.
func buildIndex(tx *bolt.Tx) (*index, error) {
	full, empty := make(chan []header, headerBlocks), make(chan []header, headerBlocks)
	for range headerBlocks {
		empty <- make([]header, headerBlock)
	}
	var failed error
	go func() {
		defer close(full)
		failed = guard(func() error { return decodeHeaders(tx, full, empty) })
	}()
	ix := &index{requests: newRequests()}
	for block := range full {
		for i := range block {
			ix.add(&block[i])
		}
		empty <- block[:headerBlock]
	}
	if failed != nil {
		return nil, failed
	}
	return ix, ix.shares.load(tx)
}

// decodeHeaders sends the headers of all records in the order of ids, in
// blocks that it takes from empty. Their texts are valid as long as the transaction.
func decodeHeaders(tx *bolt.Tx, full chan<- []header, empty <-chan []header) error {
	block, n := <-empty, 0
	c := tx.Bucket(bucketJobs).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if len(k) != 8 {
			return fmt.Errorf("a job's key has %d bytes: %w", len(k), job.ErrStorage)
		}
		id := job.IDFromKey(k)
		if err := decodeHeader(id, v, &block[n]); err != nil {
			return damaged(id, err)
		}
		if n++; n == len(block) {
			full <- block
			block, n = <-empty, 0
		}
	}
	full <- block[:n]
	return nil
}

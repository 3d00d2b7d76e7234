package store

import (
	"cmp"
	"fmt"
	"runtime"
	"time"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
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
	blockSize = 256 // records handed over at a time
	blocks    = 64  // that are under way
)

// block is some records in the order of their ids, and then their headers.
type block struct {
	n       int
	ids     [blockSize]job.ID
	records [blockSize][]byte
	headers [blockSize]header
	decoded chan error // has one value once the headers are there
}

// buildIndex makes the index from the hot records. One goroutine goes over
// them, some decode them, and this one adds them in their order: the first and
// the last take a quarter of the time each, so that a second processor halves it.
func buildIndex(tx *bolt.Tx) (*index, error) {
	empty, work, ordered := make(chan *block, blocks), make(chan *block, blocks), make(chan *block, blocks)
	for range blocks {
		empty <- &block{decoded: make(chan error, 1)}
	}
	var failed error
	go func() {
		defer close(ordered)
		defer close(work)
		failed = guard(func() error { return readRecords(tx, empty, func(b *block) { work <- b; ordered <- b }) })
	}()
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for b := range work {
				b.decoded <- guard(b.decode)
			}
		}()
	}
	ix := &index{requests: newRequests()}
	var damage error
	for b := range ordered {
		if damage = cmp.Or(damage, <-b.decoded); damage == nil {
			for i := range b.n {
				ix.add(&b.headers[i])
			}
		}
		empty <- b
	}
	if err := cmp.Or(damage, failed); err != nil {
		return nil, err
	}
	return ix, ix.shares.load(tx)
}

// readRecords hands over all records in the order of ids, in blocks that it takes from empty.
// They are valid as long as the transaction.
func readRecords(tx *bolt.Tx, empty <-chan *block, hand func(*block)) error {
	b := <-empty
	b.n = 0
	c := tx.Bucket(bucketJobs).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if len(k) != 8 {
			return fmt.Errorf("a job's key has %d bytes: %w", len(k), job.ErrStorage)
		}
		b.ids[b.n], b.records[b.n] = job.IDFromKey(k), v
		if b.n++; b.n == blockSize {
			hand(b)
			b = <-empty
			b.n = 0
		}
	}
	hand(b)
	return nil
}

// decode makes the headers. Their texts are valid as long as the records.
func (b *block) decode() error {
	for i := range b.n {
		if err := decodeHeader(b.ids[i], b.records[i], &b.headers[i]); err != nil {
			return damaged(b.ids[i], err)
		}
	}
	return nil
}

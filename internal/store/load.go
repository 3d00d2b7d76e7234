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
	"github.com/stint-jobs/stint/internal/store/index"
)

// load makes everything in memory from the file.
func (s *Store) load() error {
	return s.db.View(func(tx *bolt.Tx) (err error) {
		if s.meta, err = readMeta(tx); err != nil {
			return err
		}
		if s.ix, err = s.loadIndex(tx); err != nil {
			return err
		}
		if last := s.ix.LastSubmitTime(); last != 0 {
			s.lastTime = time.Unix(0, last)
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

// loadIndex makes an index from the file.
func (s *Store) loadIndex(tx *bolt.Tx) (*index.Index, error) {
	m, err := readMeta(tx)
	if err != nil {
		return nil, err
	}
	ix := index.New(index.Config{Now: s.now, RingSize: s.cfg.ringSize, ScanBudget: s.cfg.ScanBudget, SmallScan: s.cfg.smallScan})
	if err := loadJobs(tx, ix); err != nil {
		return nil, err
	}
	if err := loadShares(tx, ix); err != nil {
		return nil, err
	}
	ix.Start(m.revision, m.purged)
	return ix, nil
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
	headers [blockSize]storev1.Header
	decoded chan error // has one value once the headers are there
}

// loadJobs fills an index from the hot records. One goroutine goes over
// them, some decode their headers, and this one adds them in their order.
func loadJobs(tx *bolt.Tx, ix *index.Index) error {
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
	var damage error
	for b := range ordered {
		damage = cmp.Or(damage, <-b.decoded)
		for i := 0; i < b.n && damage == nil; i++ {
			damage = ix.Add(b.ids[i], &b.headers[i])
		}
		empty <- b
	}
	return cmp.Or(damage, failed)
}

// readRecords hands over all records in the order of ids, in blocks that it takes from empty.
// They are valid as long as the transaction.
func readRecords(tx *bolt.Tx, empty <-chan *block, hand func(*block)) error {
	b := <-empty
	b.n = 0
	c := tx.Bucket(bucketJobs).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		id, err := jobIDOfKey(k)
		if err != nil {
			return err
		}
		b.ids[b.n], b.records[b.n] = id, v
		if b.n++; b.n == blockSize {
			hand(b)
			b = <-empty
			b.n = 0
		}
	}
	hand(b)
	return nil
}

// decode makes the headers.
func (b *block) decode() error {
	for i := range b.n {
		if err := decodeHeader(b.ids[i], b.records[i], &b.headers[i]); err != nil {
			return err
		}
	}
	return nil
}

// loadShares adds all shares of the file to an index.
func loadShares(tx *bolt.Tx, ix *index.Index) error {
	return tx.Bucket(bucketShares).ForEach(func(k, raw []byte) error {
		id, user, err := splitShareKey(k)
		if err != nil {
			return err
		}
		sh, err := decodeShare(id, raw)
		if err != nil {
			return err
		}
		ix.AddShare(id, user, indexShare(sh))
		return nil
	})
}

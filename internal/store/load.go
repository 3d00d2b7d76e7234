package store

import (
	"cmp"
	"fmt"
	"runtime"
	"time"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// load makes everything in memory from the file.
func (s *Store) load() error {
	return s.inTx(func(tx *kv.ReadTx) (err error) {
		if s.meta, err = readMeta(tx); err != nil {
			return err
		}
		if s.ix, err = s.loadIndex(tx, s.damaged.add); err != nil {
			return err
		}
		for id, err := range s.damaged.all() {
			s.log.Error("a job is put aside: its record cannot be read", "job", id, "error", err)
		}
		if last := s.ix.LastSubmitTime(); last != 0 {
			s.lastTime = time.Unix(0, last)
		}
		if err := s.loadAudit(tx); err != nil {
			return err
		}
		set := &storev1.Settings{}
		if err := proto.Unmarshal(tx.Get(bucketMeta, keySettings), set); err != nil {
			return fmt.Errorf("read the settings: %w: %w", job.ErrStorage, err)
		}
		s.settings.Store(set)
		s.doomed.Store(countDoomed(tx))
		return s.tokens.load(tx)
	})
}

// loadIndex makes an index from the file. It calls damaged with each job whose record cannot be read, and leaves it out.
func (s *Store) loadIndex(tx *kv.ReadTx, damaged func(job.ID, error)) (*index.Index, error) {
	m, err := readMeta(tx)
	if err != nil {
		return nil, err
	}
	ix := index.New(index.Config{Now: s.now, RingSize: s.cfg.ringSize, ScanBudget: s.cfg.ScanBudget, SmallScan: s.cfg.smallScan})
	if err := loadJobs(tx, ix, damaged); err != nil {
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
	errs    [blockSize]error
	decoded chan error // has one value once the headers and errs are there
}

// loadJobs fills an index from the hot records. One goroutine goes over
// them, some decode their headers, and this one adds them in their order.
func loadJobs(tx *kv.ReadTx, ix *index.Index, damaged func(job.ID, error)) error {
	empty, work, ordered := make(chan *block, blocks), make(chan *block, blocks), make(chan *block, blocks)
	for range blocks {
		empty <- &block{decoded: make(chan error, 1)}
	}
	var failed error
	go func() {
		defer close(ordered)
		defer close(work)
		failed = kv.Guard(func() error { return readRecords(tx, empty, func(b *block) { work <- b; ordered <- b }) })
	}()
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for b := range work {
				b.decoded <- kv.Guard(b.decode)
			}
		}()
	}
	var broken error
	for b := range ordered {
		broken = cmp.Or(broken, <-b.decoded)
		for i := 0; i < b.n && broken == nil; i++ {
			if b.errs[i] != nil {
				damaged(b.ids[i], b.errs[i])
				continue
			}
			broken = ix.Add(b.ids[i], &b.headers[i])
		}
		empty <- b
	}
	return cmp.Or(broken, failed)
}

// readRecords hands over all records in the order of ids, in blocks that it takes from empty.
// They are valid as long as the transaction.
func readRecords(tx *kv.ReadTx, empty <-chan *block, hand func(*block)) error {
	b := <-empty
	b.n = 0
	c := tx.Cursor(bucketJobs)
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
		b.errs[i] = decodeHeader(b.ids[i], b.records[i], &b.headers[i])
	}
	return nil
}

// loadShares adds all shares of the file to an index.
func loadShares(tx *kv.ReadTx, ix *index.Index) error {
	return each(tx, bucketShares, func(k, raw []byte) error {
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

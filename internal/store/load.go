package store

import (
	"cmp"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/kv"
)

const (
	blockSize = 256 // records that are decoded together
	maxBlocks = 64  // that are under way
)

// block is some records in the order of their ids, and their headers once done is closed.
type block struct {
	n       int
	ids     [blockSize]job.ID
	records [blockSize][]byte
	headers [blockSize]*storev1.Header
	errs    [blockSize]error
	broken  error // why no headers were made
	done    chan struct{}
}

func (b *block) decode() {
	defer close(b.done)
	b.broken = kv.Guard(func() error {
		for i := range b.n {
			b.headers[i], b.errs[i] = file.DecodeHeader(b.ids[i], b.records[i])
		}
		return nil
	})
}

// loadJobs fills the index from the hot records. One goroutine goes over them, others decode the headers of some each, and this
// one adds them in their order. A job whose header cannot be read is put aside.
func (m *memory) loadJobs(tx *kv.ReadTx) error {
	blocks := make(chan *block, maxBlocks)
	var unread error
	go func() {
		defer close(blocks)
		unread = kv.Guard(func() error { return readBlocks(tx, blocks) })
	}()
	var broken error
	for b := range blocks {
		<-b.done
		broken = cmp.Or(broken, b.broken)
		for i := 0; i < b.n && broken == nil; i++ {
			if b.errs[i] != nil {
				m.damaged[b.ids[i]] = b.errs[i]
			} else {
				broken = m.index.Add(b.ids[i], b.headers[i])
			}
		}
	}
	return cmp.Or(broken, unread)
}

// readBlocks hands over all records in the order of ids. They are valid as long as the transaction.
func readBlocks(tx *kv.ReadTx, blocks chan<- *block) error {
	b := &block{done: make(chan struct{})}
	hand := func() {
		go b.decode()
		blocks <- b
		b = &block{done: make(chan struct{})}
	}
	for k, v := range tx.Ascend(file.Jobs, nil) {
		id, err := file.JobID(k)
		if err != nil {
			return err
		}
		b.ids[b.n], b.records[b.n] = id, v
		if b.n++; b.n == blockSize {
			hand()
		}
	}
	hand()
	return nil
}

func (m *memory) loadShares(tx *kv.ReadTx) error {
	for k, raw := range tx.Ascend(file.Shares, nil) {
		id, user, err := file.SplitShareKey(k)
		if err != nil {
			return err
		}
		sh, err := indexShare(id, raw)
		if err != nil {
			return err
		}
		m.index.AddShare(id, user, sh)
	}
	return nil
}

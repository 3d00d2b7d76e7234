package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stint-jobs/stint/internal/job"
)

// op is one write that waits for the writer.
type op struct {
	gone   func() error       // why the caller does not want it any more; nil while it does
	weight int                // jobs that it writes, about
	stage  func(*batch) error // decides and writes into the batch; it runs in the writer
	audit  audited            // who does it
	err    error
	done   chan struct{} // yields once when err is set
}

// do has stage run in the writer and returns once what it wrote is on disk, or
// why it is not. ctx counts until the writer takes it up: from then on the
// outcome is waited for, so that the caller knows it. A stage that returns an error must have written nothing.
// What changed something is audited if ctx says who did it; see WithAudit.
func (s *Store) do(ctx context.Context, weight int, stage func(*batch) error) error {
	if err := s.Healthy(); err != nil {
		return err
	}
	o := &op{gone: ctx.Err, weight: weight, stage: stage, audit: auditOf(ctx), done: make(chan struct{}, 1)}
	if err := s.enqueue(o); err != nil {
		return err
	}
	<-o.done
	return o.err
}

func (s *Store) enqueue(o *op) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return errClosed
	}
	select {
	case s.queue <- o:
		return nil
	default:
		return &job.UserError{
			Sentinel:   job.ErrOverloaded,
			Message:    "More is waiting to be stored than the server takes. Try again in a moment.",
			RetryAfter: time.Second,
		}
	}
}

// write is the writer. It ends when the queue is closed and empty.
func (s *Store) write() {
	defer close(s.ended)
	b := newBatch(s)
	var g gather
	for o := range s.queue {
		b.ops = append(b.ops[:0], o)
		weight := s.takeWaiting(b, o.weight)
		g.await(s, b, weight)
		begin := time.Now()
		s.commit(b)
		g.committed(time.Since(begin), len(b.ops)+len(s.queue))
		for _, o := range b.ops {
			o.done <- struct{}{}
		}
		s.hub.Notify(keysOf(&b.applied)...)
		s.tend()
	}
}

// takeWaiting adds the writes that wait already to a batch of that weight, and returns its weight.
func (s *Store) takeWaiting(b *batch, weight int) int {
	for weight < s.cfg.MaxBatch {
		next, ok := s.waiting()
		if !ok {
			break
		}
		b.ops = append(b.ops, next)
		weight += max(1, next.weight)
	}
	return weight
}

// waiting is the next write that waits already.
func (s *Store) waiting() (*op, bool) {
	select {
	case o, ok := <-s.queue:
		return o, ok
	default:
		return nil, false
	}
}

// errStaging is wrapped around errors of the file itself: the batch is lost.
var errStaging = errors.New("write into the file")

// commit stages and commits a batch. When it returns, every op has its error.
func (s *Store) commit(b *batch) {
	s.between.Lock()
	defer s.between.Unlock()
	b.reset()
	if err := s.Healthy(); err != nil {
		b.failAll(err)
		return
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		s.fail(b, err)
		return
	}
	b.begin(tx)
	for _, o := range b.ops {
		if o.err = o.gone(); o.err == nil {
			o.err = b.run(o)
		}
		if errors.Is(o.err, errStaging) {
			_ = tx.Rollback()
			s.fail(b, o.err)
			return
		}
	}
	if !b.dirty {
		_ = tx.Rollback()
		return
	}
	if err := b.finish(s.commitHook); err != nil {
		_ = tx.Rollback() // does nothing after a failed Commit
		s.fail(b, err)
		return
	}
	s.publish(b)
}

// run stages one op and, if it changed something, who did that.
func (b *batch) run(o *op) error {
	dirty, from := b.dirty, len(b.changes)
	b.dirty, b.about = false, about{}
	err := o.stage(b)
	if err == nil && b.dirty && o.audit.entry != nil {
		err = b.audit(&o.audit, from)
	}
	b.dirty = b.dirty || dirty
	return err
}

// publish makes what was committed visible.
func (s *Store) publish(b *batch) {
	s.lastTime = b.now
	var err error
	if b.applied, err = s.apply(b.entry); err != nil {
		_ = s.end(err) // what was committed stays so, and its callers hear that
	}
	s.commits.Add(1)
	s.changes.Add(uint64(len(b.changes)))
}

// tend looks after the file between two batches.
func (s *Store) tend() {
	if s.failure.Load() != nil {
		return
	}
	if err := s.file.tend(); err != nil {
		_ = s.end(err)
	}
}

// fail fails the batch and ends all writing: nobody knows what of it the disk holds.
func (s *Store) fail(b *batch, cause error) { b.failAll(s.end(cause)) }

// end ends all writing and returns what writers are told.
func (s *Store) end(cause error) error {
	err := fmt.Errorf("store jobs: %w: %w", job.ErrStorage, cause)
	s.failure.CompareAndSwap(nil, &err)
	s.log.Error("the store cannot save and takes no more writes", "error", err)
	return err
}

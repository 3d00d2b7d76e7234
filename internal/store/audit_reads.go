package store

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
)

// Pages read the same again and again. The first read within ReadWindow has an entry of its own before anything is shown. Its
// repeats are counted in memory, and become one entry when the window is over, or the store is closed. A crash loses that
// count and never the fact that they read it.

const (
	// ReadWindow is how long repeats of a read are counted together.
	ReadWindow = 15 * time.Minute
	// maxReads is how many reads are told apart. Beyond it each has an entry of its own.
	maxReads = 2000
)

// repeats are reads that differ in nothing but the time.
type repeats struct {
	entry *storev1.AuditEntry
	until time.Time
	count uint64
	last  time.Time
}

// reads are the reads of the last ReadWindow, by their entries without the time.
type reads struct {
	mu    sync.Mutex
	byKey map[readKey]*repeats
}

// readKey is the hash of an entry without its time. The zero value is none.
type readKey [sha256.Size]byte

func keyOfRead(e *storev1.AuditEntry) readKey {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(e)
	if err != nil {
		return readKey{} // a text that is not UTF-8: such a read is never counted with others
	}
	return sha256.Sum256(raw)
}

// repeated counts a read that was stored already within the window, and reports whether it was.
func (r *reads) repeated(key readKey, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.byKey[key]
	if one == nil || !now.Before(one.until) {
		return false
	}
	one.count++
	one.last = now
	return true
}

// begin begins the window of a read that has its entry. One whose window is over must have been taken before.
func (r *reads) begin(key readKey, e *storev1.AuditEntry, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if key == (readKey{}) || len(r.byKey) >= maxReads || r.byKey[key] != nil {
		return
	}
	if r.byKey == nil {
		r.byKey = make(map[readKey]*repeats)
	}
	r.byKey[key] = &repeats{entry: e, until: now.Add(ReadWindow)}
}

// take takes out what has a window that is over at a time, and returns the entries of what was repeated, in the order of
// their last times.
func (r *reads) take(over func(*repeats) bool) (entries []*storev1.AuditEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, one := range r.byKey {
		if !over(one) {
			continue
		}
		delete(r.byKey, key)
		if one.count == 0 {
			continue
		}
		e := proto.CloneOf(one.entry)
		e.Repeats, e.LastRepeatTime = one.count, timestamppb.New(one.last)
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b *storev1.AuditEntry) int {
		return a.GetLastRepeatTime().AsTime().Compare(b.GetLastRepeatTime().AsTime())
	})
	return entries
}

// FlushReads stores how often reads were repeated whose window is over. On a full disk it waits for room.
func (s *Store) FlushReads(ctx context.Context) {
	now := s.cfg.Now()
	s.flushReads(Internal(ctx), func(one *repeats) bool { return !now.Before(one.until) })
}

func (s *Store) flushReads(ctx context.Context, over func(*repeats) bool) {
	for _, e := range s.reads.take(over) {
		if err := s.Audit(ctx, e); err != nil {
			s.cfg.Logger.Error("the repeats of a read were not stored in the audit", "user", e.GetUser(), "actor", e.GetActor(), "method", e.GetMethod(),
				"jobs", e.GetJobIds(), "subject", e.GetSubject(), "repeats", e.GetRepeats(), "last", e.GetLastRepeatTime().AsTime(), "error", err)
		}
	}
}

// takeOver stores the repeats of one read whose window is over, because it is read again.
func (s *Store) takeOver(ctx context.Context, key readKey) {
	s.reads.mu.Lock()
	old := s.reads.byKey[key]
	s.reads.mu.Unlock()
	if old != nil {
		s.flushReads(ctx, func(one *repeats) bool { return one == old })
	}
}

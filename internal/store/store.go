// Package store keeps the jobs: what it acknowledged is on disk, and what it
// returns is what was acknowledged.
//
// The records are in one bbolt file, in two parts: hot records, which lists
// show and transitions change, and cold ones, the parameters, which are written
// once. Everything that a list filters, sorts or counts by is also in an index in memory,
// package index, rebuilt from the headers of the hot records at Open, so that a new index is code and not a migration.
//
// Callers share commits: package kv puts what waits into one transaction, commits it with bbolt's own syncs, has
// apply bring what is in memory up to date from the bytes of the commit alone, releases the callers, and then the
// watchers are woken. A call has one of three outcomes: it is there (no error), it is not there (any error but
// job.ErrUnknown), or nobody knows (job.ErrUnknown, after which the store takes no more writes).
//
// Every change of a job gets a revision of its own, ascending in the order of
// commits. Watchers hear from Hub that something changed and read from Changes what did.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/notify"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// Config says where the jobs are and which are kept. The zero value of
// every field but Path is good.
type Config struct {
	// Path of the database file. Open makes it when it is not there; its folder must exist.
	Path string
	// Logger gets what an operator should know. Nil discards it.
	Logger *slog.Logger
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
	// FirstID is the least id that new jobs get. A database that was restored
	// from an old copy must not give out again what its jobs' folders have. Zero is no bound.
	FirstID job.ID
	// Retention says which finished jobs ApplyRetention deletes. Empty means none.
	Retention Retention
	// Limits are the numbers at which what users make ends. Nil means those of job.Quotas.
	Limits job.Limits
	// Reserve is how many bytes beside the database are kept for the server's own writes on a full disk. Zero is none.
	Reserve int64
	// Turn waits until a goroutine may read a large page, and returns what ends that. Nil does not wait.
	Turn func() (end func())

	// What the parts of the store get beside. Only tests set something, so all bounds have their defaults.
	kv    kv.Config
	index index.Config
}

func (c *Config) setDefaults() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.index.Now = c.Now
}

// Store keeps the jobs. Open makes one; Close ends it. Its methods may be called at the same time.
type Store struct {
	cfg Config
	db  *kv.DB
	mem *memory // set by Open

	hub      notify.Hub[Key]
	readings readings

	changes atomic.Uint64
	ended   atomic.Bool   // Close has begun
	late    chan struct{} // holds one for each entry of the audit that waits for room
	reads   reads

	// Of the writer: package kv has one operation run at a time.
	batch   batch
	applied index.Applied // by the latest commit

	// Of tests.
	afterIndexRead func()                       // called between a page's look into the index and its reading of records
	finishing      atomic.Pointer[func() error] // called at the end of each batch that wrote, and refuses it
	committed      func(entry []byte)           // called with what was committed
}

// Open opens or makes the database, rebuilds the index and starts the writer. A file that another process has
// open is job.ErrUnavailable; see ErrFirstEdition and ErrNewerFormat for files that this program does not read.
func Open(cfg Config) (*Store, error) {
	cfg.setDefaults()
	s := &Store{cfg: cfg, late: make(chan struct{}, maxLate)}
	if err := s.start(); err != nil {
		return nil, fmt.Errorf("open store %s: %w", cfg.Path, file.InWords(err))
	}
	return s, nil
}

func (s *Store) start() (err error) {
	if err := file.CheckFormat(s.cfg.Path); err != nil {
		return err
	}
	cfg := s.cfg.kv
	cfg.Path, cfg.Buckets, cfg.Logger, cfg.Reserve = s.cfg.Path, file.Buckets, s.cfg.Logger, s.cfg.Reserve
	cfg.Create, cfg.Begin, cfg.Finish, cfg.Apply, cfg.Notify = file.Create, s.batch.begin, s.batch.finish, s.publish, s.wake
	if s.db, err = kv.Open(cfg); err != nil {
		return err
	}
	begin := time.Now()
	if err := s.load(); err != nil {
		return errors.Join(err, s.db.Close())
	}
	if first := s.cfg.FirstID; first > s.mem.counters.NextID {
		if err := s.skipTo(context.Background(), first); err != nil {
			return errors.Join(err, s.db.Close())
		}
	}
	s.cfg.Logger.Info("store opened", "path", s.cfg.Path, "jobs", s.mem.index.Stats().Jobs, "revision", s.mem.index.Revision(), "audit_head", s.AuditHead().String(), "index_seconds", time.Since(begin).Seconds())
	return nil
}

func (s *Store) load() error {
	err := s.view(func(tx *kv.ReadTx) (err error) {
		s.mem, err = load(tx, s.cfg.index)
		return err
	})
	if err != nil {
		return err
	}
	for id, err := range s.mem.damaged {
		s.cfg.Logger.Error("a job is put aside: its record cannot be read", "job", id, "error", err)
	}
	s.batch.init(s)
	return nil
}

func (s *Store) view(fn func(*kv.ReadTx) error) error { return file.InWords(s.db.View(fn)) }

// read returns what fn returns in a short transaction.
func read[T any](s *Store, fn func(*kv.ReadTx) (T, error)) (found T, err error) {
	err = s.view(func(tx *kv.ReadTx) (err error) {
		found, err = fn(tx)
		return err
	})
	return found, err
}

// read2 is read of two things.
func read2[A, B any](s *Store, fn func(*kv.ReadTx) (A, B, error)) (a A, b B, err error) {
	err = s.view(func(tx *kv.ReadTx) (err error) {
		a, b, err = fn(tx)
		return err
	})
	return a, b, err
}

var errClosed = fmt.Errorf("the store is closed: %w", job.ErrUnavailable)

func (s *Store) open() error {
	if s.ended.Load() {
		return errClosed
	}
	return nil
}

// Close writes what was accepted, ends the writer and closes the file. Calls
// after it, and a second Close, are job.ErrUnavailable or do nothing.
func (s *Store) Close() error {
	if s.ended.Swap(true) {
		return nil
	}
	s.flushReads(context.Background(), func(*repeats) bool { return true })
	s.cfg.Logger.Info("store closed", "audit_head", s.AuditHead().String())
	err := s.db.Close()
	for range maxLate { // those that wait are refused now, and no more begin
		s.late <- struct{}{}
	}
	if err != nil {
		return fmt.Errorf("close store: %w: %w", job.ErrStorage, err)
	}
	return nil
}

// Healthy returns nil while the store takes writes, job.ErrNoSpace while it has no room for those of clients, and the
// job.ErrStorage that ended all writing afterwards.
func (s *Store) Healthy() error { return file.InWords(s.db.Healthy()) }

// Failed returns a channel that is closed once nothing is written any more. The server should end then, and be
// started again: everything that was acknowledged is on disk.
func (s *Store) Failed() <-chan struct{} { return s.db.Failed() }

// Hub wakes those who wait for changes: of a job, of an owner's jobs, or of any.
// It is notified after each commit, in the order of commits.
func (s *Store) Hub() *notify.Hub[Key] { return &s.hub }

// Revision is that of the last change that reads see.
func (s *Store) Revision() uint64 { return s.mem.index.Revision() }

// Stats is how the store is, for metrics.
type Stats struct {
	// Jobs stored.
	Jobs int
	// Damaged is how many jobs have records that cannot be read.
	Damaged int
	// Doomed is how many folders of deleted jobs are still to be removed.
	Doomed int64
	// Revision of the last change.
	Revision uint64
	// FileBytes is the size of the database file.
	FileBytes int64
	// Waiting writes, and the bytes that they are about.
	Waiting      int
	WaitingBytes int64
	// Commits and Changes of jobs since Open.
	Commits, Changes uint64
}

// Stats returns how the store is.
func (s *Store) Stats() Stats {
	d, ix := s.db.Stats(), s.mem.index.Stats()
	return Stats{
		Jobs: ix.Jobs, Damaged: len(s.mem.damaged), Doomed: s.mem.doomed.Load(), Revision: ix.Revision, FileBytes: d.FileBytes,
		Waiting: d.Waiting, WaitingBytes: d.WaitingBytes, Commits: d.Commits, Changes: s.changes.Load(),
	}
}

// Size returns the size of the database in bytes.
func (s *Store) Size() int64 { return s.db.Stats().FileBytes }

// Settings returns what operators set at run time. It is never nil, and read-only.
func (s *Store) Settings() *storev1.Settings { return s.mem.settings.Load() }

// SetSettings replaces the settings.
func (s *Store) SetSettings(ctx context.Context, set *storev1.Settings) error {
	return s.do(ctx, 1, func(b *batch) error { return file.PutSettings(b.tx, set) })
}

// Position returns how far the store has come. Everything up to it was committed.
func (s *Store) Position() file.Position {
	return file.Position{Incarnation: s.Settings().GetIncarnation(), Revision: s.Revision(), AuditSequence: s.AuditHead().Sequence}
}

// ErrUnchanged is what the function given to Update returns when nothing is to be changed. It never reaches the caller of Update.
var ErrUnchanged = errors.New("unchanged")

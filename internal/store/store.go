// Package store keeps the jobs: what it acknowledged is on disk, and what it
// returns is what was acknowledged.
//
// The records are in one bbolt file, in two parts: hot records, which lists
// show and transitions change, and cold ones, the parameters, which are written
// once. Everything that a list filters, sorts or counts by is also in an index in memory,
// package index, rebuilt from the headers of the hot records at Open, so that a new index is code and not a migration.
//
// One goroutine writes. It takes what is waiting, puts it into one
// transaction, commits (what is written to a log, which is synced, then to bbolt, which is not; see durable), brings the index up to date by what the bytes of the commit say,
// releases the callers and wakes the watchers, in that order. The commit under
// way is the window in which the next batch gathers, and no longer than that took
// the writer waits for those whom it has just released. A commit that fails fails its callers, and the store takes no more
// writes: after a failed fsync nobody knows what the disk holds.
//
// Every change of a job gets a revision of its own, ascending in the order of
// commits. Watchers hear from Hub that something changed and read from Changes what did.
package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/notify"
	"github.com/stint-jobs/stint/internal/store/index"
)

// Config says where the jobs are and how much may wait. The zero value of
// every field but Path is good.
type Config struct {
	// Path of the database file. Open makes it when it is not there; its folder must exist.
	Path string
	// Logger gets what an operator should know. Nil discards it.
	Logger *slog.Logger
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
	// QueueLength is how many writes may wait for the writer; one more is
	// refused with job.ErrOverloaded. Zero means 4,096.
	QueueLength int
	// MaxBatch is about how many jobs are written in one commit. Zero means 1,024.
	MaxBatch int
	// ReadAhead is how many bytes of the file Open reads in order before it
	// maps it, which makes a cold start several times faster. Zero means 8 GiB, a negative value none.
	ReadAhead int64
	// LockTimeout is how long Open waits for another process to close the file. Zero means one second.
	LockTimeout time.Duration
	// ScanBudget is how many jobs a page looks at for a Match before
	// its total is a lower bound. Zero means five million.
	ScanBudget int
	// FirstID is the least id that new jobs get. A database that was restored
	// from an old copy must not give out again what its jobs' folders have. Zero is no bound.
	FirstID job.ID
	// Retention says which finished jobs ApplyRetention deletes. Empty means none.
	Retention Retention

	// Of tests.
	ringSize  int   // of the index; 0 means its default
	smallScan int64 // of the index; 0 means its default
	noSync    bool  // nothing is durable
	moveAt    int64 // 0 means defaultMoveAt
	most      int64 // 0 means half of mapSize
}

func (c *Config) setDefaults() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	setDefault(&c.QueueLength, 4096)
	setDefault(&c.MaxBatch, 1024)
	setDefault(&c.ReadAhead, 8<<30)
	setDefault(&c.LockTimeout, time.Second)
	setDefault(&c.moveAt, defaultMoveAt)
	setDefault(&c.most, int64(mapSize())/2)
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Store keeps the jobs. Open makes one; Close ends it. Its methods may be called at the same time.
type Store struct {
	cfg Config
	now func() time.Time
	log *slog.Logger
	ix  *index.Index

	file *durable
	db   *bolt.DB // of file

	tokens tokenIndex

	hub notify.Hub[Key]

	gate   sync.RWMutex // held for reading to put into queue, for writing to close it
	queue  chan *op
	closed bool
	ended  chan struct{} // closed when the writer has ended

	failure  atomic.Pointer[error] // why nothing is written any more
	settings atomic.Pointer[storev1.Settings]

	auditHead atomic.Pointer[AuditHead]

	flights flights
	commits atomic.Uint64
	changes atomic.Uint64

	between sync.Mutex // held while a batch is staged, committed and published

	// The writer's own.
	meta     meta
	lastTime time.Time

	// Of tests.
	commitHook   func(entry []byte) error // called before each commit, and fails it
	betweenReads func()                   // called between a page's look into the index and its reading of records
}

// Open opens or makes the database, brings it to this program's schema,
// rebuilds the index and starts the writer. A file that another process has
// open is job.ErrUnavailable; one written by a newer program is ErrNewerSchema.
func Open(cfg Config) (*Store, error) { return openWith(cfg, migrations) }

func openWith(cfg Config, migrations []migration) (*Store, error) {
	cfg.setDefaults()
	s := &Store{
		cfg: cfg, now: cfg.Now, log: cfg.Logger,
		queue: make(chan *op, cfg.QueueLength), ended: make(chan struct{}),
	}
	if err := guard(func() error { return s.start(migrations) }); err != nil {
		if s.file != nil {
			_ = s.file.abandon()
		}
		return nil, fmt.Errorf("open store %s: %w", cfg.Path, err)
	}
	go s.write()
	return s, nil
}

func (s *Store) start(migrations []migration) (err error) {
	defer readAhead(s.cfg.Path, s.cfg.ReadAhead)()
	if s.file, err = openDurable(&s.cfg); err != nil {
		return err
	}
	s.db = s.file.db
	from, err := migrate(s.db, migrations)
	if err != nil {
		return err
	}
	if now := uint64(len(migrations) + 1); from != now {
		s.log.Info("store schema", "from", from, "to", now)
	}
	begin := time.Now()
	if err := s.load(); err != nil {
		return err
	}
	if err := s.file.begin(); err != nil {
		return err
	}
	if first := s.cfg.FirstID; first > s.meta.nextID {
		s.log.Warn("ids are skipped: there are folders of jobs that the database does not know", "from", s.meta.nextID, "to", first)
		s.meta.nextID = first
	}
	s.log.Info("store opened", "path", s.cfg.Path, "jobs", s.ix.Stats().Jobs, "revision", s.ix.Revision(), "audit_head", s.AuditHead().String(), "index_seconds", time.Since(begin).Seconds())
	return nil
}

// errClosed: the store was closed.
var errClosed = fmt.Errorf("the store is closed: %w", job.ErrUnavailable)

// open is nil until Close begins.
func (s *Store) open() error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return errClosed
	}
	return nil
}

// Close writes what was accepted, ends the writer and closes the file. Calls
// after it, and a second Close, are job.ErrUnavailable or do nothing.
func (s *Store) Close() error {
	s.gate.Lock()
	was := s.closed
	if !was {
		s.closed = true
		close(s.queue)
	}
	s.gate.Unlock()
	<-s.ended
	if was {
		return nil
	}
	s.log.Info("store closed", "audit_head", s.AuditHead().String())
	if s.failure.Load() != nil {
		return s.file.abandon()
	}
	if err := s.file.close(); err != nil {
		return fmt.Errorf("close store: %w: %w", job.ErrStorage, err)
	}
	return nil
}

// Healthy is nil as long as the store can save, and the job.ErrStorage that stopped it afterwards.
func (s *Store) Healthy() error {
	if p := s.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// Hub wakes those who wait for changes: of a job, of an owner's jobs, or of any.
// It is notified after each commit, in the order of commits.
func (s *Store) Hub() *notify.Hub[Key] { return &s.hub }

// Revision is that of the last change that reads see.
func (s *Store) Revision() uint64 { return s.ix.Revision() }

// Stats is how the store is, for metrics.
type Stats struct {
	// Jobs stored.
	Jobs int
	// Revision of the last change.
	Revision uint64
	// FileBytes is the size of the database file.
	FileBytes int64
	// Waiting writes.
	Waiting int
	// Commits and Changes of jobs since Open.
	Commits, Changes uint64
}

// Stats returns how the store is.
func (s *Store) Stats() Stats {
	st := Stats{FileBytes: s.Size(), Waiting: len(s.queue), Commits: s.commits.Load(), Changes: s.changes.Load()}
	ix := s.ix.Stats()
	st.Jobs, st.Revision = ix.Jobs, ix.Revision
	return st
}

// Size is the size of the database file in bytes; 0 when it cannot be told.
func (s *Store) Size() int64 {
	info, err := os.Stat(s.cfg.Path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// ErrUnchanged is what the function given to Update returns when nothing is to be changed. It never reaches the caller of Update.
var ErrUnchanged = errors.New("unchanged")

// ErrNewerSchema is for a file that was written by a newer version of this program.
var ErrNewerSchema = errors.New("the database was written by a newer version of this program")

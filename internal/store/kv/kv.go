package kv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Bucket is a bucket that Open makes where it is not there.
type Bucket struct {
	Name        string
	FillPercent float64 // how full its pages are made; 0 is bbolt's half
}

// Config says where the database is and what takes part in a commit. The zero
// value of every field but Path is good. The callbacks run one at a time, and must not call the database.
type Config struct {
	// Path of the database file. Open makes it when it is not there; its folder must exist.
	Path    string
	Buckets []Bucket
	// Logger gets what an operator should know. Nil discards it.
	Logger *slog.Logger
	// LockTimeout is how long Open waits for another process to close the file. Zero means one second.
	LockTimeout time.Duration
	// ReadAhead is how many bytes of the file Open has the system read in order,
	// which makes a cold start several times faster. Zero means 8 GiB, a negative value none.
	ReadAhead int64
	// QueueLength and QueueBytes bound what waits for the writer. One more operation
	// is ErrOverloaded. Zero means 4,096 operations and 64 MiB.
	QueueLength int
	QueueBytes  int64
	// MaxEntry bounds the entry of an operation in bytes. Zero means 16 MiB.
	MaxEntry int
	// Reserve is the size of the file Path + ".reserve", which is given up for
	// operations of the server when the file system is full. Zero means none.
	Reserve int64
	// FS changes names of files. Nil is the system's own.
	FS FS
	// NoSync makes nothing durable. It is for tests that write much and are about something else.
	NoSync bool

	// Create fills a new database in the transaction that makes its buckets. Nil puts nothing into them.
	Create func(*Tx) error
	// Begin is called before the first operation of each batch, also of one that is staged again.
	Begin func(*Tx)
	// Finish is called after the last operation of each batch that wrote something. Its error refuses the batch.
	Finish func(*Tx) error
	// Apply is called with what was committed, before the callers are released. The
	// entry is valid until it returns.
	Apply func(entry []byte)
	// Notify is called after the callers of a commit were released.
	Notify func()

	// Of tests.
	mapSize    int           // zero means defaultMapSize
	probeEvery time.Duration // zero means one second
	commitHook func() error  // called before each commit, and fails it
	freeList   int           // up to how many free pages a commit stores their list; zero means shortFreeList
}

func (c *Config) setDefaults() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.FS == nil {
		c.FS = osFS{}
	}
	if c.Create == nil {
		c.Create = func(*Tx) error { return nil }
	}
	if c.Begin == nil {
		c.Begin = func(*Tx) {}
	}
	if c.Finish == nil {
		c.Finish = func(*Tx) error { return nil }
	}
	if c.Apply == nil {
		c.Apply = func([]byte) {}
	}
	if c.Notify == nil {
		c.Notify = func() {}
	}
	setDefault(&c.LockTimeout, time.Second)
	setDefault(&c.ReadAhead, 8<<30)
	setDefault(&c.QueueLength, 4096)
	setDefault(&c.QueueBytes, 64<<20)
	setDefault(&c.MaxEntry, 16<<20)
	setDefault(&c.mapSize, defaultMapSize())
	setDefault(&c.probeEvery, time.Second)
	setDefault(&c.freeList, shortFreeList)
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Op is an operation: a part of a commit that is stored whole or not at all.
type Op struct {
	// Stage decides what the operation writes, and writes it by Tx. It may be
	// called more than once, each time on a state without its earlier writes. It
	// runs in the writer, must only write by the Tx, and must not call the database.
	Stage func(*Tx) error
	// Weight is about how many records the operation writes. A commit has about 1,024. Zero means 1.
	Weight int
	// Bytes is about how many bytes it writes. It counts for QueueBytes.
	Bytes int
	// Internal says that it is the server's own: neither the bounds of the queue
	// nor a want of space refuse it. In place of that it waits.
	Internal bool
}

// DB is an open database. Its methods may be called at the same time.
type DB struct {
	cfg  Config
	log  *slog.Logger
	bolt *bolt.DB
	file *os.File // which bolt has open

	queue queue
	ended chan struct{} // closed when the writer has ended

	failure  atomic.Pointer[error] // why nothing is written any more
	failed   chan struct{}         // closed when there is a failure
	stuck    atomic.Bool           // bbolt has panicked and may hold its locks
	hang     sync.Once
	hung     chan struct{} // closed when it did so in a reader: the writer may wait for the locks for ever
	full     atomic.Bool   // there was no space, and no probe has found any since
	commits  atomic.Uint64
	fileSize atomic.Int64

	copying sync.Mutex // held while a snapshot is written

	mu     sync.Mutex // held by whoever writes; the fields below are theirs
	batch  batch
	gather gather
	tx     Tx
	held   []*pending // operations of the server that wait for space, in order
	closed atomic.Bool
}

// Open opens or makes the database and starts the writer. It returns ErrLocked,
// ErrNotDatabase, ErrDamaged, or what the system said.
//
// bbolt walks a file that was not closed in a goroutine of its own, and a damaged page there ends the process. See Check.
func Open(cfg Config) (*DB, error) {
	cfg.setDefaults()
	db := &DB{cfg: cfg, log: cfg.Logger, ended: make(chan struct{}), failed: make(chan struct{}), hung: make(chan struct{})}
	db.queue = newQueue(&db.cfg)
	if err := db.open(); err != nil {
		return nil, fmt.Errorf("open database %s: %w", cfg.Path, err)
	}
	go db.write()
	return db, nil
}

// Do has op.Stage run in a batch and returns once the outcome is known. See the
// package for the three that there are. ctx counts until the writer takes the operation up.
func (db *DB) Do(ctx context.Context, op Op) error {
	p := &pending{Op: op, ctx: ctx, done: make(chan struct{}, 1)}
	if err := db.refusal(op.Internal); err != nil {
		return err
	}
	if err := db.queue.push(p); err != nil {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-db.hung:
		return ErrUnknown
	}
}

// ApplyEntry commits an entry that another database has committed. Neither Begin nor Finish is called.
func (db *DB) ApplyEntry(entry []byte) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed.Load() {
		return ErrClosed
	}
	p := &pending{ctx: context.Background(), done: make(chan struct{}, 1), raw: true}
	p.Stage = func(tx *Tx) error { return tx.replay(entry) }
	db.process([]*pending{p})
	<-p.done
	return p.err
}

func (db *DB) refusal(internal bool) error {
	if err := db.failureOf(); err != nil {
		return err
	}
	if db.full.Load() && !internal {
		return ErrNoSpace
	}
	return nil
}

func (db *DB) failureOf() error {
	if p := db.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// View calls fn with the state of the last commit, and returns its error. fn
// must be short: pages cannot be used again while it runs, and Close waits for it. A page that cannot be
// read, or any other panic of fn, is ErrDamaged.
func (db *DB) View(fn func(*ReadTx) error) error {
	return db.view(func(tx *bolt.Tx) error { return fn(&ReadTx{bolt: tx}) })
}

func (db *DB) view(fn func(*bolt.Tx) error) error {
	if db.stuck.Load() {
		return db.failureOf()
	}
	begun := false
	err := Guard(func() error {
		return db.bolt.View(func(tx *bolt.Tx) error {
			begun = true
			return fn(tx)
		})
	})
	switch {
	case !begun && db.isStuck(err): // neither meta page can be read
		db.hang.Do(func() { close(db.hung) })
		return db.failureOf()
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return ErrClosed
	}
	return err
}

// Healthy returns nil while operations are taken, ErrNoSpace while those of
// clients are refused, and ErrFailed with its cause after a fault.
func (db *DB) Healthy() error { return db.refusal(false) }

// Failed returns a channel that is closed once nothing can be acknowledged any more.
func (db *DB) Failed() <-chan struct{} { return db.failed }

// Stats says how the database is.
type Stats struct {
	Waiting      int    // operations in the queue
	WaitingBytes int64  // which they said to write
	Commits      uint64 // since Open
	FileBytes    int64  // the pages that the file uses
}

// Stats returns how the database is.
func (db *DB) Stats() Stats {
	n, bytes := db.queue.size()
	return Stats{Waiting: n, WaitingBytes: bytes, Commits: db.commits.Load(), FileBytes: db.fileSize.Load()}
}

// Close writes what was accepted, ends the writer and closes the file. An operation
// that waits for space is refused with ErrClosed. Close waits for calls of View. A second call does nothing. Where a read
// found no meta page the file stays locked until the process ends, and Close returns ErrFailed.
func (db *DB) Close() error {
	db.queue.close()
	select {
	case <-db.hung: // the writer may be about to write, so the file stays open and locked
		if db.closed.Swap(true) {
			return nil
		}
		return fmt.Errorf("close database %s, which stays locked until the process ends: %w", db.cfg.Path, db.failureOf())
	case <-db.ended:
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed.Swap(true) {
		return nil
	}
	if db.stuck.Load() {
		return abandon(db.file)
	}
	if db.failureOf() == nil {
		db.storeFreeList()
	}
	if err := db.bolt.Close(); err != nil {
		return fmt.Errorf("close database %s: %w", db.cfg.Path, err)
	}
	return nil
}

package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// The buckets of the file. Keys of jobs and specs are job.ID.Key.
const (
	bucketMeta     = "meta"     // the format, counters and settings
	bucketJobs     = "jobs"     // store.v1.Record
	bucketSpecs    = "specs"    // store.v1.Spec
	bucketTokens   = "tokens"   // TokenHash -> store.v1.Token
	bucketIssues   = "issues"   // job id, number -> store.v1.Issue
	bucketSessions = "sessions" // SessionHash -> store.v1.Session
	bucketAudit    = "audit"    // number -> AuditHash, store.v1.AuditEntry
	bucketShares   = "shares"   // job id, user -> store.v1.Share
	bucketDoomed   = "doomed"   // job id -> store.v1.Doomed
	bucketRequests = "requests" // requestKey -> store.v1.DeletedRequest
)

// The keys of the bucket meta.
var (
	keyFormat   = []byte("format")
	keyCounters = []byte("counters")
	keySettings = []byte("settings")
	// Where the audit ends, and the entry before its first one, where earlier ones were taken out.
	keyAuditHead  = []byte("audit_head")
	keyAuditBegin = []byte("audit_begin")
)

const (
	// fillJobs leaves room in the pages of hot records, which double as a job
	// lives. Of 0.5, 0.6, 0.75 and 0.9 this made the smallest file of 120,000 jobs that went through their lives:
	// 1.39 times what is in it, against 1.45 and more.
	fillJobs = 0.6
	// fillSpecs is for records that are appended and never change.
	fillSpecs = 0.95
)

// buckets are all buckets.
var buckets = []kv.Bucket{
	{Name: bucketMeta},
	{Name: bucketJobs, FillPercent: fillJobs},
	{Name: bucketSpecs, FillPercent: fillSpecs},
	{Name: bucketTokens},
	{Name: bucketIssues},
	{Name: bucketSessions},
	{Name: bucketAudit, FillPercent: fillSpecs},
	{Name: bucketShares},
	{Name: bucketDoomed},
	{Name: bucketRequests},
}

// format says what wrote a database, and in which version of the format on disk. A release that changes the format
// appends to migrate.go how to get there from the one before.
const format = "stint.store.v1"

// ErrFirstEdition is for a database of the first edition of this program, which this one does not read.
var ErrFirstEdition = errors.New("the database is of the first edition of this program, and this one does not read it: start with an empty state folder; workspaces stay as they are")

// ErrNewerFormat is for a database that was written by a newer version of this program.
var ErrNewerFormat = errors.New("the database was written by a newer version of this program")

// create fills a new database.
func create(tx *kv.Tx) error {
	m := meta{nextID: 1}
	return errors.Join(tx.Put(bucketMeta, keyFormat, []byte(format)), tx.Put(bucketMeta, keyCounters, m.encode()))
}

// checkFormat refuses a database that is not of this program's format.
func checkFormat(tx *kv.ReadTx) error {
	switch f := tx.Get(bucketMeta, keyFormat); {
	case string(f) == format:
		return nil
	case f != nil:
		return fmt.Errorf("%w: its format is %q, and this one reads %q", ErrNewerFormat, f, format)
	case tx.Get(bucketMeta, []byte("schema")) != nil:
		return ErrFirstEdition
	default:
		return fmt.Errorf("the file is no database of this program: %w", job.ErrStorage)
	}
}

// checkFile refuses a file that is there and not of this program's format, before anything is written to it.
func checkFile(path string) error {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return kv.ViewFile(path, checkFormat)
}

// inWords turns an error of package kv into one of package job, with words for users where they need some.
func inWords(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kv.ErrOverloaded):
		return &job.UserError{
			Sentinel:   job.ErrOverloaded,
			Message:    "More is waiting to be stored than the server takes. Try again in a moment.",
			RetryAfter: time.Second,
		}
	case errors.Is(err, kv.ErrNoSpace):
		return &job.UserError{
			Sentinel:   job.ErrNoSpace,
			Message:    "The disk of the server's database is full, so nothing new can be stored. What is stored can be read. Try again when the operators have made room.",
			RetryAfter: roomRetry,
		}
	case errors.Is(err, kv.ErrUnknown):
		return fmt.Errorf("%w: %w", job.ErrUnknown, err)
	case errors.Is(err, kv.ErrClosed), errors.Is(err, kv.ErrLocked):
		return fmt.Errorf("%w: %w", job.ErrUnavailable, err)
	case errors.Is(err, kv.ErrFailed), errors.Is(err, kv.ErrDamaged), errors.Is(err, kv.ErrNotDatabase):
		return fmt.Errorf("%w: %w", job.ErrStorage, err)
	}
	if large, ok := errors.AsType[*kv.TooLargeError](err); ok {
		return job.Userf(job.ErrTooLarge, "The request becomes %d bytes, and at most %d can be stored at once. Send it in parts.", large.Size, large.Max)
	}
	return err
}

// roomRetry is how long a client should wait for room on the server's disk. The store looks for room every second.
const roomRetry = 5 * time.Second

// meta are the counters in the file: everything but the records that a start needs.
type meta struct {
	nextID   job.ID
	revision uint64 // of the latest change
	purged   uint64 // revision of the latest deletion
}

func (m *meta) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(m.nextID))
	b = binary.BigEndian.AppendUint64(b, m.revision)
	return binary.BigEndian.AppendUint64(b, m.purged)
}

func readMeta(tx *kv.ReadTx) (meta, error) { return decodeMeta(tx.Get(bucketMeta, keyCounters)) }

func decodeMeta(b []byte) (meta, error) {
	if len(b) != 24 {
		return meta{}, fmt.Errorf("the counters in the file are damaged: %w", job.ErrStorage)
	}
	return meta{
		nextID:   job.ID(binary.BigEndian.Uint64(b)),
		revision: binary.BigEndian.Uint64(b[8:]),
		purged:   binary.BigEndian.Uint64(b[16:]),
	}, nil
}

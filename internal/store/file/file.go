// Package file is the database file: the form of what is in it, in which every fact stands once, whether that is whole,
// and what is done with it while no server runs.
package file

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/credential"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// The buckets, beside those of the audit and of credentials.
const (
	// Meta holds the format, the Counters, the settings, and the ends of the audit.
	Meta = audit.HeadBucket
	// Jobs holds the value of Encode under job.ID.Key.
	Jobs = "jobs"
	// Specs holds a store.v1.Spec under job.ID.Key.
	Specs = "specs"
	// Shares holds a store.v1.Share under ShareKey.
	Shares = "shares"
	// Issues holds a store.v1.Issue under IssueID.Key.
	Issues = "issues"
	// Doomed holds a store.v1.Doomed under job.ID.Key, of each deleted job whose folder is still to be removed.
	Doomed = "doomed"
	// Requests holds a store.v1.DeletedRequest under RequestKey, of each request whose jobs were deleted not long ago.
	Requests = "requests"
)

// The keys of the bucket Meta.
const (
	keyFormat = "format"
	// KeyCounters is of the Counters.
	KeyCounters = "counters"
	// KeySettings is of the store.v1.Settings.
	KeySettings = "settings"
)

const (
	// fillJobs leaves room in the pages of hot records, which double as a job
	// lives. Of 0.5, 0.6, 0.75 and 0.9 this made the smallest file of 120,000 jobs that went through their lives:
	// 1.39 times what is in it, against 1.45 and more.
	fillJobs = 0.6
	// fillSpecs is for records that are appended and never change.
	fillSpecs = 0.95
)

// Buckets are all buckets of the file.
var Buckets = []kv.Bucket{
	{Name: Meta},
	{Name: Jobs, FillPercent: fillJobs},
	{Name: Specs, FillPercent: fillSpecs},
	{Name: Issues},
	{Name: credential.TokenBucket},
	{Name: credential.SessionBucket},
	{Name: credential.OwnerBucket},
	{Name: credential.UserBucket},
	{Name: audit.Bucket, FillPercent: fillSpecs},
	{Name: Shares},
	{Name: Doomed},
	{Name: Requests},
}

// format says what wrote a database, and in which version of the format on disk. A release that changes the format
// adds how to get there from the one before.
const format = "stint.store.v1"

// ErrFirstEdition is for a database of the first edition of this program, which this one does not read.
var ErrFirstEdition = errors.New("the database is of the first edition of this program, and this one does not read it: start with an empty state folder; workspaces stay as they are")

// ErrNewerFormat is for a database that was written by a newer version of this program.
var ErrNewerFormat = errors.New("the database was written by a newer version of this program")

// Create fills a new database.
func Create(tx *kv.Tx) error {
	c := Counters{NextID: 1}
	return errors.Join(tx.Put(Meta, []byte(keyFormat), []byte(format)), c.Put(tx))
}

func checkFormat(tx *kv.ReadTx) error {
	switch f := tx.Get(Meta, []byte(keyFormat)); {
	case string(f) == format:
		return nil
	case f != nil:
		return fmt.Errorf("%w: its format is %q, and this one reads %q", ErrNewerFormat, f, format)
	case tx.Get(Meta, []byte("schema")) != nil:
		return ErrFirstEdition
	default:
		return fmt.Errorf("the file is no database of this program: %w", job.ErrStorage)
	}
}

// CheckFormat refuses a file that is there and not of this program's format, before anything is written to it.
func CheckFormat(path string) error {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return kv.ViewFile(path, checkFormat)
}

// InWords turns an error of package kv into one of package job, with words for users where they need some.
func InWords(err error) error {
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

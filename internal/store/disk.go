package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/stint-jobs/stint/internal/job"
)

// The buckets of the file. Keys of jobs and specs are job.ID.Key.
var (
	bucketMeta     = []byte("meta")     // the schema version and counters
	bucketJobs     = []byte("jobs")     // store.v1.Record
	bucketSpecs    = []byte("specs")    // store.v1.Spec
	bucketTokens   = []byte("tokens")   // TokenHash -> store.v1.Token
	bucketIssues   = []byte("issues")   // job id, number -> store.v1.Issue
	bucketSessions = []byte("sessions") // SessionHash -> store.v1.Session
	bucketAudit    = []byte("audit")    // number -> AuditHash, store.v1.AuditEntry
	bucketShares   = []byte("shares")   // job id, user -> store.v1.Share

	keySchema   = []byte("schema")
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
	// fillSpecs is for cold records, which are appended and never change.
	fillSpecs = 0.95
)

// mapSize is how much address space is reserved for the file, so that it never has to
// be mapped anew while transactions are open. It costs no memory. On a 32-bit machine bbolt decides.
func mapSize() int {
	var size int64 = 32 << 30
	if size > math.MaxInt {
		return 0
	}
	return int(size)
}

// openReadOnly opens the file of a server that does not run.
func openReadOnly(path string) (*bolt.DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	if err := recoverFile(path); err != nil {
		return nil, err
	}
	return boltOpen(path, &bolt.Options{ReadOnly: true, Timeout: time.Second, FreelistType: bolt.FreelistMapType})
}

// boltOpen is bolt.Open with errors in this program's terms.
func boltOpen(path string, o *bolt.Options) (db *bolt.DB, err error) {
	err = guard(func() error {
		db, err = bolt.Open(path, 0o600, o)
		return err
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		err = errOpenElsewhere
	}
	return db, err
}

var errOpenElsewhere = fmt.Errorf("another process has the database open: %w", job.ErrUnavailable)

// guard makes an error of bbolt's panics, which is how it meets a damaged page.
func guard(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the file is damaged: %v", job.ErrStorage, p)
		}
	}()
	return fn()
}

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

func readMeta(tx *bolt.Tx) (meta, error) { return decodeMeta(tx.Bucket(bucketMeta).Get(keyCounters)) }

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

package store

import (
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// migration brings the file from one schema version to the next.
type migration func(*bolt.Tx) error

// migrations has at n what brings version n+1 to n+2. A release that changes
// what is on disk appends one; what was released is never changed. Fields
// that are added to a message need none.
var migrations = []migration{
	makeBuckets(bucketSessions), // to 2: browsers that signed in
	makeBuckets(bucketAudit),    // to 3: who did what; the chain of an older database begins with the next change
	makeBuckets(bucketShares),   // to 4: jobs can be shared
	makeBuckets(),               // to 5: a log is beside the file, without which older programs would miss what is only there
	separateHeaders,             // to 6: a record begins with its header
}

// makeBuckets makes buckets that earlier versions did not have.
func makeBuckets(names ...[]byte) migration {
	return func(tx *bolt.Tx) error {
		for _, name := range names {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	}
}

// migrate brings the file to the schema that the migrations lead to, in one transaction, or
// makes an empty one. It answers the version found, 0 for an empty file.
func migrate(db *bolt.DB, migrations []migration) (from uint64, err error) {
	want := uint64(len(migrations) + 1)
	err = db.View(func(tx *bolt.Tx) (err error) {
		from, err = schemaOf(tx)
		return err
	})
	switch {
	case err != nil:
		return from, err
	case from > want:
		return from, fmt.Errorf("schema %d, and this program knows %d: %w", from, want, ErrNewerSchema)
	case from == want:
		return from, nil
	}
	return from, db.Update(func(tx *bolt.Tx) error {
		if from == 0 {
			if err := create(tx); err != nil {
				return fmt.Errorf("make the buckets: %w", err)
			}
		}
		for v := max(from, 1); v < want; v++ {
			if err := migrations[v-1](tx); err != nil {
				return fmt.Errorf("bring the schema from %d to %d: %w", v, v+1, err)
			}
		}
		return tx.Bucket(bucketMeta).Put(keySchema, binary.BigEndian.AppendUint64(nil, want))
	})
}

// schemaOf reads the version; 0 is an empty file.
func schemaOf(tx *bolt.Tx) (uint64, error) {
	if m := tx.Bucket(bucketMeta); m != nil {
		if v := m.Get(keySchema); len(v) == 8 {
			return binary.BigEndian.Uint64(v), nil
		}
	}
	if k, _ := tx.Cursor().First(); k != nil {
		return 0, fmt.Errorf("the file is a database of something else: %w", job.ErrStorage)
	}
	return 0, nil
}

// create makes the buckets of the first version; the migrations bring an empty file to the present one too.
func create(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketMeta, bucketJobs, bucketSpecs, bucketTokens, bucketIssues} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	m := meta{nextID: 1}
	return tx.Bucket(bucketMeta).Put(keyCounters, m.encode())
}

// separateHeaders encodes all records anew. In version 5 the job had all facts and there was no header.
func separateHeaders(tx *bolt.Tx) error {
	jobs := tx.Bucket(bucketJobs)
	var ids []job.ID
	if err := jobs.ForEach(func(k, _ []byte) error {
		id, err := jobIDOfKey(k)
		ids = append(ids, id)
		return err
	}); err != nil {
		return err
	}
	for _, id := range ids {
		rec := &storev1.Record{}
		if err := proto.Unmarshal(jobs.Get(id.Key()), rec); err != nil {
			return damaged(id, err)
		}
		if rec.GetHeader() != nil {
			continue
		}
		raw, err := encodeRecord(nil, rec)
		if err != nil {
			return damaged(id, err)
		}
		if err := jobs.Put(id.Key(), raw); err != nil {
			return err
		}
	}
	return nil
}

package store

import (
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/stint-jobs/stint/internal/job"
)

// What a transaction writes is an entry of the log: one write behind the other,
// each a kind, the bucket's name, the key, and of a write that puts, the value;
// each but the kind with its length before it. Only the batch writes after a start, and only by these three methods.
const (
	writePut      = 1
	writeDelete   = 2
	writeSequence = 3 // the key is the bucket's sequence, big-endian
)

// put stages a record of a bucket. key and value belong to the batch until it ends.
func (b *batch) put(bucket, key, value []byte) error {
	b.entry = appendBytes(appendBytes(appendBytes(append(b.entry, writePut), bucket), key), value)
	return staging(b.tx.Bucket(bucket).Put(key, value))
}

// remove stages that a record of a bucket is deleted.
func (b *batch) remove(bucket, key []byte) error {
	b.entry = appendBytes(appendBytes(append(b.entry, writeDelete), bucket), key)
	return staging(b.tx.Bucket(bucket).Delete(key))
}

// nextSequence returns the next number of a bucket.
func (b *batch) nextSequence(bucket []byte) (uint64, error) {
	n, err := b.tx.Bucket(bucket).NextSequence()
	b.entry = appendBytes(appendBytes(append(b.entry, writeSequence), bucket), binary.BigEndian.AppendUint64(nil, n))
	return n, staging(err)
}

func appendBytes(to, b []byte) []byte {
	return append(binary.AppendUvarint(to, uint64(len(b))), b...)
}

// fillPages says how full the pages of a transaction's buckets are made.
func fillPages(tx *bolt.Tx) {
	tx.Bucket(bucketJobs).FillPercent = fillJobs
	tx.Bucket(bucketSpecs).FillPercent = fillSpecs
	tx.Bucket(bucketAudit).FillPercent = fillSpecs
}

var errEntry = fmt.Errorf("an entry of the log cannot be read: %w", job.ErrStorage)

// write is one write of an entry.
type write struct {
	kind               byte
	bucket, key, value []byte
}

// eachWrite calls fn with the writes of an entry, in their order.
func eachWrite(entry []byte, fn func(write) error) error {
	for len(entry) > 0 {
		w := write{kind: entry[0]}
		fields := []*[]byte{&w.bucket, &w.key, &w.value}
		if w.kind != writePut {
			fields = fields[:2]
		}
		entry = entry[1:]
		for _, field := range fields {
			var ok bool
			if *field, entry, ok = cutBytes(entry); !ok {
				return errEntry
			}
		}
		if err := fn(w); err != nil {
			return err
		}
	}
	return nil
}

// repeat stages the writes of an entry. The entry must not change until the transaction ends.
func repeat(tx *bolt.Tx, entry []byte) error {
	return eachWrite(entry, func(w write) error {
		bucket := tx.Bucket(w.bucket)
		switch {
		case bucket == nil:
			return errEntry
		case w.kind == writePut:
			return bucket.Put(w.key, w.value)
		case w.kind == writeDelete:
			return bucket.Delete(w.key)
		case w.kind == writeSequence && len(w.key) == 8:
			return bucket.SetSequence(binary.BigEndian.Uint64(w.key))
		default:
			return errEntry
		}
	})
}

func cutBytes(b []byte) (first, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	end := size + int(n)
	return b[size:end:end], b[end:], true
}

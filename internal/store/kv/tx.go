package kv

import (
	"fmt"
	"io"
	"iter"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"
)

// ReadTx reads one state of the database. It and all bytes that it returns
// belong to the function that it was handed to, and to one goroutine.
type ReadTx struct {
	bolt    *bolt.Tx
	buckets []namedBucket
}

type namedBucket struct {
	name   string
	bucket *bolt.Bucket
}

func (tx *ReadTx) bucket(name string) *bolt.Bucket {
	for i := range tx.buckets {
		if tx.buckets[i].name == name {
			return tx.buckets[i].bucket
		}
	}
	b := tx.bolt.Bucket([]byte(name))
	if b != nil {
		tx.buckets = append(tx.buckets, namedBucket{name, b})
	}
	return b
}

// Has reports whether there is a bucket of that name.
func (tx *ReadTx) Has(bucket string) bool { return tx.bucket(bucket) != nil }

// Get returns the value of a key. It returns nil where there is none, or no such bucket.
func (tx *ReadTx) Get(bucket string, key []byte) []byte {
	b := tx.bucket(bucket)
	if b == nil {
		return nil
	}
	return b.Get(key)
}

// Sequence returns the last number that a bucket gave out.
func (tx *ReadTx) Sequence(bucket string) uint64 {
	b := tx.bucket(bucket)
	if b == nil {
		return 0
	}
	return b.Sequence()
}

// Ascend returns the keys of a bucket from the first that is not less than from on, and their values, in their order.
// A write to the bucket ends the walk. Where there is no such bucket it has nothing.
func (tx *ReadTx) Ascend(bucket string, from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		b := tx.bucket(bucket)
		if b == nil {
			return
		}
		c := b.Cursor()
		for k, v := c.Seek(from); k != nil && yield(k, v); k, v = c.Next() {
		}
	}
}

// Descend is Ascend in the other direction, from the last key that is less than below on. Nil is no bound.
func (tx *ReadTx) Descend(bucket string, below []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		b := tx.bucket(bucket)
		if b == nil {
			return
		}
		c := b.Cursor()
		k, v := c.Last()
		if below != nil {
			if k, _ = c.Seek(below); k == nil {
				k, v = c.Last()
			} else {
				k, v = c.Prev()
			}
		}
		for ; k != nil && yield(k, v); k, v = c.Prev() {
		}
	}
}

// WriteTo writes the whole database to w and returns its size. The pages of a database that is written to are not used
// again while it runs: see DB.Snapshot.
func (tx *ReadTx) WriteTo(w io.Writer) (int64, error) { return tx.bolt.WriteTo(w) }

// Tx is the transaction of a batch. It reads what was staged before. It belongs
// to the function that it was handed to.
type Tx struct {
	ReadTx

	db    *DB
	entry []byte // what was written; bbolt refers to its values until the transaction ends

	begun  int   // length of the entry when Config.Begin had returned
	start  int   // length of the entry when the present operation began
	sealed bool  // the present writer is not an operation, and not bounded
	broken error // why the present operation has to be cut out
}

// errCut cuts an operation that fits into an entry, but not into this one.
var errCut = fmt.Errorf("the entry is full")

// Entry returns what the batch has written until now. It is valid until the next write.
func (tx *Tx) Entry() []byte { return tx.entry }

// Put sets the value of a key. Both are copied.
func (tx *Tx) Put(bucket string, key, value []byte) error {
	b, err := tx.writable(bucket, len(bucket)+len(key)+len(value)+16)
	if err != nil {
		return err
	}
	from := len(tx.entry)
	tx.entry = appendPut(tx.entry, bucket, key, value)
	end := len(tx.entry)
	if err := b.Put(key, tx.entry[end-len(value):end:end]); err != nil {
		tx.entry = tx.entry[:from]
		return fmt.Errorf("put into bucket %s: %w", bucket, err)
	}
	return nil
}

// PutMessage is Put of an encoded message.
func (tx *Tx) PutMessage(bucket string, key []byte, m proto.Message) error {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode a value of bucket %s: %w", bucket, err)
	}
	return tx.Put(bucket, key, raw)
}

// Delete removes a key. It is no error where there is none.
func (tx *Tx) Delete(bucket string, key []byte) error {
	b, err := tx.writable(bucket, len(bucket)+len(key)+16)
	if err != nil {
		return err
	}
	if err := b.Delete(key); err != nil {
		return fmt.Errorf("delete from bucket %s: %w", bucket, err)
	}
	tx.entry = appendDelete(tx.entry, bucket, key)
	return nil
}

// NextSequence returns the next number of a bucket. The first is 1.
func (tx *Tx) NextSequence(bucket string) (uint64, error) {
	n := tx.Sequence(bucket) + 1
	return n, tx.setSequence(bucket, n)
}

func (tx *Tx) setSequence(bucket string, n uint64) error {
	b, err := tx.writable(bucket, len(bucket)+16)
	if err != nil {
		return err
	}
	if err := b.SetSequence(n); err != nil {
		return fmt.Errorf("set the sequence of bucket %s: %w", bucket, err)
	}
	tx.entry = appendSequence(tx.entry, bucket, n)
	return nil
}

// writable returns a bucket for a write of about size bytes, if the entry has room for it.
func (tx *Tx) writable(bucket string, size int) (*bolt.Bucket, error) {
	if tx.broken != nil {
		return nil, tx.broken
	}
	b := tx.bucket(bucket)
	if b == nil {
		return nil, fmt.Errorf("write to bucket %q: %w", bucket, ErrNoBucket)
	}
	maxEntry := tx.db.cfg.MaxEntry
	switch size += len(tx.entry); {
	case tx.sealed || size <= maxEntry:
	case size-tx.start > maxEntry:
		tx.broken = &TooLargeError{Size: size - tx.start, Max: maxEntry}
	case tx.start > tx.begun:
		tx.broken = errCut
	}
	return b, tx.broken
}

func (tx *Tx) replay(entry []byte) error {
	return Replay(entry, func(w Write) error {
		switch w.Kind {
		case KindDelete:
			return tx.Delete(w.Bucket, w.Key)
		case KindSequence:
			return tx.setSequence(w.Bucket, w.Sequence)
		default:
			return tx.Put(w.Bucket, w.Key, w.Value)
		}
	})
}

// begin starts the transaction of a batch. Its buckets fill their pages as Config says.
func (tx *Tx) begin(db *DB) error {
	entry := tx.entry[:0]
	if cap(entry) > 4<<20 {
		entry = nil
	}
	clear(tx.buckets)
	*tx = Tx{db: db, entry: entry, sealed: true, ReadTx: ReadTx{buckets: tx.buckets[:0]}}
	var err error
	if tx.bolt, err = db.bolt.Begin(true); err != nil {
		return err
	}
	for _, b := range db.cfg.Buckets {
		if b.FillPercent == 0 {
			continue
		}
		if bucket := tx.bucket(b.Name); bucket != nil {
			bucket.FillPercent = b.FillPercent
		}
	}
	return nil
}

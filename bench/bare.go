package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt" //nolint:depguard // the limit of a commit is bbolt itself, without the store
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/stint-jobs/stint/bench/rig"
)

// bareDB is a bbolt file with the store's options and nothing of the store.
type bareDB struct {
	db    *bolt.DB
	value []byte
	next  uint64
}

func openBare(dir string) (*bareDB, error) {
	db, err := bolt.Open(filepath.Join(dir, "bare.db"), 0o600, &bolt.Options{
		NoFreelistSync: true, FreelistType: bolt.FreelistMapType, InitialMmapSize: 1 << 30, NoStatistics: true,
	})
	if err != nil {
		return nil, err
	}
	value, err := proto.Marshal(rig.Job(1))
	if err == nil {
		err = db.Update(func(tx *bolt.Tx) error {
			_, err := tx.CreateBucketIfNotExists([]byte("jobs"))
			return err
		})
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &bareDB{db: db, value: value}, nil
}

// commit puts one record of the size of a job behind the others and waits until it is on the disk.
func (b *bareDB) commit(context.Context, int) error {
	b.next++
	return b.db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("jobs")).Put(binary.BigEndian.AppendUint64(nil, b.next), b.value)
	})
}

func (b *bareDB) close() error { return b.db.Close() }

// marshalled is the sum of all keys and values of the jobs in a store's file that nobody has open.
func marshalled(path string) (total int64, err error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.View(func(tx *bolt.Tx) error {
		for _, name := range []string{"jobs", "specs"} {
			b := tx.Bucket([]byte(name))
			if b == nil {
				return fmt.Errorf("no bucket %s", name)
			}
			if err := b.ForEach(func(k, v []byte) error { total += int64(len(k) + len(v)); return nil }); err != nil {
				return err
			}
		}
		return nil
	})
	return total, err
}

// headerField is the number of a record's header, which is encoded before all other fields.
const headerField = 9

// readHeaders is the least that a start can do: it goes over all records in
// their order and reads the fields of each header, without keeping any.
func readHeaders(path string) (err error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("jobs"))
		if b == nil {
			return errors.New("no bucket jobs")
		}
		return b.ForEach(func(_, record []byte) error {
			num, typ, n := protowire.ConsumeTag(record)
			if num != headerField || typ != protowire.BytesType {
				return fmt.Errorf("the first field of a record is %d", num)
			}
			h, n := protowire.ConsumeBytes(record[n:])
			for n > 0 && len(h) > 0 {
				if _, _, n = protowire.ConsumeField(h); n > 0 {
					h = h[n:]
				}
			}
			return protowire.ParseError(n)
		})
	})
}

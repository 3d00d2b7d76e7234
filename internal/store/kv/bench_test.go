package kv

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"sync/atomic"
	"testing"
)

func benchDB(b *testing.B, change func(*Config)) *DB {
	b.Helper()
	cfg := testConfig(filepath.Join(b.TempDir(), "jobs.db"))
	cfg.mapSize = defaultMapSize()
	if change != nil {
		change(&cfg)
	}
	db, err := Open(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return db
}

// submit returns an operation that writes a record of 2 kB with the next key, and a counter.
func submit(next *atomic.Uint64) Op {
	value := bytes.Repeat([]byte{7}, 2000)
	return Op{Bytes: len(value), Stage: func(tx *Tx) error {
		key := binary.BigEndian.AppendUint64(nil, next.Add(1))
		if err := tx.Put(jobs, key, value); err != nil {
			return err
		}
		return tx.Put(meta, []byte("counter"), key)
	}}
}

// BenchmarkCommit measures records of 2 kB, one a commit by a lone caller and by 256 at once.
func BenchmarkCommit(b *testing.B) {
	for _, callers := range []int{1, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			db, next := benchDB(b, nil), atomic.Uint64{}
			b.SetParallelism(callers)
			b.ResetTimer()
			run := func(pb *testing.PB) {
				for pb.Next() {
					if err := db.Do(b.Context(), submit(&next)); err != nil {
						b.Error(err)
					}
				}
			}
			if callers > 1 {
				b.RunParallel(run)
			} else {
				for b.Loop() {
					if err := db.Do(b.Context(), submit(&next)); err != nil {
						b.Error(err)
					}
				}
			}
			b.ReportMetric(float64(db.Stats().Commits)/float64(b.N), "commits/op")
		})
	}
}

// never and always are numbers of free pages up to which a commit stores their list.
const never, always = -1, math.MaxInt

var policies = map[string]int{"short": shortFreeList, "always": always, "never": never}

// fill makes a database of n records of 2 kB, of which a purge deletes a part in one stretch.
func fill(b *testing.B, db *DB, n, purge int) {
	b.Helper()
	var next atomic.Uint64
	for i := 0; i < n; i += 500 {
		if err := db.Do(b.Context(), Op{Stage: func(tx *Tx) error {
			for range 500 {
				if err := submit(&next).Stage(tx); err != nil {
					return err
				}
			}
			return nil
		}}); err != nil {
			b.Fatal(err)
		}
	}
	for i := 0; i < purge; i += 500 {
		if err := db.Do(b.Context(), Op{Stage: func(tx *Tx) error {
			for j := range 500 {
				if err := tx.Delete(jobs, binary.BigEndian.AppendUint64(nil, uint64(i+j+1))); err != nil {
					return err
				}
			}
			return nil
		}}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFreeList measures a commit by when the list of free pages is stored, with a short list and with the
// one that a purge of most of 200,000 records leaves.
func BenchmarkFreeList(b *testing.B) {
	for _, purge := range []int{0, 190_000} {
		for _, name := range []string{"short", "always", "never"} {
			b.Run(fmt.Sprintf("purged=%d/stored=%s", purge, name), func(b *testing.B) {
				var next atomic.Uint64
				next.Store(1 << 32)
				db := benchDB(b, func(c *Config) { c.freeList = never })
				fill(b, db, 200_000, purge)
				db.cfg.freeList = policies[name]
				for b.Loop() {
					if err := db.Do(b.Context(), submit(&next)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkOpen measures a start with 200,000 records whose list of free pages was stored, and one where it
// has to be made.
func BenchmarkOpen(b *testing.B) {
	for _, purge := range []int{0, 190_000} {
		for _, stored := range []bool{true, false} {
			b.Run(fmt.Sprintf("purged=%d/stored=%t", purge, stored), func(b *testing.B) {
				cfg := testConfig(filepath.Join(b.TempDir(), "jobs.db"))
				cfg.mapSize, cfg.freeList, cfg.ReadAhead = defaultMapSize(), never, -1
				db, err := Open(cfg)
				if err != nil {
					b.Fatal(err)
				}
				fill(b, db, 200_000, purge)
				if !stored {
					db.bolt.NoFreelistSync = false // Close then takes it for stored
				}
				if err := db.Close(); err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					db, err := Open(cfg)
					if err != nil {
						b.Fatal(err)
					}
					if err := db.bolt.Close(); err != nil { // as it was
						b.Fatal(err)
					}
					_ = db.Close()
				}
			})
		}
	}
}

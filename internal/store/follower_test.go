package store

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"
)

// A store that gets nothing but the bytes of each commit is the same, in its file and in memory.
func TestAFollowerIsEqual(t *testing.T) {
	open := func() *Store {
		s, err := Open(Config{Path: filepath.Join(t.TempDir(), "jobs.db")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	leader, follower := open(), open()
	leader.commitHook = func(entry []byte) error {
		entry = bytes.Clone(entry)
		follower.between.Lock()
		defer follower.between.Unlock()
		err := follower.db.Update(func(tx *bolt.Tx) error { return repeat(tx, entry) })
		if err == nil {
			_, err = follower.apply(entry)
		}
		return err
	}
	for n := range 40 {
		live(t, leader, n)
	}
	leader.between.Lock() // no commit is under way, and what the writer did is seen here
	defer leader.between.Unlock()
	if d := follower.ix.Compare(leader.ix); len(d) > 0 {
		t.Errorf("its index: %v", d)
	}
	if follower.meta != leader.meta || follower.AuditHead() != leader.AuditHead() || !proto.Equal(follower.Settings(), leader.Settings()) {
		t.Errorf("it is at %+v, %v, %v; want %+v, %v, %v", follower.meta, follower.AuditHead(), follower.Settings(),
			leader.meta, leader.AuditHead(), leader.Settings())
	}
	if diff := cmp.Diff(contents(t, leader), contents(t, follower)); diff != "" {
		t.Errorf("its buckets: %s", diff)
	}
	if problems, err := follower.Check(t.Context()); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

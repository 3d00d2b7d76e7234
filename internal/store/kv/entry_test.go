package kv

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

func FuzzReplay(f *testing.F) {
	entry := appendSequence(appendDelete(appendPut(nil, "jobs", []byte("k"), []byte("v")), "meta", []byte("x")), "jobs", 7)
	f.Add(entry)
	f.Add(entry[:len(entry)-1])
	f.Add([]byte{byte(KindPut), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, entry []byte) {
		var again []byte
		err := Replay(entry, func(w Write) error {
			switch w.Kind {
			case KindPut:
				again = appendPut(again, w.Bucket, w.Key, w.Value)
			case KindDelete:
				again = appendDelete(again, w.Bucket, w.Key)
			case KindSequence:
				again = appendSequence(again, w.Bucket, w.Sequence)
			}
			return nil
		})
		if err != nil && !errors.Is(err, ErrEntry) {
			t.Errorf("Replay = %v, want nil or ErrEntry", err)
		}
		if err == nil && len(again) > len(entry) { // a varint may be longer than it needs to be
			t.Errorf("the same writes take %d bytes, and took %d", len(again), len(entry))
		}
		var once []byte
		if err := Replay(again, func(w Write) error { once = append(once, byte(w.Kind)); return nil }); err != nil {
			t.Errorf("what was written cannot be read: %v", err)
		}
	})
}

func TestReplayEndsWithTheErrorOfItsCallback(t *testing.T) {
	n := 0
	err := Replay(appendDelete(appendDelete(nil, jobs, []byte("a")), jobs, []byte("b")), func(Write) error { n++; return errOwn })
	if !errors.Is(err, errOwn) || n != 1 {
		t.Errorf("Replay = %v after %d writes", err, n)
	}
}

func TestApplyEntryRefusesWhatIsNotAnEntry(t *testing.T) {
	db := openTest(t, nil)
	entry := appendPut(nil, jobs, []byte("a"), []byte("1"))
	if err := db.ApplyEntry(append(entry, 9)); !errors.Is(err, ErrEntry) {
		t.Errorf("a damaged entry: %v", err)
	}
	if err := db.ApplyEntry(appendPut(nil, "none", []byte("a"), nil)); !errors.Is(err, ErrNoBucket) {
		t.Errorf("an entry of another schema: %v", err)
	}
	db.wantContents(t, map[string]string{})
	if err := db.ApplyEntry(entry); err != nil {
		t.Error(err)
	}
	db.wantContents(t, map[string]string{"a": "1"})
}

// dump returns all that is in the buckets, their sequences included.
func dump(t interface{ Fatal(...any) }, path string) string {
	b, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var out bytes.Buffer
	if err := b.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			fmt.Fprintf(&out, "bucket %s sequence %d\n", name, b.Sequence())
			return b.ForEach(func(k, v []byte) error {
				fmt.Fprintf(&out, "%q=%q\n", k, v)
				return nil
			})
		})
	}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestFollowerHasEqualBuckets(t *testing.T) {
	dir, n := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		leaderPath, followerPath := filepath.Join(dir, fmt.Sprint("leader", n)), filepath.Join(dir, fmt.Sprint("follower", n))
		follower, err := Open(testConfig(followerPath))
		if err != nil {
			rt.Fatal(err)
		}
		cfg := testConfig(leaderPath)
		cfg.MaxEntry = 400
		cfg.Begin = func(tx *Tx) {
			if err := tx.Put(meta, []byte("begun"), nil); err != nil {
				rt.Error(err)
			}
		}
		cfg.Finish = func(tx *Tx) error { _, err := tx.NextSequence(meta); return err }
		cfg.Apply = func(entry []byte) {
			if err := follower.ApplyEntry(entry); err != nil {
				rt.Errorf("follow: %v", err)
			}
		}
		leader, err := Open(cfg)
		if err != nil {
			rt.Fatal(err)
		}
		for range rapid.IntRange(1, 8).Draw(rt, "batches") {
			ops := make([]Op, rapid.IntRange(1, 6).Draw(rt, "operations"))
			for i := range ops {
				ops[i].Stage = drawStage(rt)
			}
			leader.together(t.Context(), ops...)
		}
		if err := errors.Join(leader.Close(), follower.Close()); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(dump(t, leaderPath), dump(t, followerPath)); diff != "" {
			rt.Errorf("leader and follower differ (-leader +follower):\n%s", diff)
		}
	})
}

// drawStage returns an operation of some writes, which may fail after some of them.
func drawStage(rt *rapid.T) func(*Tx) error {
	type step struct {
		kind, bucket, key string
		size              int
	}
	steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
		return step{
			rapid.SampledFrom([]string{"put", "put", "delete", "sequence", "fail"}).Draw(rt, "kind"),
			rapid.SampledFrom([]string{jobs, meta}).Draw(rt, "bucket"),
			rapid.StringMatching(`[a-d]`).Draw(rt, "key"),
			rapid.IntRange(0, 300).Draw(rt, "size"),
		}
	}), 0, 4).Draw(rt, "steps")
	return func(tx *Tx) error {
		for _, s := range steps {
			var err error
			switch s.kind {
			case "put":
				err = tx.Put(s.bucket, []byte(s.key), bytes.Repeat([]byte("v"), s.size))
			case "delete":
				err = tx.Delete(s.bucket, []byte(s.key))
			case "sequence":
				_, err = tx.NextSequence(s.bucket)
			case "fail":
				err = errOwn
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

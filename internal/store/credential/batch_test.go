package credential_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/credential"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// fixture is a database with an index that follows it.
type fixture struct {
	testing.TB

	db       *kv.DB
	ix       credential.Index
	batch    *credential.Batch
	detached bool // the index follows no more
}

func open(tb testing.TB) *fixture {
	tb.Helper()
	f := &fixture{TB: tb}
	f.batch = credential.NewBatch(&f.ix)
	db, err := kv.Open(kv.Config{
		Path: filepath.Join(tb.TempDir(), "test.db"), NoSync: true,
		Buckets: []kv.Bucket{{Name: credential.TokenBucket}, {Name: credential.SessionBucket}, {Name: credential.UserBucket}},
		Begin:   f.batch.Begin,
		Apply: func(entry []byte) {
			if f.detached {
				return
			}
			if err := kv.Replay(entry, f.ix.Apply); err != nil {
				tb.Error(err)
			}
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	f.db = db
	tb.Cleanup(func() { _ = db.Close() })
	f.load(&f.ix)
	return f
}

func (f *fixture) load(ix *credential.Index) {
	f.Helper()
	if err := f.db.View(func(tx *kv.ReadTx) error { ix.Load(tx); return nil }); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) do(stage func(*kv.Tx) error) error {
	return f.db.Do(f.Context(), kv.Op{Stage: stage})
}

// checkIndex compares the index with one that is made anew.
func (f *fixture) checkIndex() {
	f.Helper()
	var fresh credential.Index
	f.load(&fresh)
	for _, d := range f.ix.Compare(&fresh) {
		f.Error(d)
	}
}

func (f *fixture) tokens(user string) (ids []string) {
	f.Helper()
	err := f.db.View(func(tx *kv.ReadTx) error {
		all, err := f.ix.Tokens(tx, user)
		for _, t := range all {
			ids = append(ids, t.GetId())
		}
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	return ids
}

func hashOf(n int) credential.Hash { return credential.Hash{byte(n), byte(n >> 8)} }

func token(id, user string) *storev1.Token { return &storev1.Token{Id: id, User: user} }

func TestABatchSeesWhatItHasStaged(t *testing.T) {
	f := open(t)
	put := func(n int, id string) error { return f.batch.PutToken(hashOf(n), token(id, "ada"), 2) }
	err := f.do(func(*kv.Tx) error {
		if err := errors.Join(put(1, "a"), put(2, "b")); err != nil {
			return err
		}
		if got := f.tokens("ada"); got != nil {
			t.Errorf("readers see %v before the commit", got)
		}
		for want, err := range map[error]error{job.ErrAlreadyExists: put(3, "a"), job.ErrExhausted: put(3, "c")} {
			if !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
		if user, err := f.batch.DeleteToken("a", ""); user != "ada" || err != nil {
			t.Errorf("%s %v", user, err)
		}
		if _, err := f.batch.DeleteToken("a", ""); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("delete it again: %v", err)
		}
		return put(3, "a")
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := f.tokens("ada"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("there are %v", got)
	}
	f.checkIndex()
}

func TestARefusedChangeIsInNoIndex(t *testing.T) {
	f := open(t)
	refusal := errors.New("no")
	err := f.do(func(*kv.Tx) error {
		return errors.Join(f.batch.PutToken(hashOf(1), token("a", "ada"), 0), refusal)
	})
	if !errors.Is(err, refusal) {
		t.Fatal(err)
	}
	if err := f.do(func(*kv.Tx) error { return f.batch.PutToken(hashOf(2), token("a", "ada"), 1) }); err != nil {
		t.Errorf("the id is taken by what was refused: %v", err)
	}
	f.checkIndex()
}

func TestSessionsOfOneBatchMakeRoomForEachOther(t *testing.T) {
	f := open(t)
	var deleted []string
	err := f.do(func(*kv.Tx) error {
		for n := range 5 {
			gone, err := f.batch.PutSession(hashOf(n), &storev1.Session{
				Id: string('a' + rune(n)), User: "ada", LastUseTime: &timestamppb.Timestamp{Seconds: int64(n)},
			}, 2)
			if err != nil {
				return err
			}
			deleted = append(deleted, gone...)
		}
		return f.batch.TouchSession(hashOf(3), time.Unix(9, 0))
	})
	if err != nil || !slices.Equal(deleted, []string{"a", "b", "c"}) {
		t.Fatalf("%v went, %v", deleted, err)
	}
	err = f.do(func(*kv.Tx) (err error) {
		deleted, err = f.batch.PutSession(hashOf(9), &storev1.Session{Id: "z", User: "ada"}, 2)
		return err
	})
	if err != nil || !slices.Equal(deleted, []string{"e"}) {
		t.Errorf("%v went, %v", deleted, err)
	}
	f.checkIndex()
}

const others = 5000 // sessions of other users

// withSessions returns a database with the sessions of others.
func withSessions(tb testing.TB) *fixture {
	tb.Helper()
	f := open(tb)
	err := f.do(func(*kv.Tx) error {
		for n := range others {
			session := &storev1.Session{Id: strconv.Itoa(n), User: fmt.Sprint("user", n%26)}
			if _, err := f.batch.PutSession(hashOf(n), session, others); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// signIn stores the session number n of ada, who keeps three.
func (f *fixture) signIn(n int) {
	f.Helper()
	if err := f.do(func(*kv.Tx) error {
		_, err := f.batch.PutSession(hashOf(others+n), &storev1.Session{Id: fmt.Sprint("a", n), User: "ada"}, 3)
		return err
	}); err != nil {
		f.Fatal(err)
	}
}

// The stored sessions cannot be decoded any more, so a sign-in that decodes one of them fails.
func TestASignInDecodesNoSession(t *testing.T) {
	f := withSessions(t)
	for n := range 3 {
		f.signIn(n)
	}
	f.detached = true
	if err := f.do(func(tx *kv.Tx) (err error) {
		for n := range others + 3 {
			hash := hashOf(n)
			err = errors.Join(err, tx.Put(credential.SessionBucket, hash[:], []byte{0xff}))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	f.detached = false
	f.signIn(3)
}

// BenchmarkSignIn measures a sign-in with the sessions of many others there.
func BenchmarkSignIn(b *testing.B) {
	f := withSessions(b)
	for n := 0; b.Loop(); n++ {
		f.signIn(n % 50_000)
	}
}

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

	db        *kv.DB
	standings credential.Standings
	detached  bool // the standings follow no more
}

func open(tb testing.TB) *fixture {
	tb.Helper()
	f := &fixture{TB: tb}
	db, err := kv.Open(kv.Config{
		Path: filepath.Join(tb.TempDir(), "test.db"), NoSync: true,
		Buckets: []kv.Bucket{{Name: credential.TokenBucket}, {Name: credential.SessionBucket}, {Name: credential.OwnerBucket}, {Name: credential.UserBucket}},
		Apply: func(entry []byte) {
			if f.detached {
				return
			}
			if err := kv.Replay(entry, f.standings.Apply); err != nil {
				tb.Error(err)
			}
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	f.db = db
	tb.Cleanup(func() { _ = db.Close() })
	return f
}

func (f *fixture) view(read func(*kv.ReadTx) error) {
	f.Helper()
	if err := f.db.View(read); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) do(stage func(*kv.Tx) error) error {
	return f.db.Do(f.Context(), kv.Op{Stage: stage})
}

// check checks the database, and compares the standings with those that are made anew.
func (f *fixture) check() {
	f.Helper()
	var fresh credential.Standings
	f.view(func(tx *kv.ReadTx) error {
		fresh.Load(tx)
		credential.Check(tx, func(where, what string) { f.Errorf("%s: %s", where, what) })
		return nil
	})
	if got, want := f.standings.String(), fresh.String(); got != want {
		f.Errorf("the standings are %s, and those that are made anew %s", got, want)
	}
}

func (f *fixture) tokens(user string) (ids []string) {
	f.Helper()
	f.view(func(tx *kv.ReadTx) error {
		all, err := credential.Tokens(tx, user)
		for _, t := range all {
			ids = append(ids, t.GetId())
		}
		return err
	})
	return ids
}

func hashOf(n int) credential.Hash { return credential.Hash{byte(n), byte(n >> 8)} }

func token(id, user string) *storev1.Token { return &storev1.Token{Id: id, User: user} }

func TestATransactionSeesWhatItHasStaged(t *testing.T) {
	f := open(t)
	err := f.do(func(tx *kv.Tx) error {
		put := func(n int, id string) error { return credential.PutToken(tx, hashOf(n), token(id, "ada"), 2) }
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
		if user, err := credential.Delete(tx, credential.TokenBucket, "a", ""); user != "ada" || err != nil {
			t.Errorf("%s %v", user, err)
		}
		if _, err := credential.Delete(tx, credential.TokenBucket, "a", ""); !errors.Is(err, job.ErrNotFound) {
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
	f.check()
}

func TestARefusedChangeIsInNoIndex(t *testing.T) {
	f := open(t)
	refusal := errors.New("no")
	err := f.do(func(tx *kv.Tx) error {
		return errors.Join(credential.PutToken(tx, hashOf(1), token("a", "ada"), 0), refusal)
	})
	if !errors.Is(err, refusal) {
		t.Fatal(err)
	}
	if err := f.do(func(tx *kv.Tx) error { return credential.PutToken(tx, hashOf(2), token("a", "ada"), 1) }); err != nil {
		t.Errorf("the id is taken by what was refused: %v", err)
	}
	f.check()
}

func TestSessionsOfOneBatchMakeRoomForEachOther(t *testing.T) {
	f := open(t)
	var deleted []string
	err := f.do(func(tx *kv.Tx) error {
		for n := range 5 {
			gone, err := credential.PutSession(tx, hashOf(n), &storev1.Session{
				Id: string('a' + rune(n)), User: "ada", LastUseTime: &timestamppb.Timestamp{Seconds: int64(n)},
			}, 2)
			if err != nil {
				return err
			}
			deleted = append(deleted, gone...)
		}
		return credential.TouchSession(tx, hashOf(3), time.Unix(9, 0))
	})
	if err != nil || !slices.Equal(deleted, []string{"a", "b", "c"}) {
		t.Fatalf("%v went, %v", deleted, err)
	}
	err = f.do(func(tx *kv.Tx) (err error) {
		deleted, err = credential.PutSession(tx, hashOf(9), &storev1.Session{Id: "z", User: "ada"}, 2)
		return err
	})
	if err != nil || !slices.Equal(deleted, []string{"e"}) {
		t.Errorf("%v went, %v", deleted, err)
	}
	f.check()
}

const others = 5000 // sessions of other users

// withSessions returns a database with the sessions of others.
func withSessions(tb testing.TB) *fixture {
	tb.Helper()
	f := open(tb)
	err := f.do(func(tx *kv.Tx) error {
		for n := range others {
			session := &storev1.Session{Id: strconv.Itoa(n), User: fmt.Sprint("user", n/4)}
			if _, err := credential.PutSession(tx, hashOf(n), session, others); err != nil {
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
	if err := f.do(func(tx *kv.Tx) error {
		_, err := credential.PutSession(tx, hashOf(others+n), &storev1.Session{Id: fmt.Sprint("a", n), User: "ada"}, 3)
		return err
	}); err != nil {
		f.Fatal(err)
	}
}

// The sessions of others cannot be decoded any more, so a sign-in that decodes one of them fails.
func TestASignInDecodesNoSessionOfOthers(t *testing.T) {
	f := withSessions(t)
	for n := range 3 {
		f.signIn(n)
	}
	if err := f.do(func(tx *kv.Tx) (err error) {
		for n := range others {
			hash := hashOf(n)
			err = errors.Join(err, tx.Put(credential.SessionBucket, hash[:], []byte{0xff}))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	f.signIn(3)
}

// A check names what one of the two buckets has and the other has not.
func TestACheckComparesCredentialsWithTheirUsers(t *testing.T) {
	f := open(t)
	if err := f.do(func(tx *kv.Tx) error {
		session := &storev1.Session{Id: "s", User: "ada"}
		_, err := credential.PutSession(tx, hashOf(3), session, 9)
		return errors.Join(err, credential.PutToken(tx, hashOf(1), token("a", "ada"), 0), credential.PutToken(tx, hashOf(2), token("b", "ada"), 0))
	}); err != nil {
		t.Fatal(err)
	}
	f.check()
	f.detached = true
	if err := f.do(func(tx *kv.Tx) error {
		one, two := hashOf(1), hashOf(2)
		owner := slices.Concat([]byte("ada\x00t"), two[:])
		return errors.Join(tx.Delete(credential.TokenBucket, one[:]), tx.Delete(credential.OwnerBucket, owner),
			tx.Put(credential.SessionBucket, []byte("x"), nil), tx.Put(credential.UserBucket, []byte("bob"), []byte{0xff}))
	}); err != nil {
		t.Fatal(err)
	}
	var got []string
	f.view(func(tx *kv.ReadTx) error {
		credential.Check(tx, func(where, what string) { got = append(got, where+": "+what) })
		return nil
	})
	want := []string{
		fmt.Sprintf("token %x: it is not found by its user", hashOf(2)), "token a: its user has it, and it is not there",
		"session 78: it cannot be read", `user "bob": it cannot be read`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// BenchmarkSignIn measures a sign-in with the sessions of many others there.
func BenchmarkSignIn(b *testing.B) {
	f := withSessions(b)
	for n := 0; b.Loop(); n++ {
		f.signIn(n % 50_000)
	}
}

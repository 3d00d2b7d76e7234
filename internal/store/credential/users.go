package credential

import (
	"errors"
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// UserBucket holds a store.v1.User under the name of each user of whom something is stored.
const UserBucket = "users"

// Standing says what of a user's credentials is refused. The zero value is that of everybody else.
type Standing struct {
	// Disabled users are not let in at all.
	Disabled bool
	// SignedOut is when the user was last signed out everywhere, in nanoseconds since 1970. What was
	// issued before is refused. 0 means never.
	SignedOut int64
}

func standingOf(u *storev1.User) Standing {
	return Standing{Disabled: u.GetDisableTime() != nil, SignedOut: nanos(u.GetSignOutTime())}
}

// Standings are what of users' credentials is refused, in memory. The methods may be called at the same
// time.
type Standings struct {
	mu sync.RWMutex
	of map[string]Standing // without those of everybody else
}

// Of returns what of a user's credentials is refused.
func (st *Standings) Of(user string) Standing {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.of[user]
}

// Load reads them from a database. It leaves out what cannot be read: see Check.
func (st *Standings) Load(tx *kv.ReadTx) {
	for k, v := range tx.Ascend(UserBucket, nil) {
		_ = st.Apply(kv.Write{Kind: kv.KindPut, Bucket: UserBucket, Key: k, Value: v})
	}
}

// Apply brings them up to date with a write of a commit.
func (st *Standings) Apply(w kv.Write) error {
	if w.Bucket != UserBucket || w.Kind == kv.KindSequence {
		return nil
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	delete(st.of, string(w.Key))
	if w.Kind == kv.KindDelete {
		return nil
	}
	u, err := decodeUser(w.Value)
	if s := standingOf(u); err == nil && s != (Standing{}) {
		if st.of == nil {
			st.of = make(map[string]Standing)
		}
		st.of[string(w.Key)] = s
	}
	return err
}

// String returns all of them. Those of the same database are the same.
func (st *Standings) String() string {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return fmt.Sprint(st.of)
}

func decodeUser(raw []byte) (*storev1.User, error) {
	u := &storev1.User{}
	if err := proto.Unmarshal(raw, u); err != nil {
		return nil, fmt.Errorf("read a user: %w: %w", job.ErrStorage, err)
	}
	return u, nil
}

// User returns what is stored of a user, or job.ErrNotFound.
func User(tx *kv.ReadTx, name string) (*storev1.User, error) {
	raw := tx.Get(UserBucket, []byte(name))
	if raw == nil {
		return nil, fmt.Errorf("user %q: %w", name, job.ErrNotFound)
	}
	return decodeUser(raw)
}

// NamedUser is a user with their name.
type NamedUser struct {
	// Name of the user.
	Name string
	// User as stored.
	User *storev1.User
}

// Users returns users in the order of their names behind after, at most limit, and whether there are
// more. disabled leaves out those who may come in.
func Users(tx *kv.ReadTx, after string, limit int, disabled bool) (users []NamedUser, more bool, _ error) {
	for k, v := range tx.Ascend(UserBucket, []byte(after)) {
		u, err := decodeUser(v)
		switch {
		case err != nil:
			return nil, false, err
		case string(k) == after, disabled && u.GetDisableTime() == nil:
			continue
		case len(users) == limit:
			return users, true, nil
		}
		users = append(users, NamedUser{string(k), u})
	}
	return users, false, nil
}

// ChangeUser stores what change makes of a user. Where nothing is stored of them, it gets an empty message.
func ChangeUser(tx *kv.Tx, name string, change func(*storev1.User)) error {
	u, err := User(&tx.ReadTx, name)
	if errors.Is(err, job.ErrNotFound) {
		u, err = &storev1.User{}, nil
	}
	if err != nil {
		return err
	}
	change(u)
	return tx.PutMessage(UserBucket, []byte(name), u)
}

// Disabled reports whether a user is disabled. Of whom nothing can be read, nothing is let in.
func Disabled(tx *kv.ReadTx, name string) bool {
	raw := tx.Get(UserBucket, []byte(name))
	if raw == nil {
		return false
	}
	u, err := decodeUser(raw)
	return err != nil || u.GetDisableTime() != nil
}

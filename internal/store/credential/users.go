package credential

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

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

// Standing returns what of a user's credentials is refused.
func (ix *Index) Standing(user string) Standing {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return ix.standings[user]
}

// applyUser brings the standings up to date. ix.mu is held.
func (ix *Index) applyUser(w kv.Write) error {
	if w.Kind == kv.KindDelete {
		delete(ix.standings, string(w.Key))
		return nil
	}
	u, err := decodeUser(w.Value)
	if err != nil {
		return err
	}
	if s := standingOf(u); s != (Standing{}) {
		ix.standings[string(w.Key)] = s
	} else {
		delete(ix.standings, string(w.Key))
	}
	return nil
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

// Sessions returns the sessions of a user, the last used first.
func (ix *Index) Sessions(tx *kv.ReadTx, user string) (all []*storev1.Session, _ error) {
	for hash := range ix.ofUser(SessionBucket, user) {
		raw := tx.Get(SessionBucket, hash[:])
		if raw == nil {
			continue // the transaction and the index are not of one moment
		}
		s, err := decode(raw, &storev1.Session{})
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *storev1.Session) int {
		return cmp.Or(cmp.Compare(nanos(b.GetLastUseTime()), nanos(a.GetLastUseTime())), cmp.Compare(a.GetId(), b.GetId()))
	})
	return all, nil
}

// Counts returns how many sessions and tokens a user has.
func (ix *Index) Counts(user string) (sessions, tokens int) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return len(ix.tables[SessionBucket].byUser[user]), len(ix.tables[TokenBucket].byUser[user])
}

// DeleteSessionByID deletes the session with an id and returns its user. It returns job.ErrNotFound
// where there is none, or where it is not a session of user. An empty user is any.
func (b *Batch) DeleteSessionByID(id, user string) (owner string, err error) {
	hash, r, ok := b.find(SessionBucket, id)
	if !ok || user != "" && r.user != user {
		return "", fmt.Errorf("session %q: %w", id, job.ErrNotFound)
	}
	return r.user, b.remove(SessionBucket, hash)
}

// End deletes the credentials of a user in a bucket and returns their ids.
func (b *Batch) End(bucket, user string) (ids []string, err error) {
	for hash, r := range b.ofUser(bucket, user) {
		if err := b.remove(bucket, hash); err != nil {
			return nil, err
		}
		ids = append(ids, r.id)
	}
	slices.Sort(ids)
	return ids, nil
}

// ChangeUser stores what change makes of a user. Where nothing is stored of them, it gets an empty message.
func (b *Batch) ChangeUser(name string, change func(*storev1.User)) error {
	u := &storev1.User{}
	if raw := b.tx.Get(UserBucket, []byte(name)); raw != nil {
		var err error
		if u, err = decodeUser(raw); err != nil {
			return err
		}
	}
	change(u)
	return b.tx.PutMessage(UserBucket, []byte(name), u)
}

// signedIn notes the first session of a user.
func (b *Batch) signedIn(name string, at time.Time) error {
	if b.tx.Get(UserBucket, []byte(name)) != nil {
		return nil
	}
	return b.ChangeUser(name, func(u *storev1.User) { u.FirstSignInTime = timestamppb.New(at) })
}

// Disabled reports whether a user is disabled, with what is staged.
func (b *Batch) Disabled(name string) bool {
	raw := b.tx.Get(UserBucket, []byte(name))
	if raw == nil {
		return false
	}
	u, err := decodeUser(raw)
	return err != nil || u.GetDisableTime() != nil // of whom nothing can be read, nothing is let in
}

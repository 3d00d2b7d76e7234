package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

const (
	// DefaultSessionIdle is how long a browser stays signed in that is not used.
	DefaultSessionIdle = 8 * time.Hour
	// DefaultSessionLife is how long a browser stays signed in at all.
	DefaultSessionLife = 24 * time.Hour
	// touchEvery is how exactly the last use is known.
	touchEvery = time.Minute
	// purgeEvery is how long a session that has ended may stay in the file.
	purgeEvery = 10 * time.Minute
)

// SessionStore keeps browser sessions by the Hash of their secret. Its methods
// may be called from several goroutines; what it answers is read-only.
type SessionStore interface {
	// Session answers the session with that hash, ended or not, or job.ErrNotFound.
	Session(hash [sha256.Size]byte) (*storev1.Session, error)
	// PutSession stores a session and deletes the least recently used others of its user, so that at
	// most so many are left. It answers the ids of those.
	PutSession(ctx context.Context, hash [sha256.Size]byte, s *storev1.Session, most int) ([]string, error)
	// TouchSession notes when a session was last used. One that is gone stays gone.
	TouchSession(ctx context.Context, hash [sha256.Size]byte, at time.Time) error
	// DeleteSession deletes a session and answers its id, or job.ErrNotFound.
	DeleteSession(ctx context.Context, hash [sha256.Size]byte) (string, error)
	// Sessions returns the sessions of a user, the last used first, ended or not.
	Sessions(user string) ([]*storev1.Session, error)
	// SessionsWhere returns the sessions of all users that a function wants.
	SessionsWhere(wanted func(*storev1.Session) bool) ([]*storev1.Session, error)
	// DeleteSessionByID deletes the session with that public id. It returns job.ErrNotFound where there is
	// none, also when it is not one of user. An empty user stands for every user.
	DeleteSessionByID(ctx context.Context, id, user string) error
	// PurgeSessions deletes the sessions that have ended.
	PurgeSessions(ctx context.Context, ended func(*storev1.Session) bool) error
}

// SessionsConfig is what Sessions needs.
type SessionsConfig struct {
	// Store has the sessions. Required.
	Store SessionStore
	// Idle ends a session that nobody uses. Zero means DefaultSessionIdle.
	Idle time.Duration
	// Life ends a session whatever is done with it. Zero means DefaultSessionLife.
	Life time.Duration
	// Logger is told of what fails beside a call. Nil discards it.
	Logger *slog.Logger
}

// Sessions are the browsers that signed in. The secret of each is in a cookie of its own, and nowhere else.
type Sessions struct {
	cfg SessionsConfig
	// revoked tells the authenticator that a session ended.
	revoked func(id string)

	mu       sync.Mutex
	touching map[[sha256.Size]byte]struct{}
}

// NewSessions works on a store.
func NewSessions(cfg SessionsConfig) (*Sessions, error) {
	if cfg.Store == nil {
		return nil, errors.New("sessions: Store is required")
	}
	if cfg.Idle == 0 {
		cfg.Idle = DefaultSessionIdle
	}
	if cfg.Life == 0 {
		cfg.Life = DefaultSessionLife
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Sessions{cfg: cfg, revoked: func(string) {}, touching: make(map[[sha256.Size]byte]struct{})}, nil
}

// EndStreams has a's streams of a session end with it. It must be called before the first session begins.
func (s *Sessions) EndStreams(a *Authenticator) { s.revoked = a.Revoked }

// Beginning is what is known of a session as it begins.
type Beginning struct {
	// User who signs in.
	User string
	// Roles that the issuer gives them.
	Roles []Role
	// Groups that the issuer says they are in.
	Groups []string
	// Subject is the issuer's own id of the user, and IssuerSession that of its session. The latter may be empty.
	Subject, IssuerSession string
	// Address that they sign in from, and what their browser says it is. Both may be empty.
	Address, UserAgent string
}

// maxUserAgent bounds what is stored of a browser's words.
const maxUserAgent = 200

// Begin makes a session, always with a new secret, and returns that.
func (s *Sessions) Begin(ctx context.Context, b Beginning) (secret string, err error) {
	id, text := NewSecret()
	now, user := time.Now(), b.User
	session := &storev1.Session{
		Id: id, User: user, Groups: b.Groups, CreateTime: timestamppb.New(now), LastUseTime: timestamppb.New(now), ExpireTime: timestamppb.New(now.Add(s.cfg.Life)),
		IssuerSubject: b.Subject, IssuerSession: b.IssuerSession, Address: b.Address,
		UserAgent: strings.ToValidUTF8(b.UserAgent[:min(len(b.UserAgent), maxUserAgent)], ""),
	}
	for _, r := range b.Roles {
		if r != RoleUser {
			session.Roles = append(session.Roles, string(r))
		}
	}
	secret = strings.TrimPrefix(text, tokenPrefix) // a cookie is no API token, and must not pass for one
	gone, err := s.cfg.Store.PutSession(ctx, Hash(secret), session, int(job.Limits{}.Of(job.QuotaSessions)))
	if err != nil {
		return "", fmt.Errorf("store a session of %s: %w", user, err)
	}
	for _, id := range gone {
		s.revoked(id)
	}
	return secret, nil
}

// Principal says whose browser has a secret, and notes that it was used. A
// refusal is an error with a gRPC status. Its Expires is when the session would end if it was not used any more.
func (s *Sessions) Principal(_ context.Context, secret string) (Principal, error) {
	id, err := ParseSecret(tokenPrefix + secret)
	if err != nil { // does not reach the store, however many come
		return Principal{}, refuse(errSessionEnded)
	}
	hash := Hash(secret)
	found, err := s.cfg.Store.Session(hash)
	now := time.Now()
	switch {
	case errors.Is(err, job.ErrNotFound), err == nil && (found.GetId() != id || s.ended(found, now)):
		return Principal{}, refuse(errSessionEnded)
	case err != nil:
		return Principal{}, refuse(fmt.Errorf("%w: %w", errUnavailable, err))
	}
	last := found.GetLastUseTime().AsTime()
	if now.Sub(last) >= min(touchEvery, s.cfg.Idle/10) {
		s.touch(hash, now)
		last = now
	}
	p := Principal{User: found.GetUser(), Roles: []Role{RoleUser}, Groups: found.GetGroups(), How: HowSession, TokenID: id, Expires: s.end(found, last)}
	for _, r := range found.GetRoles() {
		p.Roles = append(p.Roles, Role(r))
	}
	return p, nil
}

// end is when a session that was last used then ends by itself.
func (s *Sessions) end(session *storev1.Session, last time.Time) time.Time {
	if life := session.GetExpireTime().AsTime(); life.Before(last.Add(s.cfg.Idle)) {
		return life
	}
	return last.Add(s.cfg.Idle)
}

func (s *Sessions) ended(session *storev1.Session, now time.Time) bool {
	return !now.Before(s.end(session, session.GetLastUseTime().AsTime()))
}

// touch notes a use, once however many calls come at the same moment. It is nobody's action, so that it is not audited.
func (s *Sessions) touch(hash [sha256.Size]byte, now time.Time) {
	s.mu.Lock()
	_, busy := s.touching[hash]
	s.touching[hash] = struct{}{}
	s.mu.Unlock()
	if busy {
		return
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.touching, hash)
	}()
	if err := s.cfg.Store.TouchSession(context.Background(), hash, now); err != nil {
		s.cfg.Logger.Warn("the last use of a session was not stored", "error", err)
	}
}

// End deletes the session of a secret. When it answers, no new call of the
// browser is served and its streams are ending. A session that there is not is none to end.
func (s *Sessions) End(ctx context.Context, secret string) error {
	id, err := s.cfg.Store.DeleteSession(ctx, Hash(secret))
	if errors.Is(err, job.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete a session: %w", err)
	}
	s.revoked(id)
	return nil
}

// List returns the sessions of a user that have not ended, the last used first. Their ExpireTime is when
// they end if they are not used any more.
func (s *Sessions) List(user string) ([]*storev1.Session, error) {
	all, err := s.cfg.Store.Sessions(user)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	now := time.Now()
	all = slices.DeleteFunc(all, func(one *storev1.Session) bool { return s.ended(one, now) })
	for _, one := range all {
		one.ExpireTime = timestamppb.New(s.end(one, one.GetLastUseTime().AsTime()))
	}
	return all, nil
}

// Revoke deletes the session with that public id, if it is one of user; an empty user stands for every user. When
// it returns, no new call of the browser is served and its streams are ending. One that does not exist is
// job.ErrNotFound.
func (s *Sessions) Revoke(ctx context.Context, id, user string) error {
	err := s.cfg.Store.DeleteSessionByID(ctx, id, user)
	if errors.Is(err, job.ErrNotFound) {
		return job.Missingf("stint.auth.v1.Session", id, "there is no session with that id")
	}
	if err != nil {
		return fmt.Errorf("revoke session: %w", err)
	}
	s.revoked(id)
	return nil
}

// RevokeOfIssuer ends the sessions of a user of the issuer that began before a time: those of one session
// there, or all where that is empty. It returns how many.
func (s *Sessions) RevokeOfIssuer(ctx context.Context, subject, issuerSession string, before time.Time) (n int, _ error) {
	found, err := s.cfg.Store.SessionsWhere(func(one *storev1.Session) bool {
		return (subject == "" || one.GetIssuerSubject() == subject) && (issuerSession == "" || one.GetIssuerSession() == issuerSession) &&
			one.GetCreateTime().AsTime().Before(before)
	})
	if err != nil {
		return 0, fmt.Errorf("find sessions of the issuer: %w", err)
	}
	for _, one := range found {
		switch err := s.Revoke(ctx, one.GetId(), one.GetUser()); {
		case err == nil:
			n++
		case !errors.Is(err, job.ErrNotFound): // it has ended by itself meanwhile
			return n, err
		}
	}
	return n, nil
}

// Run deletes sessions that have ended, until ctx ends.
func (s *Sessions) Run(ctx context.Context) error {
	for {
		now := time.Now()
		err := s.cfg.Store.PurgeSessions(ctx, func(one *storev1.Session) bool { return s.ended(one, now) })
		if err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("ended sessions were not deleted", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(purgeEvery):
		}
	}
}

package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

const maxDescription = 200

// TokenStore keeps API tokens by the Hash of their text. Its methods may be
// called from several goroutines; what it answers is read-only.
type TokenStore interface {
	// Token answers the token with that hash, expired or not, or job.ErrNotFound.
	Token(hash [sha256.Size]byte) (*storev1.Token, error)
	// Tokens answers the tokens of a user, oldest first; everybody's for an empty name.
	Tokens(user string) ([]*storev1.Token, error)
	// PutToken stores a token; one with the same id or hash is job.ErrAlreadyExists,
	// one more than most of the same user job.ErrExhausted.
	PutToken(ctx context.Context, hash [sha256.Size]byte, t *storev1.Token, most int) error
	// DeleteToken deletes the token with that public id, or answers job.ErrNotFound, also
	// when it is not one of user. An empty user is whoever's.
	DeleteToken(ctx context.Context, id, user string) error
	// TouchTokens notes when tokens were last used. It says nothing of those that are gone.
	TouchTokens(ctx context.Context, uses map[[sha256.Size]byte]time.Time) error
}

// Tokens makes and revokes API tokens.
type Tokens struct {
	store TokenStore
	auth  *Authenticator
}

// NewTokens works on a store. Tokens that it revokes stop working for a at
// once; a is nil where no server runs.
func NewTokens(store TokenStore, a *Authenticator) *Tokens { return &Tokens{store: store, auth: a} }

// Grant is what a new token is to carry.
type Grant struct {
	// User that it stands for.
	User string
	// Roles beyond RoleUser.
	Roles []string
	// Scopes that it is narrowed to. Empty means all that its user may do.
	Scopes []string
	// Description says what it is for, in at most 200 bytes.
	Description string
	// Expires is when it stops working; zero means never.
	Expires time.Time
}

// Create stores a new token and answers it with its text, which is kept
// nowhere. What is wrong with the grant is a *job.InvalidError.
func (t *Tokens) Create(ctx context.Context, g Grant) (*storev1.Token, string, error) {
	now := time.Now()
	if err := g.check(now); err != nil {
		return nil, "", err
	}
	id, text := NewSecret()
	token := &storev1.Token{
		Id: id, User: g.User, Roles: beyondUser(g.Roles), Scopes: sortedOnce(g.Scopes), Description: g.Description, CreateTime: timestamppb.New(now),
	}
	if !g.Expires.IsZero() {
		token.ExpireTime = timestamppb.New(g.Expires)
	}
	if err := t.store.PutToken(ctx, Hash(text), token, int(job.Limits{}.Of(job.QuotaTokens))); err != nil {
		return nil, "", fmt.Errorf("store token of %s: %w", g.User, err)
	}
	return token, text, nil
}

func (g Grant) check(now time.Time) error {
	v := g.checkNames()
	if !g.Expires.IsZero() && !g.Expires.After(now) {
		v.Add("expireTime", "is in the past")
	}
	v = append(v, job.CheckText("description", g.Description, maxDescription)...)
	return v.Err()
}

// beyondUser are the roles without repetition and without RoleUser, which everybody has.
func beyondUser(roles []string) []string {
	return slices.DeleteFunc(sortedOnce(roles), func(r string) bool { return Role(r) == RoleUser })
}

func sortedOnce(words []string) []string {
	words = slices.Clone(words)
	slices.Sort(words)
	return slices.Compact(words)
}

// List answers the tokens of a user, oldest first; everybody's for an empty name.
func (t *Tokens) List(user string) ([]*storev1.Token, error) {
	tokens, err := t.store.Tokens(user)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return tokens, nil
}

// Revoke deletes the token with that public id, if it is one of user; an empty
// user is whoever's. When it answers, no new call of the token is served and its
// streams are ending. One that does not exist is job.ErrNotFound.
func (t *Tokens) Revoke(ctx context.Context, id, user string) error {
	err := t.store.DeleteToken(ctx, id, user)
	if errors.Is(err, job.ErrNotFound) {
		return job.Missingf("stint.auth.v1.Token", id, "there is no token with that id")
	}
	if err != nil {
		return fmt.Errorf("revoke token: %w", err)
	}
	if t.auth != nil {
		t.auth.Revoked(id)
	}
	return nil
}

package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

const maxDescription = 200

// TokenStore keeps API tokens by the Hash of their text. Its methods may be
// called from several goroutines; what it answers is read-only.
type TokenStore interface {
	// Token answers the token with that hash, expired or not, or job.ErrNotFound.
	Token(hash [sha256.Size]byte) (*storev1.Token, error)
	// Tokens answers all tokens, oldest first.
	Tokens() ([]*storev1.Token, error)
	// PutToken stores a token; one with the same id or hash is job.ErrAlreadyExists.
	PutToken(ctx context.Context, hash [sha256.Size]byte, t *storev1.Token) error
	// DeleteToken deletes the token with that public id, or answers job.ErrNotFound.
	DeleteToken(ctx context.Context, id string) error
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
		Id: id, User: g.User, Roles: beyondUser(g.Roles), Description: g.Description, CreateTime: timestamppb.New(now),
	}
	if !g.Expires.IsZero() {
		token.ExpireTime = timestamppb.New(g.Expires)
	}
	if err := t.store.PutToken(ctx, Hash(text), token); err != nil {
		return nil, "", fmt.Errorf("store token of %s: %w", g.User, err)
	}
	return token, text, nil
}

func (g Grant) check(now time.Time) error {
	var v job.Violations
	if !job.ValidOwner(g.User) {
		v.Add("user", "is no user name: letters, digits and . _ @ + - only, at most 128")
	}
	for i, r := range g.Roles {
		if Role(r) != RoleUser && !slices.Contains(grantable, Role(r)) {
			v.Add(fmt.Sprintf("roles[%d]", i), "is no role; there are: user, operator")
		}
	}
	if !g.Expires.IsZero() && !g.Expires.After(now) {
		v.Add("expireTime", "is in the past")
	}
	v = append(v, job.CheckText("description", g.Description, maxDescription)...)
	return v.Err()
}

// beyondUser are the roles without repetition and without RoleUser, which everybody has.
func beyondUser(roles []string) []string {
	roles = slices.Clone(roles)
	slices.Sort(roles)
	return slices.DeleteFunc(slices.Compact(roles), func(r string) bool { return Role(r) == RoleUser })
}

// List answers all tokens, oldest first.
func (t *Tokens) List() ([]*storev1.Token, error) {
	tokens, err := t.store.Tokens()
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return tokens, nil
}

// Revoke deletes the token with that public id. When it answers, no new call
// of the token is served and its streams are ending. One that does not exist is job.ErrNotFound.
func (t *Tokens) Revoke(ctx context.Context, id string) error {
	err := t.store.DeleteToken(ctx, id)
	if errors.Is(err, job.ErrNotFound) {
		return job.Userf(job.ErrNotFound, "there is no token with that id")
	}
	if err != nil {
		return fmt.Errorf("revoke token: %w", err)
	}
	if t.auth != nil {
		t.auth.Revoked(id)
	}
	return nil
}

package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memoryStore keeps tokens in memory and can be made to fail.
type memoryStore struct {
	mu      sync.Mutex
	tokens  map[[sha256.Size]byte]*storev1.Token
	lookups int
	writes  int // calls of TouchTokens
	fail    error
	found   func() // called after a token was found, before it is answered
}

func newMemoryStore() *memoryStore {
	return &memoryStore{tokens: make(map[[sha256.Size]byte]*storev1.Token)}
}

func (s *memoryStore) Token(hash [sha256.Size]byte) (*storev1.Token, error) {
	s.mu.Lock()
	s.lookups++
	t, err, found := s.tokens[hash], s.fail, s.found
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, job.ErrNotFound
	}
	if found != nil {
		found()
	}
	return t, nil
}

func (s *memoryStore) Tokens(user string) ([]*storev1.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*storev1.Token
	for _, t := range s.tokens {
		if user == "" || t.GetUser() == user {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b *storev1.Token) int { return a.GetCreateTime().AsTime().Compare(b.GetCreateTime().AsTime()) })
	return all, s.fail
}

func (s *memoryStore) PutToken(_ context.Context, hash [sha256.Size]byte, t *storev1.Token, _ int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[hash] = t
	return s.fail
}

func (s *memoryStore) DeleteToken(_ context.Context, id, user string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for hash, t := range s.tokens {
		if t.GetId() == id && (user == "" || t.GetUser() == user) {
			delete(s.tokens, hash)
			return s.fail
		}
	}
	return errors.Join(job.ErrNotFound, s.fail)
}

func (s *memoryStore) TouchTokens(_ context.Context, uses map[[sha256.Size]byte]time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	for hash, at := range uses {
		if t := s.tokens[hash]; t != nil {
			t.LastUseTime = timestamppb.New(at)
		}
	}
	return s.fail
}

// fixture is an authenticator with its tokens.
type fixture struct {
	store  *memoryStore
	auth   *Authenticator
	tokens *Tokens
}

func newFixture(t *testing.T, mode Mode) *fixture {
	t.Helper()
	store := newMemoryStore()
	a, err := New(Config{Mode: mode, Tokens: store, LocalUser: "me"})
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{store: store, auth: a, tokens: NewTokens(store, a)}
}

// header identifies the sender of an Authorization header.
func (f *fixture) header(values []string) (Principal, error) {
	return f.auth.Identify(context.Background(), Credentials{Authorization: values})
}

// token makes one and answers its id and text.
func (f *fixture) token(t *testing.T, g Grant) (id, text string) {
	t.Helper()
	token, text, err := f.tokens.Create(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	return token.GetId(), text
}

// wantStatus checks code and stable reason of what a client sees.
func wantStatus(t *testing.T, err error, code codes.Code, reason string) {
	t.Helper()
	s, ok := status.FromError(err)
	if !ok || s.Code() != code {
		t.Fatalf("got %v, want %v %s", err, code, reason)
	}
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == "stint" && info.GetReason() == reason {
			return
		}
	}
	t.Fatalf("got %v with details %v, want reason %s", err, s.Details(), reason)
}

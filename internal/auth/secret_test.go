package auth

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

func TestASecretNamesItsToken(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id, text := NewSecret()
		got, err := ParseSecret(text)
		if err != nil || got != id || !strings.HasPrefix(text, "stint_"+id+"_") || len(text) != tokenLength {
			t.Fatalf("%q of %q parses to %q, %v", text, id, got, err)
		}
		if seen[id] || seen[text] {
			t.Fatal("made twice")
		}
		seen[id], seen[text] = true, true
	}
}

func TestATypoIsNoToken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, text := NewSecret()
		i := rapid.IntRange(0, len(text)-1).Draw(t, "place")
		c := rapid.Byte().Draw(t, "byte")
		if text[i] == c {
			t.Skip()
		}
		typo := text[:i] + string([]byte{c}) + text[i+1:]
		swapped := text[:i] + text[min(i+1, len(text)-1):] + text[i:i+1]
		for _, bad := range []string{typo, text[:i], text[i+1:], text + string([]byte{c}), strings.ToUpper(text)} {
			if id, err := ParseSecret(bad); err == nil {
				t.Fatalf("%q was taken for a token %q", bad, id)
			}
		}
		if swapped != text {
			if id, err := ParseSecret(swapped); err == nil {
				t.Fatalf("%q was taken for a token %q", swapped, id)
			}
		}
	})
}

func FuzzParseSecret(f *testing.F) {
	_, text := NewSecret()
	for _, s := range []string{text, "", "stint_", "stint__", strings.Repeat("_", tokenLength), text[:40], text + "\x00", "Stint" + text[5:]} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseSecret(text)
		if err != nil {
			return
		}
		if len(text) != tokenLength || !strings.HasPrefix(text, tokenPrefix+id+"_") || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("%q was taken for a token %q", text, id)
		}
	})
}

func TestTokensAreMadeListedAndRevoked(t *testing.T) {
	f := newFixture(t, ModeToken)
	expires := time.Now().Add(time.Hour).UTC()
	token, text, err := f.tokens.Create(t.Context(), Grant{
		User: "alice@example.org", Roles: []string{"operator", "user", "operator"}, Description: "cron", Expires: expires,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &storev1.Token{User: "alice@example.org", Roles: []string{"operator"}, Description: "cron"}
	if diff := cmp.Diff(want, token, protocmp.Transform(), protocmp.IgnoreFields(token, "id", "create_time", "expire_time")); diff != "" {
		t.Fatal(diff)
	}
	p, err := f.header([]string{"Bearer " + text})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Principal{
		User: "alice@example.org", Roles: []Role{RoleUser, RoleOperator}, How: HowToken, TokenID: token.GetId(), Expires: expires,
	}, p); diff != "" {
		t.Fatal(diff)
	}
	all, err := f.tokens.List("")
	if err != nil || len(all) != 1 || all[0].GetId() != token.GetId() {
		t.Fatalf("listed %v, %v", all, err)
	}
	for hash, stored := range f.store.tokens {
		if hash != Hash(text) || strings.Contains(stored.String(), text[len(text)-30:]) {
			t.Fatal("the store has the secret, or not its hash")
		}
	}
	if err := f.tokens.Revoke(t.Context(), token.GetId(), ""); err != nil {
		t.Fatal(err)
	}
	if err := f.tokens.Revoke(t.Context(), token.GetId(), ""); !errors.Is(err, job.ErrNotFound) {
		t.Fatalf("revoked twice: %v", err)
	}
}

func TestABadGrantIsRefusedWhole(t *testing.T) {
	f := newFixture(t, ModeToken)
	_, _, err := f.tokens.Create(t.Context(), Grant{
		User: "local admin", Roles: []string{"operator", "root"}, Scopes: []string{"jobs:read", "jobs"}, Description: strings.Repeat("x", 201), Expires: time.Now().Add(-time.Second),
	})
	var invalid *job.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("got %v", err)
	}
	var fields []string
	for _, v := range invalid.Violations {
		fields = append(fields, v.Field)
	}
	if diff := cmp.Diff([]string{"user", "roles[1]", "scopes[1]", "expireTime", "description"}, fields); diff != "" {
		t.Fatal(diff)
	}
	if len(f.store.tokens) != 0 {
		t.Fatal("a token was stored")
	}
}

func TestTokensWithoutAServer(t *testing.T) {
	store := newMemoryStore()
	tokens := NewTokens(store, nil)
	token, _, err := tokens.Create(t.Context(), Grant{User: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	if err := tokens.Revoke(t.Context(), token.GetId(), ""); err != nil {
		t.Fatal(err)
	}
	store.fail = errors.New("disk on fire")
	if _, _, err := tokens.Create(context.Background(), Grant{User: "alice"}); !errors.Is(err, store.fail) {
		t.Fatalf("a token that was not stored was handed out: %v", err)
	}
}

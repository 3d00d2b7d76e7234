package api

import (
	"errors"
	"testing"

	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

func principal(user string, roles ...auth.Role) auth.Principal {
	return auth.Principal{User: user, Roles: append([]auth.Role{auth.RoleUser}, roles...)}
}

func sealer(tb testing.TB) pageSealer {
	tb.Helper()
	p, err := newPageSealer(make([]byte, 32), "first")
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func TestPageTokenIsBoundToItsQuery(t *testing.T) {
	p := sealer(t)
	token := p.sealBytes([]byte("cursor"), "jobs", "ann", "filter")
	if plain, err := p.openBytes(token, "jobs", "ann", "filter"); err != nil || string(plain) != "cursor" {
		t.Fatalf("openBytes() = %q, %v", plain, err)
	}
	for _, bound := range [][]string{{"jobs", "bob", "filter"}, {"jobs", "ann", "other"}, {"jobs", "ann"}, {"jobsann", "filter"}, nil, {"jobs", "annf", "ilter"}} {
		if _, err := p.openBytes(token, bound...); !errors.Is(err, errPageToken) {
			t.Errorf("opened for %q: %v", bound, err)
		}
	}
	once, again := p.sealBytes([]byte("cursor"), "jobs"), p.sealBytes([]byte("cursor"), "jobs")
	if once == again {
		t.Error("two tokens are the same: the nonce is not random")
	}
}

func TestPageTokenOfAnotherIncarnationIsRefusedWithItsReason(t *testing.T) {
	before := sealer(t)
	after, err := newPageSealer(make([]byte, 32), "second")
	if err != nil {
		t.Fatal(err)
	}
	token := before.sealBytes([]byte("cursor"), "jobs")
	if _, err := after.openBytes(token, "jobs"); !errors.Is(err, errPageTokenRestored) {
		t.Errorf("%v, want %v", err, errPageTokenRestored)
	}
	// Whoever may not use the token does not learn where it is from.
	if _, err := after.openBytes(token, "others"); !errors.Is(err, errPageToken) {
		t.Errorf("%v, want %v", err, errPageToken)
	}
}

func FuzzPageToken(f *testing.F) {
	p := sealer(f)
	good := p.sealBytes([]byte("x"), "q")
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		c, err := p.open(token, "q")
		var invalid *job.InvalidError
		if err != nil && !errors.As(err, &invalid) {
			t.Fatalf("%v is not for the caller", err)
		}
		if err == nil && token != "" && c == nil {
			t.Fatal("a token without a cursor")
		}
	})
}

func TestPageSize(t *testing.T) {
	for n, want := range map[int32]int{0: 50, 1: 1, 1000: 1000, 1001: 1000, 1 << 30: 1000} {
		if got, err := pageSize(n, defaultPage, maxPage); err != nil || got != want {
			t.Errorf("pageSize(%d) = %d, %v", n, got, err)
		}
	}
	if _, err := pageSize(-1, defaultPage, maxPage); err == nil {
		t.Error("a negative page size is accepted")
	}
}

func TestOrder(t *testing.T) {
	got, err := parseOrder(" state desc , output_name asc,id")
	want := []store.Order{{Field: store.ByState, Desc: true}, {Field: store.ByOutputName}, {Field: store.ByID}}
	if err != nil || len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("parseOrder() = %v, %v", got, err)
	}
	for _, bad := range []string{",", "state state", "owner", "state down", "state desc desc", "id,", string(make([]byte, 300))} {
		var invalid *job.InvalidError
		if _, err := parseOrder(bad); !errors.As(err, &invalid) || invalid.Violations[0].Field != "orderBy" {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func TestStatusSaysNothingOfTheInside(t *testing.T) {
	s := toStatus(errors.New("open /secret/path: permission denied"))
	if s.Message() != "Something went wrong inside the server; its log says what." {
		t.Errorf("message %q", s.Message())
	}
	for _, k := range kinds {
		s := toStatus(errors.Join(errors.New("secret"), k.sentinel))
		if s.Code() != k.code || s.Message() != k.message || len(s.Details()) != 1 {
			t.Errorf("%v: %v", k.sentinel, s)
		}
	}
	if toStatus(nil).Code() != 0 {
		t.Error("no error is an error")
	}
}

package auth

import "testing"

// BenchmarkToken is what each call pays for finding out who makes it.
func BenchmarkToken(b *testing.B) {
	store := newMemoryStore()
	a, err := New(Config{Mode: ModeToken, Tokens: store})
	if err != nil {
		b.Fatal(err)
	}
	_, text, err := NewTokens(store, a).Create(b.Context(), Grant{User: "ada"})
	if err != nil {
		b.Fatal(err)
	}
	c := Credentials{Authorization: []string{"Bearer " + text}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Identify(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}

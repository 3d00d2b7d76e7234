// Package storetest gives tests a real store: one in a temporary folder that is
// checked when the test ends.
package storetest

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stint-jobs/stint/internal/store"
)

// Open opens a store in the test's temporary folder. When the test ends it is checked, closed, and checked again.
func Open(t testing.TB) *store.Store {
	t.Helper()
	return OpenConfig(t, store.Config{})
}

// OpenConfig is Open with a configuration; an empty Path is filled in.
func OpenConfig(t testing.TB, cfg store.Config) *store.Store {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(t.TempDir(), "jobs.db")
	}
	s, err := store.Open(cfg)
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() { Close(t, s, cfg.Path) })
	return s
}

// Close checks the store, closes it and checks its file. A store that the test closed already has only its file checked.
func Close(t testing.TB, s *store.Store, path string) {
	t.Helper()
	if problems, err := s.Check(context.Background()); err == nil {
		report(t, problems)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close the store: %v", err)
	}
	problems, err := store.CheckFile(path)
	if err != nil {
		t.Errorf("check the store: %v", err)
	}
	report(t, problems)
}

func report(t testing.TB, problems []store.Problem) {
	t.Helper()
	for _, p := range problems {
		t.Errorf("store: %s", p)
	}
}

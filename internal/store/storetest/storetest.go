// Package storetest gives tests a real store: one in a temporary folder that is
// checked when the test ends.
package storetest

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/file"
)

// Open opens a store in the test's temporary folder. When the test ends it is checked, closed, and checked again.
func Open(tb testing.TB) *store.Store {
	tb.Helper()
	return OpenConfig(tb, store.Config{})
}

// OpenConfig is Open with a configuration; an empty Path is filled in.
func OpenConfig(tb testing.TB, cfg store.Config) *store.Store {
	tb.Helper()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(tb.TempDir(), "jobs.db")
	}
	s, err := store.Open(cfg)
	if err != nil {
		tb.Fatalf("open the store: %v", err)
	}
	tb.Cleanup(func() { Close(tb, s, cfg.Path) })
	return s
}

// Close checks the store, closes it and checks its file. A store that the test closed already has only its file checked.
func Close(tb testing.TB, s *store.Store, path string) {
	tb.Helper()
	if problems, err := s.Check(context.Background()); err == nil {
		report(tb, problems)
	}
	if err := s.Close(); err != nil {
		tb.Errorf("close the store: %v", err)
	}
	problems, err := file.Check(path)
	if err != nil {
		tb.Errorf("check the store: %v", err)
	}
	report(tb, problems)
}

func report(tb testing.TB, problems []file.Problem) {
	tb.Helper()
	for _, p := range problems {
		tb.Errorf("store: %s", p)
	}
}

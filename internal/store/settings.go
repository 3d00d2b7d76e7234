package store

import (
	"context"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/store/file"
)

// Settings are what operators set at run time. Never nil; read-only.
func (s *Store) Settings() *storev1.Settings { return s.mem.settings.Load() }

// SetSettings replaces the settings.
func (s *Store) SetSettings(ctx context.Context, set *storev1.Settings) error {
	return s.do(ctx, 1, func(b *batch) error { return file.PutSettings(b.tx, set) })
}

// Position returns how far the store has come. Everything up to it was committed.
func (s *Store) Position() file.Position {
	return file.Position{Incarnation: s.Settings().GetIncarnation(), Revision: s.Revision(), AuditSequence: s.AuditHead().Sequence}
}

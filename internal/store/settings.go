package store

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
)

// Settings are what operators set at run time. Never nil; read-only.
func (s *Store) Settings() *storev1.Settings { return s.settings.Load() }

// SetSettings replaces the settings.
func (s *Store) SetSettings(ctx context.Context, set *storev1.Settings) error {
	raw, err := proto.Marshal(set)
	if err != nil {
		return fmt.Errorf("encode the settings: %w", err)
	}
	return s.do(ctx, 1, func(b *batch) error {
		return b.tx.Put(bucketMeta, keySettings, raw)
	})
}

package store

import (
	"testing"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/store/record"
)

// BenchmarkRecord compares the ways to read and write a stored record.
func BenchmarkRecord(b *testing.B) {
	rec := fullRecord()
	raw, err := record.Encode(nil, rec)
	if err != nil {
		b.Fatal(err)
	}
	var h storev1.Header
	batch := batch{}
	for name, f := range map[string]func() error{
		"read whole":  func() error { _, err := record.Decode(1, raw); return err },
		"read basic":  func() error { _, err := record.DecodeBasic(1, raw); return err },
		"read header": func() error { return record.DecodeHeader(1, raw, &h) },
		"write":       func() error { batch.buf = batch.buf[:0]; _, err := batch.encode(rec); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

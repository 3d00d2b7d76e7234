package store

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/stint-jobs/stint/internal/job"
)

// BenchmarkRecord compares the ways to read and write a stored record.
func BenchmarkRecord(b *testing.B) {
	rec := fullRecord()
	raw, err := proto.Marshal(rec)
	if err != nil {
		b.Fatal(err)
	}
	var h header
	batch := newBatch(nil)
	for name, f := range map[string]func() error{
		"read whole":  func() error { _, err := decodeRecord(1, raw); return err },
		"read header": func() error { return decodeHeader(1, raw, &h) },
		"read brief": func() error {
			if !decodeBrief(raw, &Brief{}, &Brief{}) {
				return errRecord
			}
			return nil
		},
		"write": func() error { batch.buf = batch.buf[:0]; _, err := batch.encode(rec); return err },
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

// BenchmarkApply is the index's part of one change of one job.
func BenchmarkApply(b *testing.B) {
	ix := &index{requests: newRequests()}
	ix.ring.start(defaultRing, 0)
	rec := fullRecord()
	const jobs = 100_000
	for n := range jobs {
		rec.Job.Revision++
		ix.apply(&change{id: job.ID(n + 1), created: true, origin: originOf(rec), seen: seenOf(rec.GetJob())})
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		rec.Job.Revision++
		ix.apply(&change{id: job.ID(n%jobs + 1), seen: seenOf(rec.GetJob())})
	}
}

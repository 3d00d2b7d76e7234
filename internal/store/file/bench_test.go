package file

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
)

// headerByHand reads the header of a value into h as the store did: the first field alone, into memory that is used again.
func headerByHand(raw []byte, h *storev1.Header) error {
	_, _, n := protowire.ConsumeTag(raw)
	b, n := protowire.ConsumeBytes(raw[n:])
	if n < 0 {
		return errRecord
	}
	return proto.Unmarshal(b, h)
}

// BenchmarkRecord compares the ways to read and write a stored
func BenchmarkRecord(b *testing.B) {
	rec := fullRecord()
	raw, err := Encode(nil, rec)
	if err != nil {
		b.Fatal(err)
	}
	var h storev1.Header
	buf := make([]byte, 0, 4096)
	for name, f := range map[string]func() error{
		"read whole":          func() error { _, err := Decode(1, raw); return err },
		"read basic":          func() error { _, err := DecodeBasic(1, raw); return err },
		"read header":         func() error { _, err := DecodeHeader(1, raw); return err },
		"read header by hand": func() error { return headerByHand(raw, &h) },
		"write":               func() error { _, err := Encode(buf, rec); return err },
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

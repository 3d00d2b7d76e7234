package kv

import (
	"encoding/binary"
	"fmt"
)

// Kind is what a write does.
type Kind byte

// The kinds of writes. They are part of an entry.
const (
	KindPut      Kind = 1
	KindDelete   Kind = 2
	KindSequence Kind = 3
)

// Write is one write of an entry.
type Write struct {
	Kind       Kind
	Bucket     string
	Key, Value []byte // of the entry's memory; Value only of KindPut
	Sequence   uint64 // of KindSequence: the last number that the bucket gave out
}

// An entry is one write after the other: a byte for the kind, the bucket's name, and
// then the key and the value, the key, or the sequence in eight bytes, big-endian. Each but the
// kind has its length before it, as an unsigned varint.

func appendPut(entry []byte, bucket string, key, value []byte) []byte {
	return appendBytes(appendBytes(appendBytes(append(entry, byte(KindPut)), bucket), key), value)
}

func appendDelete(entry []byte, bucket string, key []byte) []byte {
	return appendBytes(appendBytes(append(entry, byte(KindDelete)), bucket), key)
}

func appendSequence(entry []byte, bucket string, n uint64) []byte {
	entry = append(appendBytes(append(entry, byte(KindSequence)), bucket), 8)
	return binary.BigEndian.AppendUint64(entry, n)
}

func appendBytes[T string | []byte](to []byte, b T) []byte {
	return append(binary.AppendUvarint(to, uint64(len(b))), b...)
}

// Replay calls fn with each write of an entry, in order, and returns its first
// error. Bytes that are not an entry are ErrEntry.
func Replay(entry []byte, fn func(Write) error) error {
	names := make(map[string]string) // each bucket's name is allocated once
	for rest := entry; len(rest) > 0; {
		w, next, ok := cutWrite(rest, names)
		if !ok {
			return fmt.Errorf("replay the write at byte %d of %d: %w", len(entry)-len(rest), len(entry), ErrEntry)
		}
		if err := fn(w); err != nil {
			return err
		}
		rest = next
	}
	return nil
}

func cutWrite(entry []byte, names map[string]string) (w Write, rest []byte, ok bool) {
	w.Kind = Kind(entry[0])
	name, rest, ok := cutBytes(entry[1:])
	if !ok {
		return w, nil, false
	}
	if w.Bucket, ok = names[string(name)]; !ok {
		w.Bucket = string(name)
		names[w.Bucket] = w.Bucket
	}
	if w.Key, rest, ok = cutBytes(rest); !ok {
		return w, nil, false
	}
	switch w.Kind {
	case KindPut:
		w.Value, rest, ok = cutBytes(rest)
	case KindDelete:
	case KindSequence:
		if len(w.Key) != 8 {
			return w, nil, false
		}
		w.Sequence, w.Key = binary.BigEndian.Uint64(w.Key), nil
	default:
		return w, nil, false
	}
	return w, rest, ok
}

func cutBytes(b []byte) (first, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	end := size + int(n)
	return b[size:end:end], b[end:], true
}

// Package canonical tells whether two requests ask for the same. It hashes a message in a form of its own, which is the same for
// messages that mean the same, whatever library encoded them and in whichever order. Hashes are stored with jobs for years,
// so the form has a version and never changes within one.
package canonical

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// version is the first byte of each hash. Another form of hashes gets another one.
const version = 1

// requestID is the field that names a request, and so is no part of what it asks for.
const requestID protoreflect.Name = "request_id"

// Hash returns the hash of a request: 1 byte of version and 32 of SHA-256.
//
// The form, version 1: the full name of the message, then its fields in the order of their numbers, then a zero. A field is its
// number, what it is (1 single, 2 list, 3 map) and its value; lists and maps begin with how many elements they have, and maps are
// sorted by key. Whole numbers are varints, floating-point numbers 8 bytes big endian, texts and bytes come after their length,
// messages end with a zero. Fields that are not set, or are at their default and have no presence, are left out, and so are
// unknown fields, of which this server knows nothing, and the field `request_id` of the request itself.
func Hash(m proto.Message) []byte {
	sum := sha256.New()
	w := &writer{to: bufio.NewWriterSize(sum, 512)}
	msg := m.ProtoReflect()
	w.text(string(msg.Descriptor().FullName()))
	w.message(msg, requestID)
	_ = w.to.Flush() // a hash takes everything
	return sum.Sum([]byte{version})
}

// What a field is.
const (
	single = 1
	list   = 2
	mapped = 3
)

type writer struct {
	to  *bufio.Writer // into a hash, which takes everything
	buf [binary.MaxVarintLen64]byte
}

// message writes the fields that are set, but not the one named without.
func (w *writer) message(m protoreflect.Message, without protoreflect.Name) {
	var fields []protoreflect.FieldDescriptor
	m.Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if f.Name() != without {
			fields = append(fields, f)
		}
		return true
	})
	slices.SortFunc(fields, func(a, b protoreflect.FieldDescriptor) int { return cmp.Compare(a.Number(), b.Number()) })
	for _, f := range fields {
		w.unsigned(uint64(f.Number())) //nolint:gosec // numbers of fields are positive
		switch v := m.Get(f); {
		case f.IsMap():
			w.unsigned(mapped)
			w.mapOf(f, v.Map())
		case f.IsList():
			w.unsigned(list)
			w.unsigned(uint64(v.List().Len())) //nolint:gosec // a length
			for i := range v.List().Len() {
				w.value(f, v.List().Get(i))
			}
		default:
			w.unsigned(single)
			w.value(f, v)
		}
	}
	w.unsigned(0)
}

// mapOf writes the entries of a map in the order of their keys.
func (w *writer) mapOf(f protoreflect.FieldDescriptor, entries protoreflect.Map) {
	keys := make([]protoreflect.MapKey, 0, entries.Len())
	entries.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, k)
		return true
	})
	slices.SortFunc(keys, func(a, b protoreflect.MapKey) int {
		switch f.MapKey().Kind() {
		case protoreflect.StringKind:
			return cmp.Compare(a.String(), b.String())
		case protoreflect.BoolKind:
			return cmp.Compare(number(a.Bool()), number(b.Bool()))
		case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
			return cmp.Compare(a.Uint(), b.Uint())
		default:
			return cmp.Compare(a.Int(), b.Int())
		}
	})
	w.unsigned(uint64(len(keys)))
	for _, k := range keys {
		w.value(f.MapKey(), k.Value())
		w.value(f.MapValue(), entries.Get(k))
	}
}

// value writes one value of a field.
func (w *writer) value(f protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch f.Kind() {
	case protoreflect.BoolKind:
		w.unsigned(number(v.Bool()))
	case protoreflect.EnumKind:
		w.signed(int64(v.Enum()))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		w.signed(v.Int())
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		w.unsigned(v.Uint())
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		w.float(v.Float())
	case protoreflect.StringKind:
		w.text(v.String())
	case protoreflect.BytesKind:
		w.unsigned(uint64(len(v.Bytes())))
		w.write(v.Bytes())
	case protoreflect.MessageKind, protoreflect.GroupKind:
		w.message(v.Message(), "")
	}
}

// float writes a number. Both zeros are one, and all that are no numbers are one, as when messages are compared.
func (w *writer) float(f float64) {
	switch {
	case f == 0:
		f = 0
	case math.IsNaN(f):
		f = math.NaN()
	}
	w.write(binary.BigEndian.AppendUint64(w.buf[:0], math.Float64bits(f)))
}

func (w *writer) text(s string) {
	w.unsigned(uint64(len(s)))
	_, _ = w.to.WriteString(s)
}

func (w *writer) unsigned(n uint64) { w.write(binary.AppendUvarint(w.buf[:0], n)) }

func (w *writer) signed(n int64) { w.write(binary.AppendVarint(w.buf[:0], n)) }

func (w *writer) write(b []byte) { _, _ = w.to.Write(b) }

func number(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// Package weight estimates what encoded messages become, without making anything of them: how many
// elements they have, and how much memory and how much JSON they take. Bytes do not tell: two of
// them can be an empty message of hundreds of bytes, whose JSON names each of its fields.
package weight

import (
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Weight is what messages become. The zero value is nothing.
type Weight struct {
	// Text is about how many bytes they have as JSON that names also the fields that are not set.
	Text int
	// Memory is about how many bytes they have when they are decoded.
	Memory int
}

// Plus returns the weight of both.
func (w Weight) Plus(other Weight) Weight {
	return Weight{w.Text + other.Text, w.Memory + other.Memory}
}

// Exceeds reports whether the weight is more than another one in any way.
func (w Weight) Exceeds(limit Weight) bool { return w.Text > limit.Text || w.Memory > limit.Memory }

const (
	// ofMessage and ofField are what a decoded message takes by itself and for each field that it
	// may have.
	ofMessage = 48
	ofField   = 12
	// ofMapEntry is what an entry of a map takes. A map has room for eight at first.
	ofMapEntry = 160
	// around is what JSON has around a name and a value: quotes, a colon, a comma, a space, and the
	// quotes or brackets of the value.
	around = 7
	// ofNumber is how long a number, a truth or the name of an enum's value is at most, usually.
	ofNumber = 24
	// ofTime is how long a time or a duration is as text.
	ofTime = 36
	// escaped is how long a control character is in JSON.
	escaped = 6
	// maxDepth is how deep messages may be within each other. A job with JSON a hundred levels deep
	// has three hundred.
	maxDepth = 1000
	// maxOfByte is what a byte of a stored message becomes at most: a null in a list has four of
	// them, an attempt some twenty. Besides, a message with next to nothing in it is at most
	// maxOfMessage.
	maxOfByte    = 32
	maxOfMessage = 2 << 10
)

// OfEncoded returns the weight of an encoded message. What is not well formed ends it.
func OfEncoded(b []byte, message protoreflect.MessageDescriptor) Weight {
	return encoded(b, message, maxDepth)
}

func encoded(b []byte, message protoreflect.MessageDescriptor, depth int) Weight {
	known := emptyOf(message)
	w := known.Weight
	if depth == 0 || known.whole {
		return w
	}
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return w
		}
		size := protowire.ConsumeFieldValue(number, kind, b[n:])
		if size < 0 {
			return w
		}
		value := b[n : n+size]
		b = b[n+size:]
		field := message.Fields().ByNumber(number)
		if field == nil {
			w.Memory += n + size
			continue
		}
		if w.Text += around; !field.IsList() && !message.IsMapEntry() {
			w.Text += len(field.JSONName())
		}
		w = w.Plus(ofValue(value, kind, field, depth))
	}
	return w
}

// ofValue returns the weight of a field's value.
func ofValue(value []byte, kind protowire.Type, field protoreflect.FieldDescriptor, depth int) Weight {
	if kind != protowire.BytesType {
		return Weight{Text: ofNumber}
	}
	inner, _ := protowire.ConsumeBytes(value)
	switch {
	case field.Message() != nil:
		return encoded(inner, field.Message(), depth-1)
	case field.Kind() == protoreflect.StringKind:
		return Weight{Text: textOf(inner), Memory: len(inner)}
	case field.Kind() == protoreflect.BytesKind:
		return Weight{Text: len(inner) * 4 / 3, Memory: len(inner)}
	default: // packed numbers, of a byte or more each
		return Weight{Text: len(inner) * ofNumber, Memory: 8 * len(inner)}
	}
}

// textOf is how long a string is in JSON, without its quotes.
func textOf(s []byte) int {
	n := len(s)
	for _, c := range s {
		switch {
		case c < ' ' || c == 0x7f:
			n += escaped - 1
		case c == '"' || c == '\\':
			n++
		}
	}
	return n
}

// empty is the weight of a message of which no field is set.
type empty struct {
	Weight

	whole bool // whatever is set in it
}

var empties sync.Map // empty by protoreflect.FullName

func emptyOf(message protoreflect.MessageDescriptor) empty {
	if known, ok := empties.Load(message.FullName()); ok {
		return known.(empty) //nolint:errcheck,forcetypeassert // only those are stored
	}
	w := empty{Weight: Weight{Memory: ofMessage + ofField*message.Fields().Len()}}
	if message.IsMapEntry() {
		w.Memory = ofMapEntry
	}
	for i := range message.Fields().Len() {
		if f := message.Fields().Get(i); !f.HasPresence() && !message.IsMapEntry() {
			w.Text += around + len(f.JSONName()) + defaultText(f)
		}
	}
	switch message.FullName() {
	case "google.protobuf.Timestamp", "google.protobuf.Duration":
		w.Text, w.whole = ofTime, true
	case "google.protobuf.ListValue", "google.protobuf.Struct":
		w.Text = 2
	}
	empties.Store(message.FullName(), w)
	return w
}

// defaultText is how long a field's value is in JSON when it is not set, besides quotes and
// brackets.
func defaultText(f protoreflect.FieldDescriptor) int {
	switch {
	case f.IsList() || f.IsMap():
		return 0
	case f.Enum() != nil: // of proto3, which begins with zero
		return len(f.Enum().Values().Get(0).Name())
	case f.Kind() == protoreflect.BoolKind:
		return len("false")
	default:
		return 1
	}
}

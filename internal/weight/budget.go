package weight

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Bound is how much the parts of one answer may be together. What is zero is not bounded.
type Bound struct {
	// Bytes is how many they have as they are encoded.
	Bytes int
	// Weight is what they become.
	Weight
}

// Encoded is an encoded message.
type Encoded struct {
	// Bytes must stay as they are for as long as a budget is used to which they were added.
	Bytes []byte
	// Message is what they encode.
	Message protoreflect.MessageDescriptor
}

// Budget is what is left of a bound. It looks into messages only where their bytes alone do not
// tell that they fit.
type Budget struct {
	bound  Bound
	things int
	bytes  int
	weight Weight
	// later was not looked into yet and has unseen bytes.
	later  []part
	unseen int
}

// part is a message in one of its forms.
type part struct {
	Encoded
	decoded proto.Message
}

// NewBudget returns a budget of which nothing is used.
func NewBudget(bound Bound) *Budget {
	const none = 1<<63 - 1
	for _, limit := range []*int{&bound.Bytes, &bound.Text, &bound.Memory} {
		if *limit == 0 {
			*limit = none
		}
	}
	return &Budget{bound: bound}
}

// Add adds a thing that is stored as one or more messages, and reports whether there is room for
// everything that was added. There is for one thing, however large it is.
func (b *Budget) Add(parts ...Encoded) bool {
	size := 0
	for _, p := range parts {
		size += len(p.Bytes)
		b.later = append(b.later, part{Encoded: p})
	}
	return b.add(size)
}

// AddMessage is Add for a message that must not change for as long as the budget is used.
func (b *Budget) AddMessage(m proto.Message) bool {
	b.later = append(b.later, part{decoded: m})
	return b.add(proto.Size(m))
}

func (b *Budget) add(size int) bool {
	if size > 0 {
		b.things++
	}
	b.bytes += size
	b.unseen += size
	if b.things <= 1 {
		return true
	}
	if b.bytes > b.bound.Bytes {
		return false
	}
	if most := b.unseen*maxOfByte + len(b.later)*maxOfMessage; !b.weight.Plus(Weight{most, most}).Exceeds(b.bound.Weight) {
		return true
	}
	for _, p := range b.later {
		if p.decoded != nil {
			p.Bytes, _ = proto.Marshal(p.decoded) // what cannot be encoded cannot be sent either
			p.Message = p.decoded.ProtoReflect().Descriptor()
		}
		b.weight = b.weight.Plus(OfEncoded(p.Bytes, p.Message))
	}
	b.unseen, b.later = 0, b.later[:0]
	return !b.weight.Exceeds(b.bound.Weight)
}

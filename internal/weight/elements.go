package weight

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// fieldsOfElement is how many fields a message may have for each element that it counts as, beside
// itself.
const fieldsOfElement = 4

// TakeElements takes the elements of an encoded message from left, large messages counting for
// several, and reports whether there were enough. What is not well formed is left to the decoder.
func TakeElements(b []byte, message protoreflect.MessageDescriptor, left *int) bool {
	return takeElements(b, message, left, maxDepth)
}

func takeElements(b []byte, message protoreflect.MessageDescriptor, left *int, depth int) bool {
	if depth == 0 {
		return false
	}
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return true
		}
		size := protowire.ConsumeFieldValue(number, kind, b[n:])
		if size < 0 {
			return true
		}
		value := b[n : n+size]
		b = b[n+size:]
		if *left--; *left < 0 {
			return false
		}
		field := message.Fields().ByNumber(number)
		if kind != protowire.BytesType || field == nil {
			continue
		}
		inner, _ := protowire.ConsumeBytes(value)
		switch {
		case field.Message() != nil: // as large as all of its fields, however few are set
			*left -= field.Message().Fields().Len() / fieldsOfElement
			if *left < 0 || !takeElements(inner, field.Message(), left, depth-1) {
				return false
			}
		case field.Kind() != protoreflect.StringKind && field.Kind() != protoreflect.BytesKind: // packed numbers
			if *left -= len(inner) / 16; *left < 0 {
				return false
			}
		}
	}
	return true
}

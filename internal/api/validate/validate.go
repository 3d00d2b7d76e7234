// Package validate holds requests to the bounds that the contract declares: buf.validate's rules in the .proto files, which the
// OpenAPI document and clients read as well. It finds everything that is wrong with a request at once, and says it in the words
// of this server. What no bound can say, such as whether a service exists, is for the handlers.
package validate

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	pb "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stint-jobs/stint/internal/job"
)

// maxViolations bounds what is said of a request that is nothing but mistakes.
const maxViolations = 100

// Validator checks requests. Its methods may be called from several goroutines.
type Validator struct{ rules protovalidate.Validator }

// New returns a Validator that knows the rules of the given messages, and of those within them, and takes messages that have
// none. Rules that cannot be read are an error: a message must not pass because of them.
func New(messages ...proto.Message) (*Validator, error) {
	rules, err := protovalidate.New(protovalidate.WithMessages(messages...), protovalidate.WithDisableLazy())
	if err != nil {
		return nil, fmt.Errorf("read the rules of the contract: %w", err)
	}
	for _, m := range messages {
		var wrong *protovalidate.ValidationError
		if err := rules.Validate(m.ProtoReflect().New().Interface()); err != nil && !errors.As(err, &wrong) {
			return nil, fmt.Errorf("read the rules of %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
		}
	}
	return &Validator{rules}, nil
}

// Check returns everything that is wrong with a request, sorted by field, and at most 100 violations.
func (v *Validator) Check(m proto.Message) (job.Violations, error) {
	err := v.rules.Validate(m)
	if err == nil {
		return nil, nil
	}
	var wrong *protovalidate.ValidationError
	if !errors.As(err, &wrong) {
		return nil, fmt.Errorf("validate %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	found := make(job.Violations, 0, len(wrong.Violations))
	for _, violation := range wrong.Violations {
		if found = append(found, describe(m.ProtoReflect().Descriptor(), violation)); len(found) > maxViolations {
			break
		}
	}
	slices.SortStableFunc(found, func(a, b job.Violation) int { return cmp.Compare(a.Field, b.Field) })
	return found[:min(len(found), maxViolations)], nil
}

// describe says what is wrong with a field, by its path in JSON.
func describe(request protoreflect.MessageDescriptor, v *protovalidate.Violation) job.Violation {
	path := v.Proto.GetField().GetElements()
	words := wordsOf(v, fieldAt(request, path))
	if v.Proto.GetForKey() {
		// The key is what the caller sent, whatever it is, so it stands among the words.
		key := path[len(path)-1].GetStringKey()
		return job.Violation{Field: fieldPath(v.Proto, false), Description: fmt.Sprintf("key %s %s", strconv.QuoteToASCII(clip(key)), words)}
	}
	return job.Violation{Field: fieldPath(v.Proto, true), Description: words}
}

func clip(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// fieldPath is the path of a field as in JSON: job.labels.project, ids[3].
func fieldPath(v *pb.Violation, withKey bool) string {
	var b strings.Builder
	elements := v.GetField().GetElements()
	for i, e := range elements {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(jsonName(e.GetFieldName()))
		if i == len(elements)-1 && !withKey {
			break
		}
		switch s := e.GetSubscript().(type) {
		case *pb.FieldPathElement_Index:
			fmt.Fprintf(&b, "[%d]", s.Index)
		case *pb.FieldPathElement_StringKey:
			b.WriteString("." + s.StringKey)
		}
	}
	return b.String()
}

// jsonName is the name in JSON of a field whose name in the contract is given. All names of the contract have the usual one.
func jsonName(name string) string {
	var b strings.Builder
	up := false
	for _, r := range name {
		switch {
		case r == '_':
			up = true
		case up && 'a' <= r && r <= 'z':
			b.WriteRune(r - 'a' + 'A')
			up = false
		default:
			b.WriteRune(r)
			up = false
		}
	}
	return b.String()
}

// fieldAt is the field that a path leads to, or nil. That of an element of a list or a map is the list or the map.
func fieldAt(m protoreflect.MessageDescriptor, path []*pb.FieldPathElement) protoreflect.FieldDescriptor {
	var field protoreflect.FieldDescriptor
	for _, e := range path {
		if m == nil {
			return nil
		}
		if field = m.Fields().ByName(protoreflect.Name(e.GetFieldName())); field == nil {
			return nil
		}
		if m = field.Message(); field.IsMap() {
			m = field.MapValue().Message()
		}
	}
	return field
}

// rulesAt are the rules that a violation is of: those of the field, or of its elements, keys or values; nil if there are none.
func rulesAt(field protoreflect.FieldDescriptor, v *pb.Violation) protoreflect.Message {
	if field == nil {
		return nil
	}
	rules, ok := proto.GetExtension(field.Options(), pb.E_Field).(*pb.FieldRules)
	if !ok || rules == nil {
		return nil
	}
	at := rules.ProtoReflect()
	path := v.GetRule().GetElements()
	for _, e := range path[:max(0, len(path)-1)] {
		next := at.Descriptor().Fields().ByName(protoreflect.Name(e.GetFieldName()))
		if next == nil || next.Message() == nil || next.IsList() {
			return nil
		}
		at = at.Get(next).Message()
	}
	return at
}

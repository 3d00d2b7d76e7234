package main

import (
	"fmt"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// object is a JSON object of the document.
type object = map[string]any

// schemas makes the schemas of messages from their descriptors, with the bounds that the contract declares.
//
// A message has two of them where it is sent both ways: what a request may hold, which lacks what the server alone writes and
// requires what the contract does, and what a response holds, which requires all that is always written. One schema with
// readOnly would be shorter, and most generators of clients would not heed it. What holds messages of its own kind is not
// required, for generators that make examples would never end.
type schemas struct{ made map[string]any }

// of returns a reference to the schema of a message in one of the two directions, and makes it if need be.
func (s *schemas) of(m protoreflect.MessageDescriptor, request bool) object {
	name := string(m.FullName())
	if request && !strings.HasSuffix(name, "Request") {
		name += "Input"
	}
	return s.named(name, m, request, nil)
}

// named is of for a schema of another name that lacks some fields.
func (s *schemas) named(name string, m protoreflect.MessageDescriptor, request bool, without map[string]bool) object {
	if s.made[name] == nil {
		s.made[name] = true // for messages that hold themselves
		s.made[name] = s.message(m, request, without)
	}
	return reference(name)
}

func reference(name string) object { return object{"$ref": "#/components/schemas/" + name} }

func (s *schemas) message(m protoreflect.MessageDescriptor, request bool, without map[string]bool) object {
	properties, required := object{}, []any{}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		behaviors := behaviorsOf(f)
		if without[f.JSONName()] || request && behaviors[annotations.FieldBehavior_OUTPUT_ONLY] {
			continue
		}
		properties[f.JSONName()] = describe(s.field(f, request), commentOf(f))
		if request && behaviors[annotations.FieldBehavior_REQUIRED] || !request && !f.HasPresence() && f.Message() != m {
			required = append(required, f.JSONName())
		}
	}
	schema := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	return describe(schema, commentOf(m))
}

// describe adds a description. One beside a reference would be lost in OpenAPI 3.0.
func describe(schema object, words string) object {
	switch {
	case words == "":
		return schema
	case schema["$ref"] != nil:
		return object{"allOf": []any{schema}, "description": words}
	default:
		schema["description"] = words
		return schema
	}
}

func (s *schemas) field(f protoreflect.FieldDescriptor, request bool) object {
	rules := &validate.FieldRules{}
	if request {
		rules = rulesOf(f)
	}
	switch {
	case f.IsMap():
		schema := object{"type": "object", "additionalProperties": s.value(f.MapValue(), rules.GetMap().GetValues(), request)}
		if n := rules.GetMap().GetMaxPairs(); n > 0 {
			schema["maxProperties"] = n
		}
		return schema
	case f.IsList():
		schema := object{"type": "array", "items": s.value(f, rules.GetRepeated().GetItems(), request)}
		if n := rules.GetRepeated().GetMaxItems(); n > 0 {
			schema["maxItems"] = n
		}
		if n := rules.GetRepeated().GetMinItems(); n > 0 {
			schema["minItems"] = n
		}
		return schema
	default:
		return s.value(f, rules, request)
	}
}

// value is the schema of one value of a field.
func (s *schemas) value(f protoreflect.FieldDescriptor, rules *validate.FieldRules, request bool) object {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return object{"type": "boolean"}
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind, protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return bounded(object{"type": "integer", "format": "int32"}, rules)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return object{"type": "string", "format": "int64"}
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return object{"type": "string", "format": "uint64"}
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return bounded(object{"type": "number", "format": "double"}, rules)
	case protoreflect.StringKind:
		return bounded(object{"type": "string"}, rules)
	case protoreflect.BytesKind:
		return object{"type": "string", "format": "byte"}
	case protoreflect.EnumKind:
		return s.enum(f.Enum())
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return s.inner(f.Message(), request)
	default:
		return object{}
	}
}

// inner is the schema of a message that is the value of a field. Some have a form of their own in JSON.
func (s *schemas) inner(m protoreflect.MessageDescriptor, request bool) object {
	switch m.FullName() {
	case "google.protobuf.Timestamp":
		return object{"type": "string", "format": "date-time"}
	case "google.protobuf.Duration":
		return object{"type": "string", "pattern": `^-?[0-9]+(\.[0-9]{1,9})?s$`}
	case "google.protobuf.Struct":
		return object{"type": "object", "additionalProperties": true}
	case "google.protobuf.Value":
		return object{}
	case "google.rpc.Status":
		return reference("google.rpc.Status")
	default:
		return s.of(m, request)
	}
}

// enum makes the schema of an enum, with what its values mean.
func (s *schemas) enum(e protoreflect.EnumDescriptor) object {
	name := string(e.FullName())
	if s.made[name] == nil {
		values := make([]any, e.Values().Len())
		for i := range values {
			values[i] = string(e.Values().Get(i).Name())
		}
		words := commentOf(e)
		if list := listValues(e); list != "" {
			words = strings.TrimPrefix(words+"\n\n"+list, "\n\n")
		}
		s.made[name] = describe(object{"type": "string", "enum": values}, words)
	}
	return reference(name)
}

// bounded adds the bounds that rules declare. OpenAPI counts characters where the contract counts bytes, of which a text has at
// least as many.
func bounded(schema object, rules *validate.FieldRules) object {
	text := rules.GetString()
	if n := text.GetMaxBytes(); n > 0 {
		schema["maxLength"] = n
	}
	if n := text.GetMinLen(); n > 0 {
		schema["minLength"] = n
	}
	if p := text.GetPattern(); p != "" {
		schema["pattern"] = p
	}
	if whole := rules.GetInt32(); whole != nil {
		if whole.HasGte() {
			schema["minimum"] = whole.GetGte()
		}
		if whole.HasLte() {
			schema["maximum"] = whole.GetLte()
		}
	}
	if number := rules.GetDouble(); number != nil {
		if number.HasGte() {
			schema["minimum"] = number.GetGte()
		}
		if number.HasLte() {
			schema["maximum"] = number.GetLte()
		}
	}
	return schema
}

func rulesOf(f protoreflect.FieldDescriptor) *validate.FieldRules {
	rules, _ := proto.GetExtension(f.Options(), validate.E_Field).(*validate.FieldRules)
	return rules
}

func behaviorsOf(f protoreflect.FieldDescriptor) map[annotations.FieldBehavior]bool {
	all := map[annotations.FieldBehavior]bool{}
	list, _ := proto.GetExtension(f.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
	for _, b := range list {
		all[b] = true
	}
	return all
}

// commentOf is what the contract says of a thing, in lines as they are.
func commentOf(d protoreflect.Descriptor) string {
	lines := strings.Split(strings.TrimSpace(d.ParentFile().SourceLocations().ByDescriptor(d).LeadingComments), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "\n")
}

// methodOf finds the method of an operation id such as JobService_Submit or JobService_WatchStatus_1.
func methodOf(methods map[string]protoreflect.MethodDescriptor, id string) (protoreflect.MethodDescriptor, error) {
	if m, ok := methods[id]; ok {
		return m, nil
	}
	if m, ok := methods[id[:max(0, strings.LastIndex(id, "_"))]]; ok {
		return m, nil
	}
	return nil, fmt.Errorf("operation %s is of no method", id)
}

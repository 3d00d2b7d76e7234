package gateway

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// The inspection runs only when protobuf's own reader has refused a body. It
// finds everything that is wrong, by field, where the reader stops at the first and
// speaks of its own inner workings.

// member is one name and value of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// objectMembers takes a JSON object apart, keeping what it gives twice.
func objectMembers(text json.RawMessage) ([]member, bool) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, false
	}
	var members []member
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, false
		}
		m := member{}
		m.name, _ = name.(string)
		if err := dec.Decode(&m.value); err != nil {
			return nil, false
		}
		members = append(members, m)
	}
	return members, true
}

// container is an array or object that the walk of inspectDuplicates is in.
type container struct {
	path  string
	seen  map[string]bool // nil in an array
	index int
	key   string
	// valueNext is whether the next token of an object is a value and not a name.
	valueNext bool
}

// place is the path of the value that comes next.
func (c *container) place() string {
	switch {
	case c.seen != nil:
		return join(c.path, c.key)
	case c.path == "": // the body itself is an array
		return "body[" + strconv.Itoa(c.index) + "]"
	default:
		return c.path + "[" + strconv.Itoa(c.index) + "]"
	}
}

// inspectDuplicates finds names that an object at any depth gives twice. Text is valid JSON.
func inspectDuplicates(text []byte, v *violations) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	stack := []*container{{seen: map[string]bool{}, valueNext: true}}
	for {
		token, err := dec.Token()
		if err != nil {
			return
		}
		top := stack[len(stack)-1]
		if name, ok := token.(string); ok && top.seen != nil && !top.valueNext {
			if top.key = name; top.seen[name] {
				v.add(top.place(), "is given more than once")
			}
			top.seen[name], top.valueNext = true, true
			continue
		}
		switch token {
		case json.Delim('{'):
			stack = append(stack, &container{path: top.place(), seen: map[string]bool{}})
			continue
		case json.Delim('['):
			stack = append(stack, &container{path: top.place()})
			continue
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
			top = stack[len(stack)-1]
		}
		top.index, top.valueNext = top.index+1, false
	}
}

// arrayElements takes a JSON array apart. It is empty for anything else.
func arrayElements(value json.RawMessage) []json.RawMessage {
	var elements []json.RawMessage
	if bytes.HasPrefix(bytes.TrimSpace(value), []byte("[")) && json.Unmarshal(value, &elements) == nil {
		return elements
	}
	return nil
}

// inspectMessage finds what of a JSON value does not fit a message.
func inspectMessage(value json.RawMessage, desc protoreflect.MessageDescriptor, path string, v *violations) {
	members, ok := objectMembers(value)
	if !ok {
		if path == "" {
			path = "body"
		}
		v.add(path, "must be an object")
		return
	}
	seen := map[protoreflect.FieldNumber]string{}
	for _, m := range members {
		where := join(path, m.name)
		field := desc.Fields().ByJSONName(m.name)
		if field == nil {
			field = desc.Fields().ByTextName(m.name)
		}
		if field == nil {
			v.add(where, "is not a field of "+string(desc.Name()))
			continue
		}
		if other, twice := seen[field.Number()]; twice && other != m.name {
			v.add(where, "is given already, as "+other)
		}
		seen[field.Number()] = m.name
		inspectField(m.value, field, where, v)
	}
}

// inspectField finds what of a JSON value does not fit a field.
func inspectField(value json.RawMessage, field protoreflect.FieldDescriptor, path string, v *violations) {
	switch {
	case fits(value, field):
	case field.IsMap():
		inspectMap(value, field, path, v)
	case field.IsList():
		elements := arrayElements(value)
		if elements == nil {
			v.add(path, "must be a list")
		}
		for i, element := range elements {
			if where := path + "[" + strconv.Itoa(i) + "]"; isPlainMessage(field) {
				inspectMessage(element, field.Message(), where, v)
			} else if !fits(slices.Concat([]byte("["), element, []byte("]")), field) {
				v.add(where, "must be "+expected(field))
			}
		}
	case isPlainMessage(field):
		inspectMessage(value, field.Message(), path, v)
	case v.within(path): // it may be well but for what is said of its parts
	default:
		v.add(path, "must be "+expected(field))
	}
}

func inspectMap(value json.RawMessage, field protoreflect.FieldDescriptor, path string, v *violations) {
	members, ok := objectMembers(value)
	if !ok {
		v.add(path, "must be an object")
		return
	}
	for _, m := range members {
		key, err := json.Marshal(m.name)
		if err == nil && !fits(slices.Concat([]byte("{"), key, []byte(":"), m.value, []byte("}")), field) {
			v.add(join(path, m.name), "must be "+expected(field.MapValue()))
		}
	}
}

// isPlainMessage reports whether a message is written as an object with its
// fields, and not in a form of its own as those of google.protobuf are.
func isPlainMessage(field protoreflect.FieldDescriptor) bool {
	return field.Message() != nil && field.Message().ParentFile().Package() != "google.protobuf"
}

// fits asks protobuf's own reader about one field.
func fits(value json.RawMessage, field protoreflect.FieldDescriptor) bool {
	name, err := json.Marshal(field.JSONName())
	if err != nil {
		return false
	}
	var msg proto.Message = dynamicpb.NewMessage(field.ContainingMessage())
	return strictJSON.Unmarshal(slices.Concat([]byte("{"), name, []byte(":"), value, []byte("}")), msg) == nil
}

// join is the path of a member of an object.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

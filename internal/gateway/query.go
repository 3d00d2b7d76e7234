package gateway

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stint-jobs/stint/internal/reason"
)

// parseQuery takes a query apart.
func parseQuery(raw string) (url.Values, *problem) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, newProblem(reason.InvalidArgument,
			"The query after the ? cannot be read: a % must be followed by two hexadecimal digits, and a ; be written as %3B.")
	}
	return values, nil
}

// withQuery is the request with another query.
func withQuery(r *http.Request, values url.Values) *http.Request {
	u := *r.URL
	u.RawQuery = values.Encode()
	changed := *r
	changed.URL = &u
	return &changed
}

// resume makes the header Last-Event-ID, with which a browser takes up a broken
// stream of events, a parameter. The browser repeats its first query then, so
// the header is always the later of the two.
func (op *operation) resume(h http.Header, values url.Values, v *violations) {
	id := h.Get("Last-Event-ID")
	if id == "" {
		return
	}
	var replaced []string
	switch op.method.Name() {
	case "WatchStatus": // which looks at the id by itself
		replaced = []string{"after_cursor", "afterCursor"}
	case "StreamLogs":
		replaced = []string{"offset", "tail_lines", "tailLines"}
		if _, err := strconv.ParseUint(id, 10, 63); err != nil {
			v.add("Last-Event-ID", "must be the id of an event of this stream: a whole number")
			return
		}
	default:
		return
	}
	for _, name := range replaced {
		values.Del(name)
	}
	values.Set(replaced[0], id)
}

// checkQuery compares a query with the fields of the request that it stands
// for, as strictly as a body: no unknown parameter, none twice, each of its type. Others
// are parameters that the gateway itself reads.
func checkQuery(op *operation, values url.Values, others []string, v *violations) {
	fields := op.method.Input().Fields()
	seen := map[protoreflect.Name]bool{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		field := fields.ByJSONName(name)
		if field == nil {
			field = fields.ByTextName(name)
		}
		switch {
		case slices.Contains(others, name):
			queryFlag(values, name, v)
		case field == nil || op.verb == http.MethodPost:
			v.add(name, "is not a parameter of this path")
		case slices.Contains(op.bound, field.Name()):
			v.add(name, "is given by the path already")
		case seen[field.Name()], !field.IsList() && len(values[name]) > 1:
			v.add(name, "is given more than once")
		default:
			seen[field.Name()] = true
			for _, value := range values[name] {
				if want := expectedInQuery(field, value); want != "" {
					v.add(name, want)
					break
				}
			}
		}
	}
}

// queryFlag reads a parameter that is true or false. It is false when it is not there.
func queryFlag(values url.Values, name string, v *violations) bool {
	if !values.Has(name) {
		return false
	}
	on, err := strconv.ParseBool(values.Get(name))
	if err != nil || len(values[name]) > 1 {
		v.add(name, "must be true or false, once")
	}
	return on
}

// checkOwnQuery compares a query with the flags that the gateway itself reads.
func checkOwnQuery(values url.Values, flags ...string) *problem {
	var v violations
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(flags, name) {
			v.add(name, "is not a parameter of this path")
			continue
		}
		queryFlag(values, name, &v)
	}
	return v.problem()
}

// expectedInQuery says what a parameter must be, or nothing when it is that.
func expectedInQuery(field protoreflect.FieldDescriptor, value string) string {
	var err error
	switch field.Kind() {
	case protoreflect.StringKind:
		if validText(value) {
			return ""
		}
		return "must be text in UTF-8 without NUL"
	case protoreflect.BoolKind:
		_, err = strconv.ParseBool(value)
	case protoreflect.Int32Kind:
		_, err = strconv.ParseInt(value, 10, 32)
	case protoreflect.Int64Kind:
		_, err = strconv.ParseInt(value, 10, 64)
	case protoreflect.Uint64Kind:
		_, err = strconv.ParseUint(value, 10, 64)
	case protoreflect.EnumKind:
		number, numberErr := strconv.ParseInt(value, 10, 32)
		if field.Enum().Values().ByName(protoreflect.Name(value)) != nil ||
			(numberErr == nil && field.Enum().Values().ByNumber(protoreflect.EnumNumber(number)) != nil) {
			return ""
		}
		return "must be " + expected(field)
	default:
		return "cannot be given in a query"
	}
	if err != nil {
		return "must be " + expected(field)
	}
	return ""
}

// expected names the values that one value of a field may have.
func expected(field protoreflect.FieldDescriptor) string {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return "true or false"
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return "a whole number from -2147483648 to 2147483647"
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return "a whole number from -9223372036854775808 to 9223372036854775807"
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return "a whole number from 0 to 4294967295"
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return "a whole number from 0 to 18446744073709551615"
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return "a number"
	case protoreflect.StringKind:
		return "text in UTF-8"
	case protoreflect.BytesKind:
		return "bytes in base64"
	case protoreflect.EnumKind:
		var names []string
		for i := range field.Enum().Values().Len() {
			names = append(names, string(field.Enum().Values().Get(i).Name()))
		}
		return "one of " + strings.Join(names, ", ")
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return expectedMessage(field.Message())
	default:
		return fmt.Sprintf("of type %s", field.Kind())
	}
}

// expectedMessage names what JSON a message is written as.
func expectedMessage(desc protoreflect.MessageDescriptor) string {
	switch desc.FullName() {
	case "google.protobuf.Timestamp":
		return "a time such as 2026-01-31T12:00:00Z"
	case "google.protobuf.Duration":
		return "a number of seconds such as \"90s\""
	case "google.protobuf.Value":
		return "any JSON value"
	default:
		return "an object"
	}
}

// validText reports whether text can be a string of a message. No text of the contract has a NUL.
func validText(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsRune(text, 0)
}

// printable reports whether text is printable ASCII, as gRPC metadata must be.
func printable(text string) bool {
	for i := range len(text) {
		if text[i] < 0x20 || text[i] > 0x7e {
			return false
		}
	}
	return true
}

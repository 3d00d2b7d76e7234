package catalog

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/types/known/structpb"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
)

// Unusual returns what parameters have that the description of an app spec has not, in words for the user. Check passes
// it on, as BV-BRC does. There is none of other services.
func (s *Service) Unusual(params *structpb.Struct) []string {
	if s.appSpec == nil {
		return nil
	}
	c := checker{lenient: true}
	c.fields("parameters", s.proto.GetParameters(), params.GetFields())
	return c.unusual
}

// pass notes what a lenient checker passes on.
func (c *checker) pass(field, format string, args ...any) {
	if len(c.unusual) < maxViolations {
		c.unusual = append(c.unusual, field+" "+fmt.Sprintf(format, args...))
	}
}

// unlike is for a value of another kind than the description has: nil with a violation, or, of an app spec, the value as it is.
func (c *checker) unlike(field, want string, v *structpb.Value) *structpb.Value {
	if !c.lenient {
		c.add(field, "must be %s, not %s", want, describe(v))
		return nil
	}
	if v = c.whole(field, v); v != nil {
		c.pass(field, "is %s where the description of the service has %s, and is passed on as it is", describe(v), want)
	}
	return v
}

// oneOf names the types of an app spec for one of which its clients give a list.
var oneOf = map[catalogv1.ParameterType]string{
	catalogv1.ParameterType_PARAMETER_TYPE_STRING: "text",
	catalogv1.ParameterType_PARAMETER_TYPE_GROUP:  "object",
	catalogv1.ParameterType_PARAMETER_TYPE_FILE:   "file",
	catalogv1.ParameterType_PARAMETER_TYPE_FOLDER: "folder",
}

// unexpectedList checks the elements of a list that was given for one value, each for itself, so that files in them are found.
func (c *checker) unexpectedList(field string, d *catalogv1.Parameter, given *structpb.ListValue) *structpb.Value {
	c.pass(field, "is a list where the description of the service has one %s, and is passed on as it is", oneOf[d.GetType()])
	out := &structpb.ListValue{Values: make([]*structpb.Value, 0, len(given.GetValues()))}
	for i, e := range given.GetValues() {
		if e = coerceOne(d, e); isNull(e) {
			continue
		}
		if _, nested := e.GetKind().(*structpb.Value_ListValue); nested {
			e = c.whole(at(field, i), e)
		} else {
			e = c.value(at(field, i), d, e)
		}
		if e != nil {
			out.Values = append(out.Values, e)
		}
	}
	return structpb.NewListValue(out)
}

// whole returns a value that is passed on as it is, or nil with a violation where something in it cannot be stored or written.
func (c *checker) whole(field string, v *structpb.Value) *structpb.Value {
	why := ""
	switch k := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		why = badText(k.StringValue, "\n\r\t")
	case *structpb.Value_NumberValue:
		if math.IsNaN(k.NumberValue) || math.IsInf(k.NumberValue, 0) {
			why = "must be a number that JSON can hold"
		}
	case *structpb.Value_ListValue:
		for i, e := range k.ListValue.GetValues() {
			if c.whole(at(field, i), e) == nil {
				return nil
			}
		}
	case *structpb.Value_StructValue:
		for _, id := range slices.Sorted(maps.Keys(k.StructValue.GetFields())) {
			if c.whole(unknownField(field, id), k.StructValue.GetFields()[id]) == nil {
				return nil
			}
		}
	}
	if why != "" {
		c.add(field, "%s", why)
		return nil
	}
	return v
}

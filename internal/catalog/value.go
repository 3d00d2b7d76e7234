package catalog

import (
	"regexp"
	"strconv"

	"google.golang.org/protobuf/types/known/structpb"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
)

// decimal is a number without an exponent, in as few digits as tell it from all others.
func decimal(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// describe names a value in a message.
func describe(v *structpb.Value) string {
	switch k := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		return "the text " + quote(k.StringValue)
	case *structpb.Value_NumberValue:
		return "the number " + strconv.FormatFloat(k.NumberValue, 'g', -1, 64)
	case *structpb.Value_BoolValue:
		return strconv.FormatBool(k.BoolValue)
	case *structpb.Value_ListValue:
		return "a list"
	case *structpb.Value_StructValue:
		return "an object"
	default:
		return "null"
	}
}

var decimalText = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$`)

// coerce takes what the clients of BV-BRC send for what they mean: numbers and
// truths as text, 0 and 1 for truths, numbers for text, "" for nothing at all, a single value
// where a list may be given. What cannot be meant stays as it is, for the check to refuse.
func coerce(d *catalogv1.Parameter, v *structpb.Value) *structpb.Value {
	if isNull(v) || !d.GetMultiple() {
		return coerceOne(d, v)
	}
	list, ok := v.GetKind().(*structpb.Value_ListValue)
	if !ok {
		if v = coerceOne(d, v); isNull(v) {
			return nil
		}
		return structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{v}})
	}
	out := &structpb.ListValue{}
	for _, e := range list.ListValue.GetValues() {
		if e = coerceOne(d, e); !isNull(e) {
			out.Values = append(out.Values, e)
		}
	}
	return structpb.NewListValue(out)
}

func coerceOne(d *catalogv1.Parameter, v *structpb.Value) *structpb.Value {
	text, isText := v.GetKind().(*structpb.Value_StringValue)
	number, isNumber := v.GetKind().(*structpb.Value_NumberValue)
	if d.GetType() == catalogv1.ParameterType_PARAMETER_TYPE_STRING {
		if isNumber {
			return structpb.NewStringValue(decimal(number.NumberValue))
		}
		return v
	}
	if isText && text.StringValue == "" {
		return nil
	}
	switch d.GetType() {
	case catalogv1.ParameterType_PARAMETER_TYPE_BOOLEAN:
		switch {
		case isText && (text.StringValue == "1" || text.StringValue == "true"), isNumber && number.NumberValue == 1:
			return structpb.NewBoolValue(true)
		case isText && (text.StringValue == "0" || text.StringValue == "false"), isNumber && number.NumberValue == 0:
			return structpb.NewBoolValue(false)
		}
	case catalogv1.ParameterType_PARAMETER_TYPE_INTEGER, catalogv1.ParameterType_PARAMETER_TYPE_NUMBER:
		if isText && decimalText.MatchString(text.StringValue) {
			if n, err := strconv.ParseFloat(text.StringValue, 64); err == nil {
				return structpb.NewNumberValue(n)
			}
		}
	default:
	}
	return v
}

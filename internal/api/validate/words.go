package validate

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
)

// patterns says what texts of each pattern of the contract are. A test holds it to have them all.
var patterns = map[string]string{
	`^([A-Za-z0-9_@+][A-Za-z0-9._@+-]*)?$`:      "is no user name: letters, digits and . _ @ + - only, at most 128",
	`^([A-Za-z0-9_@+][A-Za-z0-9._@+-]*|\*)?$`:   "is neither a user name nor * for everybody",
	`^([a-z0-9]([a-z0-9._-]*[a-z0-9])?)?$`:      "must be lower-case letters, digits and . _ - only",
	`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`:         "must be lower-case letters, digits and . _ - only",
	`^([A-Za-z_][A-Za-z0-9_.-]*)?$`:             "is no id of a service",
	`^[A-Za-z0-9_.-]*$`:                         "may hold letters, digits and . _ - only",
	`^[A-Za-z0-9_.&|,*!()\[\]:-]*$`:             "holds characters that no constraint has",
	`^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*$`: "holds control characters",
	`^[!-~]*$`:             "may hold printable ASCII characters without spaces only",
	`^([1-9][0-9]*)?$`:     "is no id of a job",
	`^([0-9a-fA-F]{64})?$`: "must have 64 hexadecimal digits",
}

// wordsOf says what is wrong and what would be right, as the end of a sentence that begins with the name of the field.
func wordsOf(v *protovalidate.Violation, field protoreflect.FieldDescriptor) string {
	rules := rulesAt(field, v.Proto)
	id := v.Proto.GetRuleId()
	_, rule, _ := strings.Cut(id, ".")
	switch {
	case id == "required":
		return "must be given"
	case rules == nil:
		return v.Proto.GetMessage()
	}
	switch rule {
	case "pattern":
		if words, ok := patterns[textOf(rules, "pattern")]; ok {
			return words
		}
	case "max_bytes", "max_len":
		return fmt.Sprintf("is longer than %s bytes", textOf(rules, rule))
	case "min_items":
		return fmt.Sprintf("must have at least %s", counted(textOf(rules, rule)))
	case "max_items":
		return fmt.Sprintf("has %d elements; at most %s may be given at a time", v.FieldValue.List().Len(), textOf(rules, rule))
	case "max_pairs":
		return fmt.Sprintf("has %d entries; at most %s may be given", v.FieldValue.Map().Len(), textOf(rules, rule))
	case "defined_only", "not_in":
		if field.Enum() != nil {
			return "must be one of " + namesOf(field.Enum())
		}
	case "gt", "gte", "lt", "lte", "gt_lt", "gt_lte", "gte_lt", "gte_lte":
		return "must " + rangeOf(rules)
	}
	return v.Proto.GetMessage()
}

func counted(n string) string {
	if n == "1" {
		return "one"
	}
	return n
}

// rangeOf names the bounds of a number or a duration.
func rangeOf(rules protoreflect.Message) string {
	from, to := textOf(rules, "gte"), textOf(rules, "lte")
	above := textOf(rules, "gt")
	switch {
	case above != "" && to != "":
		return "be more than " + above + " and at most " + to
	case from != "" && to != "":
		return "be from " + from + " to " + to
	case from == "0":
		return "not be negative"
	case from != "":
		return "be at least " + from
	case to != "":
		return "be at most " + to
	default:
		return "be more than " + above
	}
}

// textOf is the value of a rule for a person; empty where the rule is not set.
func textOf(rules protoreflect.Message, name string) string {
	field := rules.Descriptor().Fields().ByName(protoreflect.Name(name))
	if field == nil || !rules.Has(field) {
		return ""
	}
	switch value := rules.Get(field).Interface().(type) {
	case protoreflect.Message:
		if d, ok := value.Interface().(*durationpb.Duration); ok {
			return spell(d.AsDuration())
		}
		return fmt.Sprint(value.Interface())
	case float64:
		return strconv.FormatFloat(value, 'g', -1, 64)
	default:
		return fmt.Sprint(value)
	}
}

// spell writes a duration in the largest unit of which it is a whole number.
func spell(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == 0:
		return "0"
	case d%day == 0 && d > day:
		return fmt.Sprintf("%d days", d/day)
	case d == day:
		return "1 day"
	default:
		return d.String()
	}
}

// namesOf lists what an enum can be, without the prefix that all its values have and the one for nothing.
func namesOf(enum protoreflect.EnumDescriptor) string {
	prefix := strings.TrimSuffix(string(enum.Values().ByNumber(0).Name()), "UNSPECIFIED")
	var names []string
	for i := range enum.Values().Len() {
		if value := enum.Values().Get(i); value.Number() != 0 {
			names = append(names, strings.TrimPrefix(string(value.Name()), prefix))
		}
	}
	return strings.Join(names, ", ")
}

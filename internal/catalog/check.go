package catalog

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Limits of the parameters of one job.
const (
	// MaxParametersSize in bytes, as stored.
	MaxParametersSize = 256 << 10
	// MaxParametersDepth counts the objects and lists inside each other.
	MaxParametersDepth = 8
	// MaxTextSize of one value in bytes. Linux takes 128 KiB for one variable of the environment.
	MaxTextSize = 64 << 10

	maxPathSize   = 4096
	maxExactWhole = 1 << 53 // 2^53+1 becomes it
	maxViolations = 100
)

// Kind is what a path of the workspace should lead to.
type Kind int

// The kinds.
const (
	File Kind = iota
	Folder
)

// FileChecker says what is wrong with a path in the owner's workspace that
// should lead to a file or a folder, in words for the user; nil when it is there.
type FileChecker func(path string, want Kind) error

// Check holds parameters against the service's description. It answers them as
// they are stored and run: defaults filled in, what was given as null left
// out. When there are violations, all of them are answered and no parameters.
// Fields begin with `parameters`. params itself is not changed. Without a FileChecker
// it is not looked whether files exist.
func (s *Service) Check(params *structpb.Struct, files FileChecker) (*structpb.Struct, []job.Violation) {
	const top = "parameters"
	c := checker{lenient: s.appSpec != nil, files: files}
	if tooDeep(params.GetFields(), MaxParametersDepth) {
		c.found.Add(top, "must not be nested more than %d deep", MaxParametersDepth)
		return nil, c.found
	}
	if size := proto.Size(params); size > MaxParametersSize {
		c.found.Add(top, "must not be larger than %d KiB, and these have %d; give large input as a file", MaxParametersSize>>10, (size+1023)>>10)
		return nil, c.found
	}
	out := c.fields(top, s.proto.GetParameters(), params.GetFields())
	if c.more > 0 {
		c.found.Add(top, "has %d more mistakes", c.more)
	}
	if len(c.found) > 0 {
		return nil, c.found
	}
	return &structpb.Struct{Fields: out}, nil
}

// tooDeep reports whether objects and lists are nested deeper than left levels.
func tooDeep(fields map[string]*structpb.Value, left int) bool {
	if left == 0 {
		return true
	}
	for _, v := range fields {
		if valueTooDeep(v, left-1) {
			return true
		}
	}
	return false
}

func valueTooDeep(v *structpb.Value, left int) bool {
	switch k := v.GetKind().(type) {
	case *structpb.Value_StructValue:
		return tooDeep(k.StructValue.GetFields(), left)
	case *structpb.Value_ListValue:
		if left == 0 {
			return true
		}
		for _, e := range k.ListValue.GetValues() {
			if valueTooDeep(e, left-1) {
				return true
			}
		}
	}
	return false
}

// checker goes through one set of parameters.
type checker struct {
	lenient bool // the clients of BV-BRC send "5" for 5
	files   FileChecker
	found   job.Violations
	more    int      // violations beyond those kept
	unusual []string // what a lenient checker passed on although the description has not got it
}

func (c *checker) add(field, format string, args ...any) {
	if len(c.found) >= maxViolations {
		c.more++
		return
	}
	c.found.Add(field, format, args...)
}

// fields checks an object against the parameters it may have.
func (c *checker) fields(path string, described []*catalogv1.Parameter, given map[string]*structpb.Value) map[string]*structpb.Value {
	out := make(map[string]*structpb.Value, len(described))
	known := make([]string, len(described))
	for i, d := range described {
		known[i] = d.GetId()
		field := path + "." + d.GetId()
		v := given[d.GetId()]
		if c.lenient {
			v = coerce(d, v)
		}
		switch {
		case !isNull(v):
			if v = c.parameter(field, d, v); v != nil {
				out[d.GetId()] = v
			}
		case d.GetDefaultValue() != nil:
			out[d.GetId()] = proto.CloneOf(d.GetDefaultValue())
		case d.GetRequired():
			c.add(field, "is required: %s", d.GetLabel())
		}
	}
	for _, id := range slices.Sorted(maps.Keys(given)) {
		switch {
		case slices.Contains(known, id):
		case c.lenient:
			if v := given[id]; !isNull(v) && c.whole(unknownField(path, id), v) != nil {
				out[id] = v
				c.pass(unknownField(path, id), "is not in the description of the service, and is passed on as it is%s", didYouMean(id, known))
			}
		default:
			c.add(unknownField(path, id), "is not a parameter here%s", didYouMean(id, known))
		}
	}
	return out
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// unknownField is the path of a field that somebody made up.
func unknownField(path, id string) string {
	if plainKey.MatchString(id) {
		return path + "." + id
	}
	return path + "[" + quote(id) + "]"
}

// parameter checks what was given for one parameter; nil when it does not do.
func (c *checker) parameter(field string, d *catalogv1.Parameter, v *structpb.Value) *structpb.Value {
	if !d.GetMultiple() {
		return c.value(field, d, v)
	}
	list, ok := v.GetKind().(*structpb.Value_ListValue)
	if !ok {
		c.add(field, "must be a list, not %s", describe(v))
		return nil
	}
	given := list.ListValue.GetValues()
	if len(given) == 0 && d.GetRequired() && c.lenient {
		c.pass(field, "is required and empty, and is passed on as it is")
	} else if len(given) == 0 && d.GetRequired() {
		c.add(field, "is required: at least one %s", d.GetLabel())
		return nil
	}
	out := &structpb.ListValue{Values: make([]*structpb.Value, 0, len(given))}
	for i, e := range given {
		if isNull(e) {
			c.add(at(field, i), "must not be null")
		} else if e = c.value(at(field, i), d, e); e != nil {
			out.Values = append(out.Values, e)
		}
	}
	return structpb.NewListValue(out)
}

// value checks one value, not null; nil when it does not do.
func (c *checker) value(field string, d *catalogv1.Parameter, v *structpb.Value) *structpb.Value {
	if list, ok := v.GetKind().(*structpb.Value_ListValue); ok && c.lenient && oneOf[d.GetType()] != "" {
		return c.unexpectedList(field, d, list.ListValue)
	} else if ok {
		c.add(field, "must be a single value, not %s", describe(v))
		return nil
	}
	switch d.GetType() {
	case catalogv1.ParameterType_PARAMETER_TYPE_STRING:
		return c.text(field, d, v)
	case catalogv1.ParameterType_PARAMETER_TYPE_INTEGER, catalogv1.ParameterType_PARAMETER_TYPE_NUMBER:
		return c.number(field, d, v)
	case catalogv1.ParameterType_PARAMETER_TYPE_BOOLEAN:
		if _, ok := v.GetKind().(*structpb.Value_BoolValue); !ok {
			c.add(field, "must be true or false, not %s", describe(v))
			return nil
		}
		return v
	case catalogv1.ParameterType_PARAMETER_TYPE_ENUM:
		return c.choice(field, d, v)
	case catalogv1.ParameterType_PARAMETER_TYPE_FILE:
		return c.file(field, v, File)
	case catalogv1.ParameterType_PARAMETER_TYPE_FOLDER:
		return c.file(field, v, Folder)
	case catalogv1.ParameterType_PARAMETER_TYPE_GROUP:
		g, ok := v.GetKind().(*structpb.Value_StructValue)
		if !ok {
			c.add(field, "must be an object, not %s", describe(v))
			return nil
		}
		return structpb.NewStructValue(&structpb.Struct{Fields: c.fields(field, d.GetGroup(), g.StructValue.GetFields())})
	default:
		c.add(field, "cannot be given: the description of the service is broken here")
		return nil
	}
}

func (c *checker) text(field string, d *catalogv1.Parameter, v *structpb.Value) *structpb.Value {
	k, ok := v.GetKind().(*structpb.Value_StringValue)
	if !ok {
		return c.unlike(field, "text", v)
	}
	s := k.StringValue
	if why := badText(s, "\n\r\t"); why != "" {
		c.add(field, "%s", why)
		return nil
	}
	n := utf8.RuneCountInString(s)
	switch {
	case n == 0 && d.GetRequired():
		c.add(field, "must not be empty")
	case d.Min != nil && float64(n) < d.GetMin():
		c.add(field, "must have at least %s characters, not %d", decimal(d.GetMin()), n)
	case d.Max != nil && float64(n) > d.GetMax():
		c.add(field, "must have at most %s characters, not %d", decimal(d.GetMax()), n)
	default:
		return v
	}
	return nil
}

// badText is what is wrong with a text whatever it means; empty when nothing is.
func badText(s, controls string) string {
	if len(s) > MaxTextSize {
		return fmt.Sprintf("must not be longer than %d KiB, and this has %d; give it as a file", MaxTextSize>>10, (len(s)+1023)>>10)
	}
	if !utf8.ValidString(s) {
		return "must be valid UTF-8"
	}
	for _, r := range s {
		if unicode.IsControl(r) && !strings.ContainsRune(controls, r) {
			return fmt.Sprintf("must not have control characters, and there is a %U", r)
		}
	}
	return ""
}

func (c *checker) number(field string, d *catalogv1.Parameter, v *structpb.Value) *structpb.Value {
	whole := d.GetType() == catalogv1.ParameterType_PARAMETER_TYPE_INTEGER
	k, ok := v.GetKind().(*structpb.Value_NumberValue)
	if !ok {
		c.add(field, "must be %s, not %s", numberName(whole), describe(v))
		return nil
	}
	n := k.NumberValue
	switch {
	case math.IsNaN(n) || math.IsInf(n, 0):
		c.add(field, "must be %s, not %v", numberName(whole), n)
	case whole && n != math.Trunc(n):
		c.add(field, "must be a whole number, not %s", decimal(n))
	case whole && math.Abs(n) >= maxExactWhole:
		c.add(field, "must be between -2^53 and 2^53, both excluded: from there on several whole numbers become one")
	case d.Min != nil && n < d.GetMin():
		c.add(field, "must be at least %s, not %s", decimal(d.GetMin()), decimal(n))
	case d.Max != nil && n > d.GetMax():
		c.add(field, "must be at most %s, not %s", decimal(d.GetMax()), decimal(n))
	case n == 0:
		return structpb.NewNumberValue(0) // not -0
	default:
		return v
	}
	return nil
}

func numberName(whole bool) string {
	if whole {
		return "a whole number"
	}
	return "a number"
}

// choice takes a number for a value that looks like one: a form and a person
// write 11 where the description says "11".
func (c *checker) choice(field string, d *catalogv1.Parameter, v *structpb.Value) *structpb.Value {
	var s string
	switch k := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		s = k.StringValue
	case *structpb.Value_NumberValue:
		s = decimal(k.NumberValue)
	case *structpb.Value_BoolValue:
		s = strconv.FormatBool(k.BoolValue)
	default:
		return c.unlike(field, "one of "+choices(d.GetEnumValues()), v)
	}
	switch {
	case slices.Contains(d.GetEnumValues(), s):
	case c.lenient:
		if why := badText(s, "\n\r\t"); why != "" {
			c.add(field, "%s", why)
			return nil
		}
		c.pass(field, "is %s, which is none of %s, and is passed on as it is%s", quote(s), choices(d.GetEnumValues()), didYouMean(s, d.GetEnumValues()))
	default:
		c.add(field, "must be one of %s, not %s%s", choices(d.GetEnumValues()), quote(s), didYouMean(s, d.GetEnumValues()))
		return nil
	}
	return structpb.NewStringValue(s)
}

// choices are the values of an enum, as many as one can take in.
func choices(values []string) string {
	const most = 20
	if len(values) > most {
		return fmt.Sprintf("%s and %d others", strings.Join(values[:most], ", "), len(values)-most)
	}
	return strings.Join(values, ", ")
}

func (c *checker) file(field string, v *structpb.Value, want Kind) *structpb.Value {
	k, ok := v.GetKind().(*structpb.Value_StringValue)
	if !ok {
		c.add(field, "must be the path of a %s in your workspace, not %s", want, describe(v))
		return nil
	}
	switch why := badText(k.StringValue, ""); {
	case why != "":
		c.add(field, "%s", why)
		return nil
	case k.StringValue == "":
		c.add(field, "must be the path of a %s in your workspace, and it is empty", want)
		return nil
	case len(k.StringValue) > maxPathSize:
		c.add(field, "must not be longer than %d bytes", maxPathSize)
		return nil
	}
	if c.files != nil {
		if err := c.files(k.StringValue, want); err != nil {
			c.add(field, "%s", err)
			return nil
		}
	}
	return v
}

// String is the kind as a word.
func (k Kind) String() string {
	if k == Folder {
		return "folder"
	}
	return "file"
}

package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
)

const paramHelp = `Parameters: -p NAME=VALUE, the value being read as what the service's spec says:
text, number or true/false. A parameter that takes a list is given several times.
  -p reads=@run1.fastq   a file from here: uploaded into your workspace first
  -p reads=/run1.fastq   a file that is in your workspace already
  -p note=@@home         text that begins with @
  -p 'pairs:=[{"r1":"@a.fq","r2":"@b.fq"}]'   any JSON value`

// argument is one -p as it was given.
type argument struct {
	name, value string
	// json says that the value came behind := and is JSON.
	json bool
}

var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func parseArgument(s string) (argument, error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok {
		return argument{}, usagef("-p %q: must be NAME=VALUE", s)
	}
	arg := argument{name: name, value: value}
	if n, ok := strings.CutSuffix(name, ":"); ok {
		arg.name, arg.json = n, true
	}
	if !parameterName.MatchString(arg.name) {
		return argument{}, usagef("-p %q: %q cannot be the name of a parameter", s, arg.name)
	}
	return arg, nil
}

// localFile is a file from here that a parameter names. value is where the
// path in the workspace goes once it is uploaded.
type localFile struct {
	parameter string
	path      string
	value     *structpb.Value
}

// parameters are the parameters of a job to be, with the files that must be
// uploaded before they are complete.
type parameters struct {
	values *structpb.Struct
	files  []localFile
}

// paramBuilder puts -p and --params-file together by a service's spec. What is
// wrong is collected, so that the user sees all of it at once.
type paramBuilder struct {
	spec     *catalogv1.Service
	values   map[string]*structpb.Value
	files    []localFile
	problems []string
}

// buildParameters reads the arguments by the spec. They replace values of base,
// those of a --params-file; base may be nil.
func buildParameters(spec *catalogv1.Service, base *structpb.Struct, args []string) (parameters, error) {
	b := &paramBuilder{spec: spec, values: make(map[string]*structpb.Value)}
	maps.Copy(b.values, base.GetFields())
	given := make(map[string][]argument)
	var order []string
	for _, text := range args {
		arg, err := parseArgument(text)
		if err != nil {
			b.problems = append(b.problems, err.Error())
			continue
		}
		if given[arg.name] == nil {
			order = append(order, arg.name)
		}
		given[arg.name] = append(given[arg.name], arg)
	}
	for _, name := range order {
		b.set(name, given[name])
	}
	for _, p := range spec.GetParameters() {
		if v, ok := b.values[p.GetId()]; ok {
			b.findFiles(p.GetId(), p, v)
		}
	}
	if len(b.problems) > 0 {
		return parameters{}, &usageError{
			text: "the parameters are not right:", details: append(b.problems, "See: stint services "+spec.GetId()),
		}
	}
	return parameters{values: &structpb.Struct{Fields: b.values}, files: b.files}, nil
}

func (b *paramBuilder) problem(format string, args ...any) {
	b.problems = append(b.problems, fmt.Sprintf(format, args...))
}

// set takes all that was given for one parameter.
func (b *paramBuilder) set(name string, args []argument) {
	spec := findParameter(b.spec.GetParameters(), name)
	if spec == nil {
		b.problem("-p %s: %s has no such parameter; it has: %s", name, b.spec.GetId(),
			strings.Join(namesOf(b.spec.GetParameters(), (*catalogv1.Parameter).GetId), ", "))
		return
	}
	var list []*structpb.Value
	for _, arg := range args {
		v, err := parameterValue(spec, arg)
		if err != nil {
			b.problem("-p %s: %v", name, err)
			return
		}
		list = append(list, v)
	}
	_, whole := list[0].GetKind().(*structpb.Value_ListValue)
	switch {
	case spec.GetMultiple() && !(len(list) == 1 && args[0].json && (whole || isNull(list[0]))):
		b.values[name] = structpb.NewListValue(&structpb.ListValue{Values: list})
	case len(list) > 1:
		b.problem("-p %s is given %d times, but it takes one value", name, len(list))
	default:
		b.values[name] = list[0]
	}
}

func isNull(v *structpb.Value) bool {
	_, null := v.GetKind().(*structpb.Value_NullValue)
	return null
}

func findParameter(list []*catalogv1.Parameter, name string) *catalogv1.Parameter {
	for _, p := range list {
		if p.GetId() == name {
			return p
		}
	}
	return nil
}

// parameterValue reads one value by the type of its parameter. Values of files
// stay as they are; findFiles looks at them.
func parameterValue(spec *catalogv1.Parameter, arg argument) (*structpb.Value, error) {
	if arg.json {
		return jsonValue(arg.value)
	}
	switch spec.GetType() {
	case catalogv1.ParameterType_PARAMETER_TYPE_INTEGER:
		n, err := strconv.ParseInt(arg.value, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no whole number", arg.value)
		}
		if !exact(float64(n)) {
			return nil, fmt.Errorf("%s is too large to stay exact", arg.value)
		}
		return structpb.NewNumberValue(float64(n)), nil
	case catalogv1.ParameterType_PARAMETER_TYPE_NUMBER:
		f, err := strconv.ParseFloat(arg.value, 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return nil, fmt.Errorf("%q is no number", arg.value)
		}
		return structpb.NewNumberValue(f), nil
	case catalogv1.ParameterType_PARAMETER_TYPE_BOOLEAN:
		return booleanValue(arg.value)
	case catalogv1.ParameterType_PARAMETER_TYPE_GROUP:
		return nil, fmt.Errorf("it has parts; write it as JSON: -p '%s:={...}'", arg.name)
	case catalogv1.ParameterType_PARAMETER_TYPE_FILE:
		return structpb.NewStringValue(arg.value), nil
	default:
		if text, ok := strings.CutPrefix(arg.value, "@@"); ok {
			return structpb.NewStringValue("@" + text), nil
		}
		if strings.HasPrefix(arg.value, "@") {
			return nil, fmt.Errorf("it takes a %s and not a file; write @@ for an @", parameterWord(spec.GetType()))
		}
		return structpb.NewStringValue(arg.value), nil
	}
}

func booleanValue(s string) (*structpb.Value, error) {
	switch strings.ToLower(s) {
	case "true", "yes", "1":
		return structpb.NewBoolValue(true), nil
	case "false", "no", "0":
		return structpb.NewBoolValue(false), nil
	default:
		return nil, fmt.Errorf("%q is neither true nor false", s)
	}
}

// jsonValue reads a value behind :=. Whole numbers beyond 2^53 are refused:
// the API would change them.
func jsonValue(s string) (*structpb.Value, error) {
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("%q is no JSON: %w", s, err)
	}
	if rest, _ := bufferedRest(dec); rest != "" {
		return nil, fmt.Errorf("%q is no JSON: there is more behind its end", s)
	}
	return toValue(v)
}

func bufferedRest(dec *json.Decoder) (string, error) {
	var b bytes.Buffer
	_, err := b.ReadFrom(dec.Buffered())
	return strings.TrimSpace(b.String()), err
}

// findFiles goes through a value by its parameter's spec and finds the files
// from here: texts that begin with @ where a file belongs. @@ stands for an @.
func (b *paramBuilder) findFiles(name string, spec *catalogv1.Parameter, v *structpb.Value) {
	if list := v.GetListValue(); list != nil && spec.GetMultiple() {
		for i, e := range list.GetValues() {
			b.findFiles(fmt.Sprintf("%s[%d]", name, i), spec, e)
		}
		return
	}
	switch spec.GetType() {
	case catalogv1.ParameterType_PARAMETER_TYPE_GROUP:
		for part, e := range v.GetStructValue().GetFields() {
			if s := findParameter(spec.GetGroup(), part); s != nil {
				b.findFiles(name+"."+part, s, e)
			}
		}
	case catalogv1.ParameterType_PARAMETER_TYPE_FILE:
		text, ok := v.GetKind().(*structpb.Value_StringValue)
		if !ok {
			return
		}
		switch path := text.StringValue; {
		case strings.HasPrefix(path, "@@"):
			text.StringValue = path[1:]
		case path == "@":
			b.problem("-p %s: there is no file name behind @", name)
		case strings.HasPrefix(path, "@"):
			b.files = append(b.files, localFile{parameter: name, path: path[1:], value: v})
		case !strings.HasPrefix(path, "/") && isLocalFile(path):
			b.problem("-p %s: %s is a file here, but not in your workspace; to upload it write %s=@%s", name, path, name, path)
		}
	default: // holds no file
	}
}

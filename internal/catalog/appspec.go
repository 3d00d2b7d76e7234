package catalog

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// parseAppSpec reads an app spec of BV-BRC: relaxed JSON with `id`, `script`,
// `label`, `description`, `parameters` and defaults for resources. Of keys and parameters that
// are there twice the last one counts, as in the system they come from.
func parseAppSpec(text []byte, s *Service, p *problems) {
	strict := relax(text)
	var spec object
	if err := json.Unmarshal(strict, &spec); err != nil {
		line, what := explainJSON(strict, err)
		p.addAt(line, "", what)
		return
	}
	r := specReader{p: p}
	s.proto = &catalogv1.Service{
		Id:               r.text(spec, "", "id"),
		Label:            r.text(spec, "", "label"),
		Description:      r.text(spec, "", "description"),
		Parameters:       r.parameters("parameters", spec["parameters"], 0),
		DefaultResources: r.resources(spec),
	}
	if s.proto.GetId() == "" {
		p.add("id", "is missing")
	}
	s.proto.Label = labelOr(s.proto.GetLabel(), s.proto.GetId())
	switch script := r.text(spec, "", "script"); {
	case script == "":
		p.add("script", "is missing: the file beside the spec to run, or the name of a program")
	case script != filepath.Base(script) || !validProgram.MatchString(script):
		p.add("script", "%s is no plain name of a file or program", quote(script))
	default:
		s.setCommand([]string{script}, p)
	}
	checkDescribed("parameters", s.proto.GetParameters(), &rules{id: validAppSpecID, appSpec: true}, p)
	var compact bytes.Buffer
	if json.Compact(&compact, strict) == nil {
		s.appSpec = compact.Bytes()
	}
}

// object is a JSON object; of keys that are there twice the last one counts, and
// "ID" is not "id".
type object map[string]json.RawMessage

// specReader takes values out of an app spec and notes what is wrong with them.
type specReader struct{ p *problems }

// text reads a text; empty when there is none or null.
func (r *specReader) text(o object, path, key string) string {
	var s *string
	if raw, ok := o[key]; ok && json.Unmarshal(raw, &s) != nil {
		r.p.add(path+key, "must be text, not %s", clipRaw(raw))
	}
	if s == nil {
		return ""
	}
	return *s
}

// flag reads 0, 1, true, false or null, also as text.
func (r *specReader) flag(o object, path, key string) bool {
	switch strings.ToLower(strings.Trim(string(o[key]), `"`)) {
	case "1", "true", "yes", "y":
		return true
	case "", "0", "false", "null", "no", "n":
		return false
	default:
		r.p.minor(path+key, "must be 0, 1, true or false, not %s; it is taken for false", clipRaw(o[key]))
		return false
	}
}

// parameters reads a list of parameters. Entries without an id are documentation.
func (r *specReader) parameters(field string, raw json.RawMessage, depth int) []*catalogv1.Parameter {
	var list []json.RawMessage
	if raw != nil && json.Unmarshal(raw, &list) != nil {
		r.p.minor(field, "must be a list, not %s; it is taken for an empty one", clipRaw(raw))
		return nil
	}
	if depth > maxGroupDepth {
		r.p.add(field, "groups are nested more than %d deep", maxGroupDepth)
		return nil
	}
	var out []*catalogv1.Parameter
	place := map[string]int{}
	for i, e := range list {
		var o object
		if err := json.Unmarshal(e, &o); err != nil {
			r.p.minor(at(field, i), "must be an object, not %s; it is left out", clipRaw(e))
			continue
		}
		if _, ok := o["id"]; !ok {
			continue
		}
		var id string
		if json.Unmarshal(o["id"], &id) != nil || id == "" {
			r.p.minor(at(field, i)+".id", "must be text, not %s; the parameter is left out", clipRaw(o["id"]))
			continue
		}
		if !validAppSpecID.MatchString(id) {
			r.p.minor(at(field, i)+".id", "%s is no id that forms can have; the parameter is left out of them, and what is given for it is passed on", quote(id))
			continue
		}
		d := r.parameter(entry(field, i, id)+".", o, depth)
		if first, twice := place[d.GetId()]; twice {
			r.p.minor(at(field, i)+".id", "%s is there twice; the last one counts", quote(d.GetId()))
			out[first] = d
			continue
		}
		place[d.GetId()] = len(out)
		out = append(out, d)
	}
	return out
}

func (r *specReader) parameter(path string, o object, depth int) *catalogv1.Parameter {
	d := &catalogv1.Parameter{
		Id:          r.text(o, path, "id"),
		Description: r.text(o, path, "desc"),
		Required:    r.flag(o, path, "required"),
		Multiple:    r.flag(o, path, "allow_multiple"),
	}
	d.Label = labelOr(r.text(o, path, "label"), d.GetId())
	r.setType(path, o, d)
	switch d.GetType() {
	case catalogv1.ParameterType_PARAMETER_TYPE_ENUM:
		if d.EnumValues == nil {
			d.EnumValues = r.enum(path, "enum", o)
		}
		if len(d.GetEnumValues()) == 0 {
			r.p.minor(path+"enum", "has no values to choose from; any text is taken")
			d.Type = catalogv1.ParameterType_PARAMETER_TYPE_STRING
		}
	case catalogv1.ParameterType_PARAMETER_TYPE_GROUP:
		if d.Group = r.parameters(path+"group", o["group"], depth+1); len(d.GetGroup()) == 0 && depth < maxGroupDepth {
			r.p.minor(path+"group", "has no parameters; anything is taken")
			d.Type = catalogv1.ParameterType_PARAMETER_TYPE_STRING
		}
	default:
	}
	if raw, ok := o["default"]; ok {
		v := &structpb.Value{}
		if err := v.UnmarshalJSON(raw); err != nil {
			r.p.minor(path+"default", "%s is no value; there is no default then", clipRaw(raw))
		} else if v = coerce(d, v); !isNull(v) {
			d.DefaultValue = v
		}
	}
	return d
}

// setType translates the types seen in BV-BRC's specs. output_path and
// output_file say where results go, which is for the job's own output_folder
// and output_name to say here: they are text that may be left out, and no input.
func (r *specReader) setType(path string, o object, d *catalogv1.Parameter) {
	if values := r.valuesAsType(path, o); values != nil {
		d.Type, d.EnumValues = catalogv1.ParameterType_PARAMETER_TYPE_ENUM, values
		return
	}
	name := strings.ToLower(r.text(o, path, "type"))
	if alias := map[string]string{"text": "string", "str": "string", "double": "float", "decimal": "float"}[name]; alias != "" {
		r.p.minor(path+"type", "there is no type %s; it is taken for %s", quote(name), alias)
		name = alias
	}
	if name != "" && !slices.Contains(specTypes, name) {
		guess := nearest(name, specTypes)
		r.p.minor(path+"type", "there is no type %s; it is taken for %s", quote(name), cmp.Or(guess, "text"))
		name = guess
	}
	switch name {
	case "string":
		d.Type = catalogv1.ParameterType_PARAMETER_TYPE_STRING
	case "list", "array":
		d.Type, d.Multiple = catalogv1.ParameterType_PARAMETER_TYPE_STRING, true
	case "int", "integer":
		d.Type = catalogv1.ParameterType_PARAMETER_TYPE_INTEGER
	case "float", "number":
		d.Type = catalogv1.ParameterType_PARAMETER_TYPE_NUMBER
	case "bool", "boolean":
		d.Type = catalogv1.ParameterType_PARAMETER_TYPE_BOOLEAN
	case "enum":
		d.Type = catalogv1.ParameterType_PARAMETER_TYPE_ENUM
	case "wstype", "wsid":
		d.Type = catalogv1.ParameterType_PARAMETER_TYPE_FILE
	case "folder":
		d.Type = catalogv1.ParameterType_PARAMETER_TYPE_FOLDER
	case "group":
		d.Type = catalogv1.ParameterType_PARAMETER_TYPE_GROUP
	default:
		d.Type = typeOfUntyped(o)
	}
	if d.GetId() == "output_path" || d.GetId() == "output_file" {
		d.Type, d.Required = catalogv1.ParameterType_PARAMETER_TYPE_STRING, false
	}
}

// specTypes are the types that BV-BRC's specs have.
var specTypes = []string{"string", "list", "array", "int", "integer", "float", "number", "bool", "boolean", "enum", "wstype", "wsid", "folder", "group"}

// valuesAsType returns the values of a parameter whose type is a list of them: an enum then.
func (r *specReader) valuesAsType(path string, o object) []string {
	if !strings.HasPrefix(string(o["type"]), "[") {
		return nil
	}
	if o["enum"] != nil {
		r.p.minor(path+"type", "must be text, not %s; its enum counts", clipRaw(o["type"]))
		return r.enum(path, "enum", o)
	}
	values := r.enum(path, "type", o)
	if len(values) > 0 {
		r.p.minor(path+"type", "is a list, which is taken for the values of an enum")
	}
	return values
}

func typeOfUntyped(o object) catalogv1.ParameterType {
	if _, ok := o["group"]; ok {
		return catalogv1.ParameterType_PARAMETER_TYPE_GROUP
	}
	if _, ok := o["enum"]; ok {
		return catalogv1.ParameterType_PARAMETER_TYPE_ENUM
	}
	if _, ok := o["wstype"]; ok {
		return catalogv1.ParameterType_PARAMETER_TYPE_FILE
	}
	return catalogv1.ParameterType_PARAMETER_TYPE_STRING
}

// enum reads the values to choose from, under a key: texts, numbers or truths. One that is there
// twice counts once.
func (r *specReader) enum(path, key string, o object) []string {
	var list []json.RawMessage
	if o[key] != nil && json.Unmarshal(o[key], &list) != nil {
		r.p.minor(path+key, "must be a list, not %s", clipRaw(o[key]))
		return nil
	}
	var out []string
	for i, e := range list {
		v := &structpb.Value{}
		if err := v.UnmarshalJSON(e); err != nil {
			r.p.minor(at(path+key, i), "%s is no value to choose", clipRaw(e))
			continue
		}
		text, ok := scalarText(v)
		if !ok {
			r.p.minor(at(path+key, i), "must be text or a number, not %s", describe(v))
		} else if text != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// resources reads what a job of the service gets by default. A number for
// memory is in megabytes, as in Slurm's --mem, which it is written for; default_runtime
// is in seconds.
func (r *specReader) resources(spec object) *jobsv1.Resources {
	out := &jobsv1.Resources{}
	if raw, ok := spec["default_memory"]; ok && string(raw) != "null" {
		bytes, err := parseMemory(strings.Trim(string(raw), `"`), 1<<20)
		if err != nil {
			r.p.minor("default_memory", "%s; there is no default then", err)
		}
		out.MemoryBytes = bytes
	}
	if n := r.whole(spec, "default_cpu", maxCPUs); n > 0 {
		out.Cpus = int32(n)
	}
	if n := r.whole(spec, "default_runtime", 10*365*24*3600); n > 0 {
		out.TimeLimit = durationpb.New(time.Duration(n) * time.Second)
	}
	return out
}

// whole reads a whole number from 0 to limit, also as text; 0 when there is none.
func (r *specReader) whole(o object, key string, limit int64) int64 {
	raw, ok := o[key]
	if !ok || string(raw) == "null" {
		return 0
	}
	var n float64
	err := json.Unmarshal([]byte(strings.Trim(string(raw), `"`)), &n)
	if err != nil || n != math.Trunc(n) || n < 0 || n > float64(limit) {
		r.p.minor(key, "must be a whole number from 0 to %d, not %s; there is no default then", limit, clipRaw(raw))
		return 0
	}
	return int64(n)
}

// explainJSON puts an error of encoding/json in words, with the line it is on.
func explainJSON(text []byte, err error) (line int, what string) {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		end := min(int(syntax.Offset), len(text))
		return 1 + bytes.Count(text[:end], []byte("\n")), "it is no JSON: " + syntax.Error()
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return 0, "it must be a JSON object, and it is of the kind " + kind.Value
	}
	return 0, err.Error()
}

// clipRaw shows a piece of JSON in a message.
func clipRaw(raw json.RawMessage) string {
	const most = 40
	s := string(raw)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

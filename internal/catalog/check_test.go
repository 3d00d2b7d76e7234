package catalog

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/stint-jobs/stint/internal/job"
)

// everyType has a parameter of each kind and rule.
const everyType = `
id: Every
label: Every type
command: [run]
parameters:
  - {id: name, label: Name, type: string, min: 2, max: 5}
  - {id: note, type: string}
  - {id: count, type: integer, min: 1, max: 100}
  - {id: ratio, type: number, min: -0.5, max: 0.5}
  - {id: fast, type: boolean}
  - {id: code, type: enum, enum: [4, 11, eleven], default: 11}
  - {id: reads, label: Reads, type: file}
  - {id: dir, type: folder}
  - {id: words, type: string, multiple: true}
  - {id: files, type: file, multiple: true}
  - id: libs
    type: group
    multiple: true
    group:
      - {id: read1, label: Read 1, type: file, required: true}
      - {id: platform, type: enum, enum: [infer, illumina], default: infer}
      - {id: lanes, type: integer, multiple: true}
  - id: trim
    type: group
    group:
      - {id: quality, type: integer, default: 20}
`

// described reads a service.yaml that must be right, beside a command called run.
func described(tb testing.TB, text string) *Service {
	tb.Helper()
	dir := tb.TempDir()
	write(tb, dir+"/S/run", "#!/bin/sh\n", 0o755)
	write(tb, dir+"/S/service.yaml", text, 0o644)
	c, problems, err := Load(dir, Options{})
	if err != nil || len(problems) > 0 {
		tb.Fatalf("Load: %v, %v", problems, err)
	}
	if len(c.services) != 1 {
		tb.Fatalf("%d services, want 1", len(c.services))
	}
	return c.services[0]
}

// fromSpec reads an app spec that must be right, beside a script called run.
func fromSpec(tb testing.TB, text string) *Service {
	tb.Helper()
	dir := tb.TempDir()
	write(tb, dir+"/run", "#!/bin/sh\n", 0o755)
	write(tb, dir+"/spec.json", text, 0o644)
	c, problems, err := Load(dir, Options{})
	if err != nil || len(problems) > 0 {
		tb.Fatalf("Load: %v, %v", problems, err)
	}
	return c.services[0]
}

func params(tb testing.TB, text string) *structpb.Struct {
	tb.Helper()
	s := &structpb.Struct{}
	if err := protojson.Unmarshal([]byte(text), s); err != nil {
		tb.Fatal(err)
	}
	return s
}

// workspace has a file /reads.fq and a folder /results.
func workspace(path string, want Kind) error {
	there := map[string]Kind{"/reads.fq": File, "/results": Folder}
	switch kind, ok := there[path]; {
	case !ok:
		return fmt.Errorf("there is no %s %s in your workspace", want, path)
	case kind != want:
		return fmt.Errorf("%s is a %s, and a %s is needed", path, kind, want)
	}
	return nil
}

func TestCheckFillsInAndKeeps(t *testing.T) {
	s := described(t, everyType)
	for _, tt := range []struct{ name, give, want string }{
		{"nothing", `{}`, `{"code":"11"}`},
		{"null is not given", `{"name":null,"code":null,"libs":null}`, `{"code":"11"}`},
		{"a number for a choice", `{"code":4}`, `{"code":"4"}`},
		{"bounds are within", `{"name":"ab","count":100,"ratio":-0.5}`, `{"name":"ab","count":100,"ratio":-0.5,"code":"11"}`},
		{"length counts characters", `{"name":"äöüßé"}`, `{"name":"äöüßé","code":"11"}`},
		{"text may have lines", `{"note":"a\n\tb\r\n"}`, `{"note":"a\n\tb\r\n","code":"11"}`},
		{"empty text where optional", `{"note":""}`, `{"note":"","code":"11"}`},
		{"whole numbers to 2^53", `{"ratio":0,"count":1e1}`, `{"ratio":0,"count":10,"code":"11"}`},
		{"no minus zero", `{"ratio":-0.0}`, `{"ratio":0,"code":"11"}`},
		{"files and folders", `{"reads":"/reads.fq","dir":"/results"}`, `{"reads":"/reads.fq","dir":"/results","code":"11"}`},
		{"lists", `{"words":["a","b"],"files":[]}`, `{"words":["a","b"],"files":[],"code":"11"}`},
		{
			"groups get their defaults", `{"libs":[{"read1":"/reads.fq"},{"read1":"/reads.fq","platform":"illumina","lanes":[1]}],"trim":{}}`,
			`{"libs":[{"read1":"/reads.fq","platform":"infer"},{"read1":"/reads.fq","platform":"illumina","lanes":[1]}],"trim":{"quality":20},"code":"11"}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			give := params(t, tt.give)
			got, violations := s.Check(give, workspace)
			if len(violations) > 0 {
				t.Fatal(violations)
			}
			if d := cmp.Diff(params(t, tt.want), got, protocmp.Transform()); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(params(t, tt.give), give, protocmp.Transform()); d != "" {
				t.Error("the request was changed", d)
			}
		})
	}
}

func TestCheckRefuses(t *testing.T) {
	s := described(t, everyType)
	for _, tt := range []struct{ give, field, words string }{
		{`{"naem":"abc"}`, "parameters.naem", `is not a parameter here; did you mean "name"?`},
		{`{"quite else":1}`, `parameters["quite else"]`, "is not a parameter here"},
		{`{"name":5}`, "parameters.name", "must be text, not the number 5"},
		{`{"name":"a"}`, "parameters.name", "must have at least 2 characters, not 1"},
		{`{"name":"abcdef"}`, "parameters.name", "must have at most 5 characters, not 6"},
		{`{"name":["abc"]}`, "parameters.name", "must be a single value, not a list"},
		{`{"note":"a\u0000b"}`, "parameters.note", "must not have control characters, and there is a U+0000"},
		{`{"note":"a\u001b[2J"}`, "parameters.note", "must not have control characters, and there is a U+001B"},
		{`{"note":"a\u0085"}`, "parameters.note", "must not have control characters, and there is a U+0085"},
		{`{"count":"5"}`, "parameters.count", `must be a whole number, not the text "5"`},
		{`{"count":1.5}`, "parameters.count", "must be a whole number, not 1.5"},
		{`{"count":0}`, "parameters.count", "must be at least 1, not 0"},
		{`{"count":101}`, "parameters.count", "must be at most 100, not 101"},
		{`{"count":9007199254740993}`, "parameters.count", "must be between -2^53 and 2^53, both excluded: from there on several whole numbers become one"},
		{`{"count":-9007199254740992}`, "parameters.count", "must be between -2^53 and 2^53, both excluded: from there on several whole numbers become one"},
		{`{"count":1e300}`, "parameters.count", "must be between -2^53 and 2^53, both excluded: from there on several whole numbers become one"},
		{`{"ratio":true}`, "parameters.ratio", "must be a number, not true"},
		{`{"ratio":0.6}`, "parameters.ratio", "must be at most 0.5, not 0.6"},
		{`{"fast":"true"}`, "parameters.fast", `must be true or false, not the text "true"`},
		{`{"fast":1}`, "parameters.fast", "must be true or false, not the number 1"},
		{`{"code":"elevn"}`, "parameters.code", `must be one of 4, 11, eleven, not "elevn"; did you mean "eleven"?`},
		{`{"code":{}}`, "parameters.code", "must be one of 4, 11, eleven, not an object"},
		{`{"reads":"/gone.fq"}`, "parameters.reads", "there is no file /gone.fq in your workspace"},
		{`{"reads":"/results"}`, "parameters.reads", "/results is a folder, and a file is needed"},
		{`{"reads":""}`, "parameters.reads", "must be the path of a file in your workspace, and it is empty"},
		{`{"reads":"/a\nb"}`, "parameters.reads", "must not have control characters, and there is a U+000A"},
		{`{"reads":7}`, "parameters.reads", "must be the path of a file in your workspace, not the number 7"},
		{`{"dir":"/reads.fq"}`, "parameters.dir", "/reads.fq is a file, and a folder is needed"},
		{`{"words":"a"}`, "parameters.words", `must be a list, not the text "a"`},
		{`{"words":["a",null]}`, "parameters.words[1]", "must not be null"},
		{`{"words":["a",["b"]]}`, "parameters.words[1]", "must be a single value, not a list"},
		{`{"files":["/reads.fq","/b"]}`, "parameters.files[1]", "there is no file /b in your workspace"},
		{`{"libs":[{"platform":"illumina"}]}`, "parameters.libs[0].read1", "is required: Read 1"},
		{`{"libs":[{"read1":"/reads.fq"},{"read1":"/reads.fq","read2":"x"}]}`, "parameters.libs[1].read2", `is not a parameter here; did you mean "read1"?`},
		{`{"libs":[{"read1":"/reads.fq","lanes":[1,"2"]}]}`, "parameters.libs[0].lanes[1]", `must be a whole number, not the text "2"`},
		{`{"libs":{"read1":"/reads.fq"}}`, "parameters.libs", "must be a list, not an object"},
		{`{"trim":[]}`, "parameters.trim", "must be a single value, not a list"},
		{`{"trim":true}`, "parameters.trim", "must be an object, not true"},
		{`{"trim":{"quality":"x"}}`, "parameters.trim.quality", `must be a whole number, not the text "x"`},
		{`{"words":[[[[[[[["deep"]]]]]]]]}`, "parameters", "must not be nested more than 8 deep"},
		{`{"trim":{"a":{"b":{"c":{"d":{"e":{"f":{"g":{}}}}}}}}}`, "parameters", "must not be nested more than 8 deep"},
	} {
		t.Run(tt.give, func(t *testing.T) {
			got, violations := s.Check(params(t, tt.give), workspace)
			want := []job.Violation{{Field: tt.field, Description: tt.words}}
			if d := cmp.Diff(want, violations); d != "" || got != nil {
				t.Error(d, got)
			}
		})
	}
}

func TestCheckRefusesWhatJSONCannotCarry(t *testing.T) {
	s := described(t, everyType)
	for _, tt := range []struct {
		id    string
		value *structpb.Value
		words string
	}{
		{"note", structpb.NewStringValue("a\xff"), "must be valid UTF-8"},
		{"note", structpb.NewStringValue(strings.Repeat("x", MaxTextSize+1)), "must not be longer than 64 KiB, and this has 65; give it as a file"},
		{"reads", structpb.NewStringValue("/" + strings.Repeat("x", 4096)), "must not be longer than 4096 bytes"},
		{"ratio", structpb.NewNumberValue(math.NaN()), "must be a number, not NaN"},
		{"count", structpb.NewNumberValue(math.Inf(-1)), "must be a whole number, not -Inf"},
	} {
		_, violations := s.Check(&structpb.Struct{Fields: map[string]*structpb.Value{tt.id: tt.value}}, nil)
		want := []job.Violation{{Field: "parameters." + tt.id, Description: tt.words}}
		if d := cmp.Diff(want, violations); d != "" {
			t.Error(d)
		}
	}
	// A value without a kind is what an empty protobuf message is: nothing given.
	got, violations := s.Check(&structpb.Struct{Fields: map[string]*structpb.Value{"note": {}, "name": nil}}, nil)
	if len(violations) > 0 || len(got.GetFields()) != 1 {
		t.Error(got, violations)
	}
}

func TestCheckRefusesTooMuchBeforeLookingAtIt(t *testing.T) {
	s := described(t, everyType)
	list := &structpb.ListValue{}
	for range 5 {
		list.Values = append(list.Values, structpb.NewStringValue(strings.Repeat("x", 60<<10)))
	}
	asked := false
	_, violations := s.Check(&structpb.Struct{Fields: map[string]*structpb.Value{
		"words": structpb.NewListValue(list), "reads": structpb.NewStringValue("/reads.fq"),
	}}, func(string, Kind) error { asked = true; return nil })
	want := []job.Violation{{Field: "parameters", Description: "must not be larger than 256 KiB, and these have 301; give large input as a file"}}
	if d := cmp.Diff(want, violations); d != "" || asked {
		t.Error(d, asked)
	}
}

func TestCheckTellsAllViolationsAtOnceInOrder(t *testing.T) {
	s := described(t, everyType)
	_, violations := s.Check(params(t, `{"zz":1,"aa":2,"libs":[{},{"read1":3}],"name":"x","reads":"/gone","count":0}`), workspace)
	var fields []string
	for _, v := range violations {
		fields = append(fields, v.Field)
	}
	want := []string{
		"parameters.name", "parameters.count", "parameters.reads",
		"parameters.libs[0].read1", "parameters.libs[1].read1", "parameters.aa", "parameters.zz",
	}
	if d := cmp.Diff(want, fields); d != "" {
		t.Error(d)
	}
}

func TestCheckBoundsItsAnswer(t *testing.T) {
	s := described(t, everyType)
	p := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for i := range 1000 {
		p.Fields[fmt.Sprintf("unknown%04d", i)] = structpb.NewNullValue()
	}
	_, violations := s.Check(p, nil)
	if len(violations) != maxViolations+1 {
		t.Fatalf("%d violations", len(violations))
	}
	if last := violations[maxViolations]; last.Description != "has 900 more mistakes" {
		t.Error(last)
	}
	// A name is shown, and not all 100,000 characters of it.
	_, violations = s.Check(&structpb.Struct{Fields: map[string]*structpb.Value{strings.Repeat("é", 50_000): structpb.NewNullValue()}}, nil)
	if len(violations) != 1 || len(violations[0].Field) > 200 {
		t.Error(len(violations))
	}
}

func TestCheckOfRequired(t *testing.T) {
	s := described(t, `
id: R
label: R
command: [run]
parameters:
  - {id: name, label: Your name, type: string, required: true}
  - {id: list, label: word, type: string, multiple: true, required: true}
  - {id: code, type: integer, required: true, default: 5}
`)
	for give, want := range map[string]string{
		`{}`:                       "[{parameters.name is required: Your name} {parameters.list is required: word}]",
		`{"name":null,"list":[]}`:  "[{parameters.name is required: Your name} {parameters.list is required: at least one word}]",
		`{"name":"","list":["x"]}`: "[{parameters.name must not be empty}]",
	} {
		_, violations := s.Check(params(t, give), nil)
		if got := fmt.Sprint(violations); got != want {
			t.Errorf("%s: %s", give, got)
		}
	}
	if _, violations := s.Check(nil, nil); len(violations) != 2 {
		t.Error(violations)
	}
}

func TestCheckGivesEachJobItsOwnDefaults(t *testing.T) {
	s := described(t, `
id: D
label: D
command: [run]
parameters:
  - id: g
    type: group
    default: {list: [a]}
    group: [{id: list, type: string, multiple: true}]
`)
	one, _ := s.Check(nil, nil)
	one.Fields["g"].GetStructValue().Fields["list"].GetListValue().Values[0] = structpb.NewStringValue("changed")
	two, _ := s.Check(nil, nil)
	if got := two.Fields["g"].GetStructValue().Fields["list"].GetListValue().Values[0].GetStringValue(); got != "a" {
		t.Errorf("the default is %q for the next job", got)
	}
}

func TestCheckOfAnAppSpecTakesWhatItsClientsSend(t *testing.T) {
	s := fromSpec(t, `{
	"id": "A", "script": "run", "parameters": [
		{"id": "n", "type": "int"}, {"id": "f", "type": "float"}, {"id": "b", "type": "bool"},
		{"id": "s", "type": "string"}, {"id": "e", "type": "enum", "enum": ["1", "2"]},
		{"id": "ids", "type": "string", "allow_multiple": true}, {"id": "file", "type": "wstype"},
		{"id": "g", "type": "group", "group": [{"id": "call-it", "type": "int", "default": "95"}]}
	]}`)
	for _, tt := range []struct{ give, want string }{
		{`{"n":"5","f":"1e-5","b":"true","s":7,"e":2}`, `{"n":5,"f":0.00001,"b":true,"s":"7","e":"2"}`},
		{`{"b":1}`, `{"b":true}`},
		{`{"b":"0"}`, `{"b":false}`},
		{`{"n":"","f":"","b":"","file":"","e":""}`, `{}`},
		{`{"ids":"one"}`, `{"ids":["one"]}`},
		{`{"ids":["one",2]}`, `{"ids":["one","2"]}`},
		{`{"g":{}}`, `{"g":{"call-it":95}}`},
	} {
		got, violations := s.Check(params(t, tt.give), nil)
		if len(violations) > 0 {
			t.Errorf("%s: %v", tt.give, violations)
			continue
		}
		if d := cmp.Diff(params(t, tt.want), got, protocmp.Transform()); d != "" {
			t.Errorf("%s: %s", tt.give, d)
		}
	}
	for _, give := range []string{`{"n":"five"}`, `{"n":"inf"}`, `{"f":"nan"}`, `{"n":"0x5"}`, `{"b":"yes"}`, `{"b":2}`, `{"e":[]}`, `{"file":{}}`} {
		if _, violations := s.Check(params(t, give), nil); len(violations) != 1 {
			t.Errorf("%s: %v", give, violations)
		}
	}
}

// What the spec of a service of BV-BRC does not list is passed on with a warning, as BV-BRC runs it; in a service.yaml it is refused.
func TestCheckPassesOnWhatAnAppSpecDoesNotList(t *testing.T) {
	const parameters = `[
		{"id": "aligner", "type": "enum", "enum": ["muscle", "MAFFT"]}, {"id": "s", "type": "string"},
		{"id": "seqs", "type": "string", "allow_multiple": true},
		{"id": "kinds", "type": "enum", "enum": ["fasta", "group"], "allow_multiple": 1}, {"id": "file", "type": "wstype"},
		{"id": "one", "type": "group", "group": [{"id": "read1", "type": "wstype"}, {"id": "n", "type": "int"}]},
		{"id": "libs", "type": "group", "allow_multiple": true, "group": [{"id": "srr", "type": "string"}]}]`
	s := fromSpec(t, `{"id": "A", "script": "run", "parameters": `+parameters+`}`)
	for give, warnings := range map[string][]string{
		`{"new":{"a":[1,"b"]}}`:                     {"parameters.new is not in the description of the service, and is passed on as it is"},
		`{"alinger":"muscle"}`:                      {"parameters.alinger is not in the description of the service, and is passed on as it is; did you mean \"aligner\"?"},
		`{"libs":[{"srr":"SRR1","title":"first"}]}`: {"parameters.libs[0].title is not in the description of the service, and is passed on as it is"},
		`{"aligner":"mafft"}`:                       {`parameters.aligner is "mafft", which is none of muscle, MAFFT, and is passed on as it is; did you mean "MAFFT"?`},
		`{"aligner":"clustalo"}`:                    {`parameters.aligner is "clustalo", which is none of muscle, MAFFT, and is passed on as it is`},
		`{"seqs":[{"filename":"/a","type":"x"}]}`:   {"parameters.seqs[0] is an object where the description of the service has text, and is passed on as it is"},
		`{"s":["a","b"]}`:                           {"parameters.s is a list where the description of the service has one text, and is passed on as it is"},
		`{"aligner":"muscle","s":"x"}`:              nil,
		`{"kinds":[{"filename":"/a"},"fasta"]}`:     {"parameters.kinds[0] is an object where the description of the service has one of fasta, group, and is passed on as it is"},
		`{"file":["/a","/b"]}`:                      {"parameters.file is a list where the description of the service has one file, and is passed on as it is"},
		`{"one":[{"read1":"/a","n":5}]}`:            {"parameters.one is a list where the description of the service has one object, and is passed on as it is"},
		`{"one":[{"read1":"/a"},{"read2":"/b"}]}`: {
			"parameters.one is a list where the description of the service has one object, and is passed on as it is",
			"parameters.one[1].read2 is not in the description of the service, and is passed on as it is; did you mean \"read1\"?",
		},
	} {
		got, violations := s.Check(params(t, give), nil)
		if d := cmp.Diff(params(t, give), got, protocmp.Transform()); d != "" || len(violations) > 0 {
			t.Errorf("%s: %v %s", give, violations, d)
		}
		if d := cmp.Diff(warnings, s.Unusual(params(t, give))); d != "" {
			t.Errorf("%s: %s", give, d)
		}
	}
	empty := fromSpec(t, `{"id": "B", "script": "run", "parameters": [{"id": "ids", "type": "list", "required": 1}]}`)
	if _, violations := empty.Check(params(t, `{"ids":[]}`), nil); len(violations) > 0 || len(empty.Unusual(params(t, `{"ids":[]}`))) != 1 {
		t.Errorf("an empty list that is required: %v", violations)
	}
	if _, violations := empty.Check(params(t, `{}`), nil); len(violations) != 1 {
		t.Errorf("a missing list that is required: %v", violations)
	}
	strict := described(t, everyType)
	if _, violations := strict.Check(params(t, `{"new":1}`), nil); len(violations) == 0 || len(strict.Unusual(params(t, `{"new":1}`))) > 0 {
		t.Error("a service.yaml takes what it does not list")
	}
}

// Files in lists where an app spec has one are looked for, and given to the command, as any.
func TestFilesInListsOfAnAppSpecAreFound(t *testing.T) {
	s := fromSpec(t, `{"id": "A", "script": "run", "parameters": [
		{"id": "file", "type": "wstype"}, {"id": "one", "type": "group", "group": [{"id": "read1", "type": "wstype"}]}]}`)
	give := params(t, `{"file":["/a","/b",""],"one":[{"read1":"/c"},{"read1":"/d"}]}`)
	got, violations := s.Check(give, func(path string, _ Kind) error {
		if path == "/d" {
			return errors.New("is gone")
		}
		return nil
	})
	if got != nil || len(violations) != 1 || violations[0].Field != "parameters.one[1].read1" {
		t.Errorf("%v %v", got, violations)
	}
	got, violations = s.Check(give, nil)
	if len(violations) > 0 {
		t.Fatal(violations)
	}
	var found []string
	for i, in := range s.Files(got) {
		found = append(found, in.Field+"="+in.Path)
		in.Replace(fmt.Sprint("/staged/", i))
	}
	if d := cmp.Diff([]string{"file[0]=/a", "file[1]=/b", "one[0].read1=/c", "one[1].read1=/d"}, found); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(params(t, `{"file":["/staged/0","/staged/1"],"one":[{"read1":"/staged/2"},{"read1":"/staged/3"}]}`), got, protocmp.Transform()); d != "" {
		t.Error(d)
	}
}

// What is passed on as it is can be stored and written, however deep it is.
func TestWhatIsPassedOnIsWhole(t *testing.T) {
	s := fromSpec(t, `{"id": "A", "script": "run", "parameters": [{"id": "s", "type": "string"}]}`)
	inf, text := structpb.NewNumberValue(math.Inf(1)), structpb.NewStringValue("a\x00b")
	list := func(v *structpb.Value) *structpb.Value {
		return structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{v}})
	}
	object := func(v *structpb.Value) *structpb.Value {
		return structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"x": v}})
	}
	for field, give := range map[string]map[string]*structpb.Value{
		"parameters.new":         {"new": inf},
		"parameters.new.x[0]":    {"new": object(list(text))},
		"parameters.s[0].x":      {"s": list(object(inf))},
		"parameters.s.x":         {"s": object(text)},
		"parameters.s[0][0]":     {"s": list(list(inf))},
		"parameters[\"a b\"][0]": {"a b": list(text)},
	} {
		if _, violations := s.Check(&structpb.Struct{Fields: give}, nil); len(violations) != 1 || violations[0].Field != field {
			t.Errorf("%s: %v", field, violations)
		}
	}
}

func TestTheFileCheckerIsAskedOnceAFile(t *testing.T) {
	s := described(t, everyType)
	var asked []string
	_, violations := s.Check(params(t, `{"reads":"/a","dir":"/b","files":["/c"],"libs":[{"read1":"/d"}]}`), func(path string, want Kind) error {
		asked = append(asked, want.String()+" "+path)
		return errors.New("no")
	})
	if d := cmp.Diff([]string{"file /a", "folder /b", "file /c", "file /d"}, asked); d != "" || len(violations) != 4 {
		t.Error(d, violations)
	}
}

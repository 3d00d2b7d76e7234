package catalog

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
)

// thingSpec has all that the specs of BV-BRC have, in their style.
const thingSpec = `{
	# A comment as Perl's JSON::XS takes it, with a " and a { in it
	"id": "Thing", // the other styles do as well
	"script": "run",
	"label": "Do a thing",
	"description": "With a	tab, a # and a // and a /* in it",
	"default_memory": "2G", "default_cpu": "4", "default_runtime": 3600, "default_ram": "1M",
	"parameters": [
		{"comment": "documentation, no parameter"},
		{"id": "contigs", "label": "Contigs", "required": 1, "default": null, "desc": "A file", "type": "wstype", "wstype": "Contigs"},
		{"id": "code", "type": "enum", "enum": ["11", 4, "4"], "required": true, "default": 11},
		{"id": "kind", "enum": ["a"], "default": "b"},
		{"id": "n", "type": "enum", "type": "int", "default": "95"},
		{"id": "f", "type": "float", "default": 1e-5, "required": false},
		{"id": "b", "type": "bool", "default": 0, "required": null},
		{"id": "ids", "type": "array", "default": null},
		{"id": "srr", "type": "string", "allow_multiple": true, "default": "x"},
		{"id": "input_object", "type": "wsid"},
		{"id": "where", "type": "folder", "default": "/a"},
		{"id": "twice", "type": "int", "required": 1},
		{"id": "output_path", "type": "folder", "required": 1},
		{"id": "output_file", "type": "wsid", "required": 1},
		{"id": "twice", "type": "string", "required": 0,},
		/* a group
		   of groups */
		{"id": "pipeline", "type": "group", "group": [
			{"id": "call-features", "group": [{"id": "x", "type": "number"}]},
		]},
	],
}
`

func TestAnAppSpecBecomesAService(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/run", "", 0o755)
	write(t, dir+"/Thing.json", thingSpec, 0o644)
	c, problems, err := Load(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{
		`Thing.json: parameters[14].id: "twice" is there twice; the last one counts`,
		`Thing.json: parameters.kind.default: is "b", which is none of a; there is no default then`,
	}, texts(problems)); d != "" {
		t.Error(d)
	}
	s, _ := c.Get("Thing")
	want := &catalogv1.Service{}
	if err := prototext.Unmarshal([]byte(`
		id: "Thing" label: "Do a thing" description: "With a tab, a # and a // and a /* in it" available: true
		default_resources { cpus: 4 memory_bytes: 2147483648 time_limit { seconds: 3600 } }
		parameters { id: "contigs" label: "Contigs" description: "A file" type: PARAMETER_TYPE_FILE required: true }
		parameters { id: "code" label: "code" type: PARAMETER_TYPE_ENUM enum_values: "11" enum_values: "4" required: true default_value { string_value: "11" } }
		parameters { id: "kind" label: "kind" type: PARAMETER_TYPE_ENUM enum_values: "a" }
		parameters { id: "n" label: "n" type: PARAMETER_TYPE_INTEGER default_value { number_value: 95 } }
		parameters { id: "f" label: "f" type: PARAMETER_TYPE_NUMBER default_value { number_value: 1e-5 } }
		parameters { id: "b" label: "b" type: PARAMETER_TYPE_BOOLEAN default_value { bool_value: false } }
		parameters { id: "ids" label: "ids" type: PARAMETER_TYPE_STRING multiple: true }
		parameters { id: "srr" label: "srr" type: PARAMETER_TYPE_STRING multiple: true default_value { list_value { values { string_value: "x" } } } }
		parameters { id: "input_object" label: "input_object" type: PARAMETER_TYPE_FILE }
		parameters { id: "where" label: "where" type: PARAMETER_TYPE_FOLDER }
		parameters { id: "twice" label: "twice" type: PARAMETER_TYPE_STRING }
		parameters { id: "output_path" label: "output_path" type: PARAMETER_TYPE_STRING }
		parameters { id: "output_file" label: "output_file" type: PARAMETER_TYPE_STRING }
		parameters { id: "pipeline" label: "pipeline" type: PARAMETER_TYPE_GROUP group {
			id: "call-features" label: "call-features" type: PARAMETER_TYPE_GROUP group { id: "x" label: "x" type: PARAMETER_TYPE_NUMBER }
		} }`), want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, s.Proto(), protocmp.Transform()); d != "" {
		t.Error(d)
	}
	argv, err := s.Command(Call{ParamsFile: "/job/params.json", AppSpecFile: "/job/app_spec.json"})
	if d := cmp.Diff([]string{dir + "/run", "", "/job/app_spec.json", "/job/params.json"}, argv); d != "" || err != nil {
		t.Error(d, err)
	}
	var strict map[string]any
	if err := json.Unmarshal(s.AppSpec(), &strict); err != nil || strict["id"] != "Thing" {
		t.Error(err, strict["id"])
	}
}

func TestSpecsAreReadFromFoldersToo(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/apps/App-One", "", 0o755)
	write(t, dir+"/apps/One.json", `{"id": "One", "script": "App-One"}`, 0o644)
	write(t, dir+"/apps/Two.json", `{"id": "Two", "script": "App-Two"}`, 0o644)
	c, problems, err := Load(dir, Options{Path: "/nowhere"})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	for id, want := range map[string]string{"One": "", "Two": "needs App-Two on the server's PATH"} {
		s, ok := c.Get(id)
		if !ok {
			t.Fatal(id)
		}
		if _, why := s.Available(); why != want {
			t.Errorf("%s: %s", id, why)
		}
	}
}

func TestAllMistakesOfAnAppSpecAreToldAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"cut off", "{\n\"id\": \"A\",\n\"script\": \n", []string{"S.json:4: it is no JSON: unexpected end of JSON input"}},
		{"an open comment", "{\n/* \"id\": \"A\"}\n", []string{"S.json:2: it is no JSON: invalid character '/' looking for beginning of object key string"}},
		{"a list", "[]", []string{"S.json: it must be a JSON object, and it is of the kind array"}},
		{"everything at once", `{
			"label": 5, "script": "../run", "default_memory": true, "default_cpu": 1.5, "default_runtime": -1,
			"parameters": [7, {"id": 8}, {"id": "a b", "type": "string"}, {"id": "c", "type": "text", "required": "maybe"}, {"id": "d", "type": "enum", "enum": "x,y"},
				{"id": "e", "type": "enum", "enum": [{}]}, {"id": "g", "type": "group", "group": 3}]}`, []string{
			"S.json: label: must be text, not 5",
			"S.json: parameters[0]: must be an object, not 7; it is left out",
			"S.json: parameters[1].id: must be text, not 8; the parameter is left out",
			`S.json: parameters[2].id: "a b" is no id that forms can have; the parameter is left out of them, and what is given for it is passed on`,
			`S.json: parameters.c.required: must be 0, 1, true or false, not "maybe"; it is taken for false`,
			`S.json: parameters.c.type: there is no type "text"; it is taken for string`,
			`S.json: parameters.d.enum: must be a list, not "x,y"`,
			"S.json: parameters.d.enum: has no values to choose from; any text is taken",
			"S.json: parameters.e.enum[0]: must be text or a number, not an object",
			"S.json: parameters.e.enum: has no values to choose from; any text is taken",
			"S.json: parameters.g.group: must be a list, not 3; it is taken for an empty one",
			"S.json: parameters.g.group: has no parameters; anything is taken",
			`S.json: default_memory: "true" is no amount of memory; one is for example 512M or 2G; there is no default then`,
			"S.json: default_cpu: must be a whole number from 0 to 65536, not 1.5; there is no default then",
			"S.json: default_runtime: must be a whole number from 0 to 315360000, not -1; there is no default then",
			"S.json: id: is missing",
			`S.json: script: "../run" is no plain name of a file or program`,
		}},
		{"groups without end", `{"id": "A", "script": "run", "parameters": [` + strings.Repeat(`{"id":"g","group":[`, 8) + strings.Repeat(`]}`, 8) + `]}`, []string{
			"S.json: parameters.g.group.g.group.g.group.g.group.g.group: groups are nested more than 4 deep",
			"S.json: parameters.g.group.g.group.g.group.g.group: groups are nested more than 4 deep",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir+"/run", "", 0o755)
			write(t, dir+"/S.json", tt.text, 0o644)
			c, problems, err := Load(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, texts(problems)); d != "" {
				t.Error(d)
			}
			if s := c.services[0]; s.broken == "" {
				t.Error("it is available")
			}
		})
	}
}

func TestRelaxMakesStrictJSONOfTheSameLength(t *testing.T) {
	for give, want := range map[string]string{
		`{"a":1}`:                  `{"a":1}`,
		`[1,2,]`:                   `[1,2 ]`,
		"[1, # one\n 2, // two\n]": "[1,      \n 2        \n]",
		"{\"a\": /* b\n c */ 1, }": "{\"a\":     \n      1  }",
		`["#","//","/*",",]"]`:     `["#","//","/*",",]"]`,
		`["\"#",]`:                 `["\"#" ]`,
		"[\"a\tb\"]":               `["a b"]`,
		`[1,,]`:                    `[1, ]`, // one comma is forgiven
		`[,]`:                      `[ ]`,
		`"open`:                    `"open`,
		`"open\`:                   `"open\`,
		`/* open`:                  `/* open`,
		`/`:                        `/`,
		`[1]/`:                     `[1]/`,
	} {
		if got := string(relax([]byte(give))); got != want {
			t.Errorf("%q: %q, want %q", give, got, want)
		}
	}
}

func FuzzRelaxedSpec(f *testing.F) {
	f.Add([]byte(thingSpec))
	f.Add([]byte("{\"id\":\"A\",\"parameters\":[{\"id\":\"x\",\"type\":\"group\",\"allow_multiple\":1,\"default\":[{\"a\":[]}],\"group\":[{\"id\":\"y\"}]}]}"))
	f.Add([]byte("[1,/**/]#"))
	f.Fuzz(func(t *testing.T, text []byte) {
		strict := relax(text)
		if len(strict) != len(text) {
			t.Fatalf("%d bytes became %d", len(text), len(strict))
		}
		// Strict JSON stays as it is: there is nothing to relax in it.
		if json.Valid(text) && string(strict) != string(text) {
			t.Errorf("%q became %q", text, strict)
		}
		s := &Service{proto: &catalogv1.Service{}, dir: "/nowhere", file: "S.json", programs: newPrograms("")}
		p := &problems{file: s.file}
		parseAppSpec(text, s, p)
		if _, err := proto.Marshal(s.proto); err != nil {
			t.Errorf("a service that cannot be sent: %v", err)
		}
		if s.appSpec != nil && !json.Valid(s.appSpec) {
			t.Errorf("the spec handed out is no JSON: %q", s.appSpec)
		}
		s.Check(nil, nil)
	})
}

// Mistakes in the specs of BV-BRC do not keep their services from running, as they do not there.
func TestMistakesOfAppSpecsAreMinor(t *testing.T) {
	for parameter, want := range map[string]string{
		`{"id": "p", "type": ["muscle", "mafft"]}`:            "PARAMETER_TYPE_ENUM [muscle mafft]",
		`{"id": "p", "type": ["a"], "enum": ["b", "c"]}`:      "PARAMETER_TYPE_ENUM [b c]",
		`{"id": "p", "type": "flaot"}`:                        "PARAMETER_TYPE_NUMBER []",
		`{"id": "p", "type": "strng"}`:                        "PARAMETER_TYPE_STRING []",
		`{"id": "p", "type": "double"}`:                       "PARAMETER_TYPE_NUMBER []",
		`{"id": "p", "type": "genome_group"}`:                 "PARAMETER_TYPE_STRING []",
		`{"id": "p", "type": "enum"}`:                         "PARAMETER_TYPE_STRING []",
		`{"id": "p", "type": "enum", "enum": "x,y"}`:          "PARAMETER_TYPE_STRING []",
		`{"id": "p", "type": "bool", "required": "optional"}`: "PARAMETER_TYPE_BOOLEAN []",
		`{"id": "p", "type": "int", "default": "auto"}`:       "PARAMETER_TYPE_INTEGER []",
		`{"id": "p", "type": "float", "default": "null"}`:     "PARAMETER_TYPE_NUMBER []",
		`{"id": "p", "type": "group"}`:                        "PARAMETER_TYPE_STRING []",
		`{"id": "p", "type": "group", "group": ["x"]}`:        "PARAMETER_TYPE_STRING []",
		`{"id": "p"}, {"id": "read length"}`:                  "PARAMETER_TYPE_STRING []",
		`{"id": "p"}, {"id": 5}`:                              "PARAMETER_TYPE_STRING []",
		`{"id": "p"}, "a comment"`:                            "PARAMETER_TYPE_STRING []",
		// As GeneTree, CodonTree, TnSeq, SARS2Wastewater and Variation have them.
		`{"id": "p", "required": 1, "allow_multiple": 1, "filename": "string", "type": ["fasta", "group"]}`:       "PARAMETER_TYPE_ENUM [fasta group]",
		`{"id": "p", "allow_multiple": true, "required": 1, "type": "list", "default": []}`:                       "PARAMETER_TYPE_STRING []",
		`{"id": "p", "type": "group", "allow_multiple": true, "required": 0, "default": null}`:                    "PARAMETER_TYPE_STRING []",
		`{"id": "p", "type": "enum", "required": 0, "default": "auto", "enum": ["onecodex",]}`:                    "PARAMETER_TYPE_ENUM [onecodex]",
		`{"id": "p", "allow_multiple": false, "required": 1}, {"id": "p", "required": 0, "default": null}`:        "PARAMETER_TYPE_STRING []",
		`{"id": "p", "type": "group", "group": [{"id": "n", "type": "float", "required": 1, "default": "null"}]}`: "PARAMETER_TYPE_GROUP []",
	} {
		dir := t.TempDir()
		write(t, dir+"/run", "", 0o755)
		write(t, dir+"/spec.json", `{"id": "A", "script": "run", "parameters": [`+parameter+`]}`, 0o644)
		c, problems, err := Load(dir, Options{})
		if err != nil || len(problems) == 0 {
			t.Fatalf("%s: %v %v", parameter, problems, err)
		}
		d := c.services[0].proto.GetParameters()[0]
		if got := fmt.Sprintf("%v %v", d.GetType(), d.GetEnumValues()); got != want {
			t.Errorf("%s is %s, want %s", parameter, got, want)
		}
		if n := len(c.services[0].proto.GetParameters()); n != 1 {
			t.Errorf("%s makes %d parameters", parameter, n)
		}
		if ok, why := c.services[0].Available(); !ok {
			t.Errorf("%s: %s", parameter, why)
		}
	}
	for _, resources := range []string{`"default_memory": "lots"`, `"default_memory": -1`, `"default_cpu": 1.5`, `"default_runtime": "a day"`} {
		dir := t.TempDir()
		write(t, dir+"/run", "", 0o755)
		write(t, dir+"/spec.json", `{"id": "A", "script": "run", "parameters": [], `+resources+`}`, 0o644)
		c, problems, err := Load(dir, Options{})
		if err != nil || len(problems) != 1 {
			t.Fatalf("%s: %v %v", resources, problems, err)
		}
		if ok, why := c.services[0].Available(); !ok || proto.Size(c.services[0].proto.GetDefaultResources()) > 0 {
			t.Errorf("%s: %s %v", resources, why, c.services[0].proto.GetDefaultResources())
		}
	}
}

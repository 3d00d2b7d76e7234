package catalog

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
)

func TestAServiceFileBecomesTheServiceOfTheAPI(t *testing.T) {
	s := described(t, `
id: GenomeThing
label: Thing
category: Genomics
version: "1.2"
description: >-
  Does a thing
  to a genome.
command: [run]
executor: slurm
executor_options: {partition: long, account: lab, constraint: "avx2&ssd", qos: high, gpus: 1}
resources: {cpus: 4, memory: 1.5G, time_limit: 1h30m, gpus: 2, named: {matlab: 1}}
parameters:
  - {id: contigs, label: Contigs, description: A file., type: file, required: true, extensions: [.fasta, .fa.gz]}
  - {id: code, type: enum, enum: [4, 11], default: 11}
  - {id: day, type: string, default: 2024-05-01}
  - {id: words, type: string, multiple: true, default: [a, b], min: 1, max: 9.5}
results:
  - {pattern: "*.gff", display: features, title: Features}
`)
	want := &catalogv1.Service{}
	if err := prototext.Unmarshal([]byte(`
		id: "GenomeThing" label: "Thing" category: "Genomics" version: "1.2" description: "Does a thing to a genome." executor: "slurm" available: true
		default_resources { cpus: 4 memory_bytes: 1610612736 time_limit { seconds: 5400 } gpus: 2 partition: "long" account: "lab" constraint: "avx2&ssd" qos: "high" named { key: "matlab" value: 1 } }
		parameters { id: "contigs" label: "Contigs" description: "A file." type: PARAMETER_TYPE_FILE required: true extensions: ".fasta" extensions: ".fa.gz" }
		parameters { id: "code" label: "code" type: PARAMETER_TYPE_ENUM enum_values: "4" enum_values: "11" default_value { string_value: "11" } }
		parameters { id: "day" label: "day" type: PARAMETER_TYPE_STRING default_value { string_value: "2024-05-01" } }
		parameters {
			id: "words" label: "words" type: PARAMETER_TYPE_STRING multiple: true min: 1 max: 9.5
			default_value { list_value { values { string_value: "a" } values { string_value: "b" } } }
		}
		results { pattern: "*.gff" display: "features" title: "Features" }`), want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, s.Proto(), protocmp.Transform()); d != "" {
		t.Error(d)
	}
}

func TestResourcesByAdvice(t *testing.T) {
	const head = "label: S\ncommand: [run]\n"
	for text, want := range map[string]string{
		"resources: auto\n": `takes_advice: true default_resources {}`,
		"resources: {auto: true, cpus: 2, memory: 1G, max_memory: 8G, time_limit: 1h, max_time_limit: 24h}\n": `
			takes_advice: true default_resources { cpus: 2 memory_bytes: 1073741824 time_limit { seconds: 3600 } }
			max_resources { memory_bytes: 8589934592 time_limit { seconds: 86400 } }`,
		"resources: {max_memory: 8G}\n":             `default_resources {} max_resources { memory_bytes: 8589934592 }`,
		"resources: {memory: 8G, max_memory: 8G}\n": `default_resources { memory_bytes: 8589934592 } max_resources { memory_bytes: 8589934592 }`,
	} {
		got := described(t, head+text).Proto()
		wanted := &catalogv1.Service{}
		if err := prototext.Unmarshal([]byte(want), wanted); err != nil {
			t.Fatal(err)
		}
		if got.GetTakesAdvice() != wanted.GetTakesAdvice() {
			t.Errorf("%s: takes advice: %v", text, got.GetTakesAdvice())
		}
		if d := cmp.Diff(wanted.GetDefaultResources(), got.GetDefaultResources(), protocmp.Transform()); d != "" {
			t.Errorf("%s: %s", text, d)
		}
		if d := cmp.Diff(wanted.GetMaxResources(), got.GetMaxResources(), protocmp.Transform()); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	}
}

// A command sees its own folder, what services share, and what its description names.
func TestWhatACommandReads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "[a-z]*") // is no pattern
	write(t, dir+"/S/run", "", 0o755)
	write(t, dir+"/S/service.yaml", "label: L\ncommand: [run]\nreads: [/srv/db]\nnetwork: true\n", 0o644)
	write(t, dir+"/Other/run", "", 0o755)
	write(t, dir+"/Other/service.yaml", "label: L\ncommand: [run]\n", 0o644)
	write(t, dir+"/_lib/x.sh", "", 0o644)
	write(t, dir+"/app.json", `{"id": "App", "script": "sh", "label": "L", "parameters": []}`, 0o644)
	c, problems, err := Load(dir, Options{})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	for id, want := range map[string][]string{
		"S": {dir + "/S", dir + "/_lib", "/srv/db"}, "Other": {dir + "/Other", dir + "/_lib"}, "App": {dir},
	} {
		s, err := c.Find(id)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, s.Reads()); d != "" || s.Network() != (id == "S") {
			t.Errorf("%s: %s, network %v", id, d, s.Network())
		}
	}
}

func TestTheFolderNamesAServiceWithoutAnID(t *testing.T) {
	s := described(t, "label: L\ncommand: [run]\n")
	if s.ID() != "S" {
		t.Error(s.ID())
	}
}

// mistakes loads one service.yaml beside a command called run.
func mistakes(t *testing.T, text string) []string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir+"/S/run", "", 0o755)
	write(t, dir+"/S/data", "", 0o644)
	write(t, dir+"/S/service.yaml", text, 0o644)
	_, problems, err := Load(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range problems {
		if p.File != "S/service.yaml" {
			t.Error(p)
		}
		p.File = ""
		out = append(out, p.String()[1:])
	}
	return out
}

func TestAllMistakesOfAServiceFileAreToldAtOnce(t *testing.T) {
	const head = "label: S\ncommand: [run]\n"
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"nothing there", "", []string{" it is empty"}},
		{"only a comment", "# to do\n", []string{" it is empty"}},
		{"no mapping", "- a\n", []string{
			"1: this is a list, and a mapping is needed",
		}},
		{"unknown fields, wrong types and rules in one go", "labl: S\ncommand: [run]\nnetwork: 'often'\nresources: {cpus: many, memory: 2 apples}\n", []string{
			`1: labl: there is no such field; did you mean "label"?`,
			"3: \"often\" is text, and true or false is needed",
			"4: \"many\" is text, and a whole number is needed",
			` resources.memory: "2 apples" is no amount of memory; one is for example 512M or 2G`,
			" label: is missing: the name that people see",
		}},
		{"a key twice", head + "label: T\n", []string{`3: "label" is there already, at line 1`}},
		{"two documents", head + "---\nlabel: T\n", []string{" it has a second document after ---; one file describes one service"}},
		{"no YAML", head + "\tx: 1\n", []string{"3: found character that cannot start any token"}},
		{"id", "id: 7 of 9\n" + head, []string{` id: "7 of 9" is no id: letters, digits, - and _, a letter first, at most 64`}},
		{"commands", "label: S\ncommand: [data, ./none, x]\n", []string{` command: there is no file "./none" in the folder of the service`}},
		{"a command that is not executable", "label: S\ncommand: [data]\n", []string{` command: "data" cannot be executed (chmod +x)`}},
		{"a command outside", "label: S\ncommand: [../../bin/sh]\n", []string{` command: there is no file "../../bin/sh" in the folder of the service`}},
		{"a command with NUL", "label: S\ncommand: [run, \"a\\0b\"]\n", []string{" command: word 2 has a NUL character"}},
		{"resources", head + "resources: {cpus: -1, memory: 1K, time_limit: 1d}\nexecutor_options: {gpus: -2, nodes: 4}\n", []string{
			"4: nodes: there is no such field",
			" resources.cpus: -1 is not between 1 and 65536",
			" executor_options.gpus: -2 is not between 0 and 65536",
			` resources.memory: "1K" is not between 1M and 1024T`,
			` resources.time_limit: "1d" is no length of time; one is for example 90s, 30m or 1h30m`,
		}},
		{"resources that are no mapping", head + "resources: automatic\n", []string{`3: "automatic" is text, and a mapping is needed`}},
		{"unknown resources", head + "resources: {memry: 2G, auto: maybe}\n", []string{
			`3: memry: there is no such field; did you mean "memory"?`,
			`3: "maybe" is text, and true or false is needed`,
		}},
		{"maxima", head + "resources: {memory: 2G, max_memory: 1G, time_limit: 2h, max_time_limit: 90m}\n", []string{
			" resources.memory: 2G is above max_memory, 1G", " resources.time_limit: 2h is above max_time_limit, 90m",
		}},
		{"no maxima", head + "resources: {max_memory: lots, max_time_limit: 0s}\n", []string{
			` resources.max_memory: "lots" is no amount of memory; one is for example 512M or 2G`,
			" resources.max_time_limit: 0s is less than a second",
		}},
		{"resources of the operator", head + "resources: {gpus: -1, named: {matlab: -2, gpus: 1, 'a b': 1}}\n", []string{
			" resources.gpus: -1 is not between 0 and 65536",
			` resources.named: name "a b" must be lower-case letters, digits and . _ - only, at most 63`,
			" resources.named.gpus: is a reserved name, for which there is a field or setting of its own",
			" resources.named.matlab: must be from 0 to 1000000000",
		}},
		{"a moment", head + "resources: {time_limit: 5ms}\n", []string{" resources.time_limit: 5ms is less than a second"}},
		{"programs", head + "programs: [{name: a/b}, {name: ok, package: 'x; rm'}]\n", []string{
			` programs[0].name: "a/b" is no name of a program on the PATH`,
			` programs[1].package: "x; rm" is no name of a Debian package`,
		}},
		{"reads", head + "reads: [/srv/ok, relative, /srv/../etc, /, '']\n", []string{
			` reads[1]: "relative" is no absolute path of a file or folder`,
			` reads[2]: "/srv/../etc" is no absolute path of a file or folder`,
			` reads[3]: "/" is no absolute path of a file or folder`,
			` reads[4]: "" is no absolute path of a file or folder`,
		}},
		{"results", head + "results: [{pattern: '[', display: text}, {display: chart}, {pattern: '**/x', display: text}, {pattern: /x, display: text}]\n", []string{
			` results[0].pattern: "[" is no pattern: only * and ? and [a-z] mean something, and a [ needs its ]`,
			" results[1].pattern: is missing: which files, for example *.gff",
			` results[1].display: "chart" is no way to show a file; the ways are table, text, sequence, features, tree, image, html, download`,
			` results[2].pattern: "**/x" never matches: it is held against paths like trees/a.nwk below the output folder, where * stays within one folder`,
			` results[3].pattern: "/x" never matches: it is held against paths like trees/a.nwk below the output folder, where * stays within one folder`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := mistakes(t, tt.text)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestMistakesInParametersAreToldByField(t *testing.T) {
	for _, tt := range []struct {
		parameter string
		want      []string
	}{
		{"{type: string}", []string{" parameters[0].id: is missing"}},
		{"{id: 1a, type: string}", []string{` parameters.1a.id: "1a" is no id of a parameter: letters, digits and _, no digit first, at most 64`}},
		{"{id: a-b, type: string}", []string{` parameters.a-b.id: "a-b" is no id of a parameter: letters, digits and _, no digit first, at most 64`}},
		{"{id: a}", []string{" parameters.a.type: is missing"}},
		{"{id: a, type: strng}", []string{` parameters.a.type: there is no type "strng"; did you mean "string"?; the types are string, integer, number, boolean, enum, file, folder, group`}},
		{"{id: a, type: enum}", []string{" parameters.a.enum: is missing: the values to choose from"}},
		{"{id: a, type: enum, enum: [x, '', x]}", []string{
			` parameters.a.enum[1]: "" is empty or there twice`, ` parameters.a.enum[2]: "x" is empty or there twice`,
		}},
		{"{id: a, type: string, enum: [x]}", []string{" parameters.a.enum: belongs to the type enum only"}},
		{"{id: a, type: group}", []string{" parameters.a.group: is missing: the parameters of the group"}},
		{"{id: a, type: string, group: [{id: b, type: string}]}", []string{" parameters.a.group: belongs to the type group only"}},
		{"{id: a, type: group, group: [{id: b, type: string}, {id: b, type: x}]}", []string{
			` parameters.a.group.b.type: there is no type "x"; the types are string, integer, number, boolean, enum, file, folder, group`,
			` parameters.a.group[1].id: "b" is the id of parameters.a.group[0] already`,
		}},
		{"{id: a, type: boolean, min: 1}", []string{" parameters.a: min and max belong to the types string, integer and number only"}},
		{"{id: a, type: integer, min: 2, max: 1}", []string{" parameters.a.min: 2 is above max, 1"}},
		{"{id: a, type: number, min: .nan}", []string{" parameters.a: min and max must be numbers"}},
		{"{id: a, type: string, min: -1}", []string{" parameters.a.min: a text cannot have -1 characters"}},
		{"{id: a, type: string, extensions: [.x]}", []string{" parameters.a.extensions: belongs to the type file only"}},
		{"{id: a, type: file, extensions: [fasta]}", []string{` parameters.a.extensions[0]: "fasta" is no ending of a file name like .fasta`}},
		{"{id: a, type: integer, default: ten}", []string{` parameters.a.default: must be a whole number, not the text "ten"`}},
		{"{id: a, type: integer, max: 5, default: 6}", []string{" parameters.a.default: must be at most 5, not 6"}},
		{"{id: a, type: integer, default: 010}", []string{`4: parameters.a.default: "010" is the number 8 to YAML; write the number in decimal, or quotes around a text`}},
		{"{id: a, type: integer, default: 1_000}", []string{`4: parameters.a.default: "1_000" is the number 1000 to YAML; write the number in decimal, or quotes around a text`}},
		{"{id: a, type: integer, multiple: true, default: [1, 0x1F]}", []string{`4: parameters.a.default: "0x1F" is the number 31 to YAML; write the number in decimal, or quotes around a text`}},
		{"{id: a, type: number, default: .inf}", []string{`4: parameters.a.default: ".inf" is the number +Inf to YAML; write the number in decimal, or quotes around a text`}},
		{"{id: a, type: string, default: 5}", []string{" parameters.a.default: must be text, not the number 5"}},
		{"{id: a, type: enum, enum: [x], default: y}", []string{` parameters.a.default: must be one of x, not "y"`}},
		{"{id: a, type: file, default: /x}", []string{" parameters.a.default: a file of a user's workspace cannot be a default"}},
		{"{id: a, type: string, default: {1: 2}}", []string{"4: parameters.a.default: has a key that is no text"}},
		{"{id: a, type: string, multiple: true, default: [x, 1]}", []string{" parameters.a.default[1]: must be text, not the number 1"}},
		{
			"{id: a, type: group, group: [{id: a, type: group, group: [{id: a, type: group, group: [{id: a, type: group, group: [{id: a, type: string}]}]}]}]}",
			[]string{" parameters.a.group.a.group.a.group.a.group: groups are nested more than 4 deep"},
		},
	} {
		t.Run(tt.parameter, func(t *testing.T) {
			got := mistakes(t, "label: S\ncommand: [run]\nparameters:\n  - "+tt.parameter+"\n")
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestUsersAreToldTheFirstMistakeAndHowMany(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/One/service.yaml", "command: [sh]\n", 0o644)
	write(t, dir+"/Two/service.yaml", "{}\n", 0o644)
	c, _, err := Load(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{
		"One": "its description has a mistake: label: is missing: the name that people see",
		"Two": "its description has 2 mistakes, first: label: is missing: the name that people see",
	} {
		s, _ := c.Get(id)
		if _, why := s.Available(); why != want {
			t.Error(why)
		}
	}
}

func TestMemoryIsCountedBy1024(t *testing.T) {
	for text, want := range map[string]int64{
		"2G": 2 << 30, "512M": 512 << 20, "1.5GiB": 3 << 29, "1T": 1 << 40, "2048K": 2 << 20, "100 GB": 100 << 30, "1048576": 1 << 20,
	} {
		if got, err := parseMemory(text, 1); got != want || err != nil {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	if got, err := parseMemory("2", 1<<20); got != 2<<20 || err != nil {
		t.Error(got, err)
	}
	for _, text := range []string{"", "G", "-1G", "1e9", "1X", "0", "9999999T", "1..5G", "0x10M"} {
		if got, err := parseMemory(text, 1); err == nil {
			t.Errorf("%q is taken for %d bytes", text, got)
		}
	}
}

func FuzzServiceFile(f *testing.F) {
	f.Add([]byte(everyType))
	f.Add([]byte("label: S\nparameters: [{id: a, type: group, group: &g [{id: b, type: string, default: *g}]}]\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("parameters: [{id: a, type: string, default: {? [x] : y}}]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := &Service{proto: &catalogv1.Service{}, dir: "/nowhere", file: "S/service.yaml", programs: newPrograms("")}
		p := &problems{file: s.file}
		parseServiceFile(text, s, p)
		if _, err := proto.Marshal(s.proto); err != nil && p.broken() == "" {
			t.Errorf("a service that cannot be sent passed: %v", err)
		}
		// Whatever was described, checking against it ends.
		s.Check(nil, nil)
		for _, r := range s.proto.GetParameters() {
			if r.GetDefaultValue() == nil || p.broken() != "" {
				continue
			}
			c := checker{}
			if c.parameter("x", r, r.GetDefaultValue()); len(c.found) > 0 {
				t.Errorf("default of %s: %v", r.GetId(), c.found)
			}
		}
	})
}

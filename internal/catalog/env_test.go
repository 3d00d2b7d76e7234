package catalog

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
)

func TestEnvHasEachSingleValueUnderItsOwnName(t *testing.T) {
	s := described(t, `
id: E
label: E
command: [run]
parameters:
  - {id: PATH, type: string}
  - {id: LD_PRELOAD, type: string}
  - {id: text, type: string}
  - {id: big, type: integer}
  - {id: small, type: number}
  - {id: yes, type: boolean}
  - {id: code, type: enum, enum: [4, 11], default: 4}
  - {id: list, type: string, multiple: true}
  - {id: g, type: group, group: [{id: x, type: string}]}
  - {id: absent, type: string}
`)
	checked, violations := s.Check(params(t, `{
		"PATH": "/evil", "LD_PRELOAD": "/evil.so", "text": "a\nPATH=/evil $(id) ; é", "big": 9007199254740991, "small": 1e-7,
		"yes": true, "list": ["a"], "g": {"x": "y"}}`), nil)
	if len(violations) > 0 {
		t.Fatal(violations)
	}
	want := []string{
		"STINT_PARAM_PATH=/evil", "STINT_PARAM_LD_PRELOAD=/evil.so", "STINT_PARAM_text=a\nPATH=/evil $(id) ; é",
		"STINT_PARAM_big=9007199254740991", "STINT_PARAM_small=0.0000001", "STINT_PARAM_yes=true", "STINT_PARAM_code=4",
	}
	if d := cmp.Diff(want, s.Env(checked)); d != "" {
		t.Error(d)
	}
	if got := s.Env(nil); got != nil {
		t.Error(got)
	}
}

// The text of a parameter arrives at a command as it is, and is no shell's to read.
func TestEnvArrivesByteForByte(t *testing.T) {
	s := described(t, "label: E\ncommand: [run]\nparameters: [{id: text, type: string}]\n")
	for _, text := range []string{"$(touch x) `touch y`; exit 3", "a'b\"c\\d\n\te", "-e --help", "äöü 😀", "=", " "} {
		checked, violations := s.Check(&structpb.Struct{Fields: map[string]*structpb.Value{"text": structpb.NewStringValue(text)}}, nil)
		if len(violations) > 0 {
			t.Fatal(violations)
		}
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `printf '%s' "$STINT_PARAM_text"`)
		cmd.Env = s.Env(checked)
		out, err := cmd.Output()
		if err != nil || string(out) != text {
			t.Errorf("%q arrived as %q, %v", text, out, err)
		}
	}
}

func TestEnvLeavesOutWhatNoShellCanName(t *testing.T) {
	s := fromSpec(t, `{"id": "A", "script": "run", "parameters": [{"id": "call-it", "type": "string"}, {"id": "ok", "type": "string"}]}`)
	checked, _ := s.Check(params(t, `{"call-it": "x", "ok": "y"}`), nil)
	if d := cmp.Diff([]string{"STINT_PARAM_ok=y"}, s.Env(checked)); d != "" {
		t.Error(d)
	}
}

func TestFilesFindsEveryPlaceAndReplacesIt(t *testing.T) {
	s := described(t, everyType)
	checked, violations := s.Check(params(t, `{
		"name": "abc", "reads": "/a", "dir": "/b", "files": ["/c", "/d"],
		"libs": [{"read1": "/e"}, {"read1": "/f"}], "trim": {}}`), nil)
	if len(violations) > 0 {
		t.Fatal(violations)
	}
	staged := proto.CloneOf(checked)
	var got []string
	for _, f := range s.Files(staged) {
		got = append(got, fmt.Sprint(f.Kind, " ", f.Field, " ", f.Path))
		f.Replace("/job/input/" + f.Field)
	}
	want := []string{"file reads /a", "folder dir /b", "file files[0] /c", "file files[1] /d", "file libs[0].read1 /e", "file libs[1].read1 /f"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	after := params(t, `{
		"name": "abc", "code": "11", "reads": "/job/input/reads", "dir": "/job/input/dir", "files": ["/job/input/files[0]", "/job/input/files[1]"],
		"libs": [{"read1": "/job/input/libs[0].read1", "platform": "infer"}, {"read1": "/job/input/libs[1].read1", "platform": "infer"}], "trim": {"quality": 20}}`)
	if d := cmp.Diff(after, staged, protocmp.Transform()); d != "" {
		t.Error(d)
	}
	if env := strings.Join(s.Env(staged), " "); !strings.Contains(env, "STINT_PARAM_reads=/job/input/reads ") {
		t.Error(env)
	}
	if got := checked.Fields["reads"].GetStringValue(); got != "/a" {
		t.Error("the stored parameters changed", got)
	}
	if got := s.Files(nil); len(got) != 0 {
		t.Error(got)
	}
}

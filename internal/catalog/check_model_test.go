package catalog

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"
)

// holds checks what must be true of any parameters whatsoever: either violations or
// parameters, and parameters that pass once pass again unchanged and give an
// environment and files that mean what they say.
func holds(t interface {
	Errorf(format string, args ...any)
	Helper()
}, s *Service, p *structpb.Struct,
) {
	t.Helper()
	before := proto.CloneOf(p)
	got, violations := s.Check(p, func(path string, _ Kind) error {
		if strings.Contains(path, "gone") {
			return errors.New("it is gone")
		}
		return nil
	})
	if !proto.Equal(before, p) {
		t.Errorf("the request was changed: %v", p)
	}
	if (got == nil) == (len(violations) == 0) {
		t.Errorf("%v and %v", got, violations)
	}
	for _, v := range violations {
		if !strings.HasPrefix(v.Field, "parameters") || v.Description == "" || len(v.Field) > 1000 || len(v.Description) > 1000 {
			t.Errorf("a violation to show: %v", v)
		}
	}
	if got == nil {
		return
	}
	again, violations := s.Check(got, nil)
	if len(violations) > 0 || !proto.Equal(got, again) {
		t.Errorf("checked twice, %v becomes %v, %v", got, again, violations)
	}
	for _, e := range s.Env(got) {
		name, value, ok := strings.Cut(e, "=")
		if !ok || !strings.HasPrefix(name, EnvPrefix) || strings.ContainsRune(value, 0) || len(e) > 128<<10 {
			t.Errorf("a variable of the environment: %q", e)
		}
	}
	for _, f := range s.Files(got) {
		if f.Path == "" || strings.ContainsAny(f.Path, "\x00\n") || strings.Contains(f.Path, "gone") {
			t.Errorf("a file: %q", f.Path)
		}
	}
}

func TestCheckHoldsForAnyParameters(t *testing.T) {
	strict := described(t, everyType)
	lenient := fromSpec(t, `{"id": "A", "script": "run", "parameters": [
		{"id": "name", "type": "string"}, {"id": "count", "type": "int"}, {"id": "fast", "type": "bool", "default": 1},
		{"id": "code", "type": "enum", "enum": ["4", "11"]}, {"id": "reads", "type": "wstype"}, {"id": "words", "type": "string", "allow_multiple": 1},
		{"id": "libs", "type": "group", "allow_multiple": 1, "group": [{"id": "read1", "type": "wstype", "required": 1}, {"id": "lanes", "type": "array"}]}]}`)
	rapid.Check(t, func(t *rapid.T) {
		p := anyStruct(3).Draw(t, "parameters")
		holds(t, strict, p)
		holds(t, lenient, p)
	})
}

// anyStruct draws objects whose keys are mostly those that mean something.
func anyStruct(depth int) *rapid.Generator[*structpb.Struct] {
	key := rapid.OneOf(
		rapid.SampledFrom([]string{"name", "note", "count", "ratio", "fast", "code", "reads", "dir", "words", "files", "libs", "trim", "read1", "platform", "lanes", "quality"}),
		rapid.StringN(0, 8, -1),
	)
	return rapid.Custom(func(t *rapid.T) *structpb.Struct {
		return &structpb.Struct{Fields: rapid.MapOfN(key, anyValue(depth), 0, 6).Draw(t, "fields")}
	})
}

func anyValue(depth int) *rapid.Generator[*structpb.Value] {
	return rapid.Custom(func(t *rapid.T) *structpb.Value {
		most := 6
		if depth == 0 {
			most = 4
		}
		switch rapid.IntRange(0, most).Draw(t, "kind") {
		case 0:
			return structpb.NewNullValue()
		case 1:
			return structpb.NewBoolValue(rapid.Bool().Draw(t, "bool"))
		case 2:
			return structpb.NewNumberValue(rapid.OneOf(
				rapid.Float64(), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, 11, 0.5, 1e300, 1 << 53, math.Inf(1)}),
			).Draw(t, "number"))
		case 3:
			return structpb.NewStringValue(rapid.OneOf(
				rapid.StringN(0, 6, -1), rapid.SampledFrom([]string{"", "1", "true", "4", "infer", "/gone", "/reads.fq", "-1e3", "a\x00b"}),
			).Draw(t, "text"))
		case 4:
			return &structpb.Value{}
		case 5:
			return structpb.NewListValue(&structpb.ListValue{Values: rapid.SliceOfN(anyValue(depth-1), 0, 3).Draw(t, "list")})
		default:
			return structpb.NewStructValue(anyStruct(depth-1).Draw(t, "object"))
		}
	})
}

// A value drawn within a parameter's rules passes, and one outside does not.
func TestCheckAgreesWithTheRulesOfAnInteger(t *testing.T) {
	s := described(t, "label: I\ncommand: [run]\nparameters: [{id: n, type: integer, min: -5, max: 10}]\n")
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.Float64Range(-20, 20), rapid.Map(rapid.IntRange(-20, 20), func(i int) float64 { return float64(i) })).Draw(t, "n")
		_, violations := s.Check(&structpb.Struct{Fields: map[string]*structpb.Value{"n": structpb.NewNumberValue(n)}}, nil)
		if want := n == math.Trunc(n) && n >= -5 && n <= 10; want != (len(violations) == 0) {
			t.Fatalf("%v: %v", n, violations)
		}
	})
}

func TestSuggestionsAreNearAndKnown(t *testing.T) {
	known := []string{"sequences", "query", "subject", "read1", "read2", "min_contig_length"}
	rapid.Check(t, func(t *rapid.T) {
		word := []byte(rapid.SampledFrom(known).Draw(t, "word"))
		i := rapid.IntRange(0, len(word)-1).Draw(t, "at")
		typo := string(slices.Delete(slices.Clone(word), i, i+1))
		if slices.Contains(known, typo) {
			return
		}
		if got := didYouMean(typo, known); got == "" {
			t.Fatalf("nothing is suggested for %q", typo)
		}
	})
}

func FuzzCheckParameters(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"name":"abc","count":5,"reads":"/reads.fq","libs":[{"read1":"/a","lanes":[1]}],"trim":{"quality":1}}`,
		`{"count":"5"}`, `{"note":"\u0000"}`, `{"words":[[[[[[[[[]]]]]]]]]}`, `{"libs":[{"read1":"/gone"},null]}`, `{"count":1e999}`,
	} {
		f.Add([]byte(text))
	}
	s := described(f, everyType)
	f.Fuzz(func(t *testing.T, text []byte) {
		p := &structpb.Struct{}
		if protojson.Unmarshal(text, p) != nil && proto.Unmarshal(text, p) != nil {
			t.Skip()
		}
		holds(t, s, p)
	})
}

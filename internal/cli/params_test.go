package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
)

func everything(tb testing.TB) *paramBuilder {
	tb.Helper()
	for _, s := range fakeCatalog() {
		if s.GetId() == "Everything" {
			return &paramBuilder{spec: s}
		}
	}
	tb.Fatal("no such service")
	return nil
}

func TestParametersAreReadByTheSpec(t *testing.T) {
	spec := everything(t).spec
	tests := []struct {
		name string
		base string
		args []string
		want string
	}{
		{"text stays text", "", []string{"text=12"}, `{"text":"12"}`},
		{"empty text", "", []string{"text="}, `{"text":""}`},
		{"text with = in it", "", []string{"text=a=b:=c"}, `{"text":"a=b:=c"}`},
		{"@@ is an @", "", []string{"text=@@home"}, `{"text":"@home"}`},
		{"numbers and booleans", "", []string{"count=-3", "share=1e-3", "strict=Yes"}, `{"count":-3,"share":0.001,"strict":true}`},
		{"enum", "", []string{"mode=fast"}, `{"mode":"fast"}`},
		{"a list is given several times", "", []string{"sizes=1", "sizes=2"}, `{"sizes":[1,2]}`},
		{"a list of one", "", []string{"sizes=1"}, `{"sizes":[1]}`},
		{"a list as JSON", "", []string{"sizes:=[1,2]"}, `{"sizes":[1,2]}`},
		{"list elements as JSON", "", []string{`pairs:={"name":"a"}`, `pairs:={"name":"b"}`}, `{"pairs":[{"name":"a"},{"name":"b"}]}`},
		{"null stays null", "", []string{"sizes:=null", "text:=null"}, `{"sizes":null,"text":null}`},
		{"JSON text is not a file", "", []string{`text:="@x"`}, `{"text":"@x"}`},
		{"workspace path", "", []string{"reference=/a/b.fa"}, `{"reference":"/a/b.fa"}`},
		{"@@ in a file", "", []string{"reference=@@odd"}, `{"reference":"@odd"}`},
		{"-p goes over the file", `{"text":"a","count":1}`, []string{"text=b"}, `{"text":"b","count":1}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var base *structpb.Struct
			if test.base != "" {
				base = mustParams(t, test.base)
			}
			got, err := buildParameters(spec, base, test.args)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.files) != 0 {
				t.Errorf("files %v", got.files)
			}
			if diff := cmp.Diff(mustParams(t, test.want), got.values, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func mustParams(t *testing.T, text string) *structpb.Struct {
	t.Helper()
	s := &structpb.Struct{}
	if err := protojson.Unmarshal([]byte(text), s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatIsWrongWithParametersIsSaidAtOnce(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("here.fq", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	spec := everything(t).spec
	_, err := buildParameters(spec, nil, []string{
		"count=two", "count2=1", "text", "9=1", "share=inf", "strict=maybe", "text=@file",
		"mode=fast", "mode=slow", "reference=here.fq", "reads=@", `pairs={"r1":1}`, "sizes:=[1", "sizes:=1 2",
	})
	if err == nil {
		t.Fatal("no error")
	}
	wantIn(t, err.Error(),
		`-p count: "two" is no whole number`,
		`-p count2: Everything has no such parameter; it has: text, count`,
		`-p "text": must be NAME=VALUE`,
		`-p "9=1": "9" cannot be the name`,
		`-p share: "inf" is no number`,
		`-p strict: "maybe" is neither true nor false`,
		`-p text: it takes a string and not a file; write @@ for an @`,
		`-p mode is given 2 times, but it takes one value`,
		`reference=@here.fq`,
		`-p reads[0]: there is no file name behind @`,
		`-p pairs: it has parts`,
		`-p sizes: "[1" is no JSON`,
	)
	for _, big := range []string{"count=9007199254740993", "count:=9007199254740993", "share=1e999", "sizes:=1 2"} {
		if _, err := buildParameters(spec, nil, []string{big}); err == nil {
			t.Errorf("%s was taken", big)
		}
	}
}

func TestFilesAreFoundWhereverAFileBelongs(t *testing.T) {
	spec := everything(t).spec
	base := mustParams(t, `{"reads":["@a.fq","/b.fq"],"pairs":[{"r1":"@c.fq","r2":"@@d","name":"@e"}]}`)
	got, err := buildParameters(spec, base, []string{"reference=@ref.fa"})
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for _, f := range got.files {
		found[f.parameter] = f.path
		f.value.Kind = &structpb.Value_StringValue{StringValue: "/up/" + f.path}
	}
	want := map[string]string{"reads[0]": "a.fq", "pairs[0].r1": "c.fq", "reference": "ref.fa"}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Error(diff)
	}
	values := mustParams(t, `{"reads":["/up/a.fq","/b.fq"],"pairs":[{"r1":"/up/c.fq","r2":"@d","name":"@e"}],"reference":"/up/ref.fa"}`)
	if diff := cmp.Diff(values, got.values, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestParamsFilesInJSONAndYAML(t *testing.T) {
	want := `{"text":"2026-01-31","count":3,"strict":true,"share":0.5,"sizes":[1,2],"none":null,"zip":"007"}`
	for name, text := range map[string]string{
		"json": want,
		"yaml": "text: 2026-01-31\ncount: 3\nstrict: true\nshare: 0.5\nsizes: [1, 2]\nnone: null\nzip: '007'\n",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseParams([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(mustParams(t, want), got, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, bad := range []string{"", "[1]", "a: [", "a: .inf", "a: 9007199254740993", `{"a": 9007199254740993}`, "a: 1\na: 2\n", "? {a: b}\n: c\n", `{"a":1} x`} {
		if got, err := parseParams([]byte(bad)); err == nil {
			t.Errorf("%q gave %v", bad, got)
		}
	}
}

func FuzzParseParams(f *testing.F) {
	for _, s := range []string{`{"a":[1,"x",null]}`, "a: 1\nb: [x, 2026-01-01]\n", "&a [*a]", "a: !!binary aGk=", "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseParams(text)
		if (err == nil) == (s == nil) {
			t.Fatalf("neither or both: %v, %v", s, err)
		}
		if err == nil {
			if _, err := compactJSON(s); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzParseArgument(f *testing.F) {
	f.Add("a=b")
	f.Add("a:=[1]")
	f.Fuzz(func(t *testing.T, s string) {
		arg, err := parseArgument(s)
		if err != nil {
			return
		}
		sign := "="
		if arg.json {
			sign = ":="
		}
		if arg.name+sign+arg.value != s {
			t.Fatalf("%q became %+v", s, arg)
		}
	})
}

func TestInputsAreUploadedOnceByContent(t *testing.T) {
	f := startFake(t)
	dir := t.TempDir()
	reads := filepath.Join(dir, "reads.fna")
	if err := os.WriteFile(reads, []byte(">a\nACGT\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stint(f, "submit", "SequenceStats", "-p", "sequences=@"+reads).want(t, 0)
	paths := f.files.paths()
	if len(paths) != 1 || !strings.HasPrefix(paths[0], "/uploads/") || !strings.HasSuffix(paths[0], "/reads.fna") {
		t.Fatalf("workspace has %q", paths)
	}
	stint(f, "submit", "SequenceStats", "-p", "sequences=@"+reads).want(t, 0)
	if f.files.stored != 1 {
		t.Errorf("%d uploads of the same content", f.files.stored)
	}
	if got := f.find("2").GetParameters().GetFields()["sequences"].GetStringValue(); got != paths[0] {
		t.Errorf("the job got %q", got)
	}
	for n, damaged := range []string{">a\nACGA\n", "", ">a\nACGT\n>evil\nA\n"} { // of the same size, and of others
		f.files.put(paths[0], damaged)
		stint(f, "submit", "SequenceStats", "-p", "sequences=@"+reads).want(t, 0)
		if got := f.files.content(paths[0]); got != ">a\nACGT\n" || f.files.stored != 2+n {
			t.Errorf("in place of %q there is %q after %d uploads", damaged, got, f.files.stored)
		}
	}
}

func TestAnUploadOfAnInputWhoseAnswerWasLostIsRepeated(t *testing.T) {
	f := startFake(t)
	reads := filepath.Join(t.TempDir(), "reads.fna")
	if err := os.WriteFile(reads, []byte(">a\nACGT\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.fail("AppendUpload", fault{err: errLost})
	stint(f, "submit", "SequenceStats", "-p", "sequences=@"+reads).want(t, 0)
	if n := f.count("AppendUpload"); n != 2 {
		t.Errorf("%d uploads", n)
	}
}

func TestAMissingInputIsSaidBeforeAnythingIsUploaded(t *testing.T) {
	f := startFake(t)
	r := stint(f, "submit", "SequenceStats", "-p", "sequences=@nowhere.fna").want(t, exitUsage)
	wantIn(t, r.err, "-p sequences", "nowhere.fna")
	if f.count("CreateUpload") != 0 || f.count("Submit") != 0 {
		t.Error("something was sent")
	}
}

func TestADryRunUploadsAndStartsNothing(t *testing.T) {
	f := startFake(t)
	reads := filepath.Join(t.TempDir(), "reads.fna")
	if err := os.WriteFile(reads, []byte(">a\nACGT\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := stint(f, "submit", "SequenceStats", "-p", "sequences=@"+reads, "--dry-run").want(t, 0)
	wantIn(t, r.out, "nothing was started", "/uploads/")
	wantIn(t, r.err, "not checked, because a dry run uploads nothing: sequences")
	wantIn(t, stint(f, "submit", "SequenceStats", "-p", "sequences=@"+reads, "--owner", "alice").want(t, exitUsage).err, "your own workspace")
	if len(f.files.paths()) != 0 || len(f.jobs) != 0 {
		t.Error("something was stored")
	}
	stint(f, "submit", "SequenceStats", "--dry-run").want(t, exitUsage)
}

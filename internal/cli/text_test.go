package cli

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func TestCleanLeavesNothingThatDrivesATerminal(t *testing.T) {
	for in, want := range map[string]string{
		"plain":               "plain",
		"Grüße 日本 🙂":          "Grüße 日本 🙂",
		"\x1b[2Jx":            `\x1b[2Jx`,
		"a\tb\nc\rd":          `a\tb\nc\rd`,
		"\u009b31m":           `\x9b31m`,
		"bad\xff":             `bad\xff`,
		"user\u202etxt.exe":   `user\u202etxt.exe`,
		"\U000e0041":          `\U000e0041`,
		"line\u2028separator": `line\u2028separator`,
		"\x7f\x00":            `\x7f\x00`,
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, unsafe) {
			t.Fatalf("clean(%q) = %q", s, got)
		}
		if clean(got) != got {
			t.Fatalf("clean twice differs: %q", got)
		}
	})
}

func filtered(tb testing.TB, parts ...string) string {
	tb.Helper()
	var out bytes.Buffer
	f := &logFilter{out: &out}
	for _, p := range parts {
		if _, err := io.WriteString(f, p); err != nil {
			tb.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.String()
}

func TestLogsOnATerminalKeepColoursOnly(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext\r\n":                    "plain\ttext\r\n",
		"\x1b[31mred\x1b[0m":                 "\x1b[31mred\x1b[0m",
		"\x1b[1;38:5:3mopen":                 "\x1b[1;38:5:3mopen\x1b[0m",
		"\x1b[2Jcleared\x1b[H":               "cleared",
		"\x1b]0;title\x07after":              "after",
		"\x1b]8;;http://x\x1b\\link":         "link",
		"\x1bPdcs\x1b\\after":                "after",
		"\x1b]never closed\nnext line":       "\nnext line",
		"\x1b(0lines\x1b(B":                  "lines",
		"\x1bc reset":                        " reset",
		"bell\x07 back\x08 del\x7f nul\x00.": "bell back del nul.",
		"\u009b2J c1":                        "2J c1",
		"\x9b2J raw":                         "\uFFFD2J raw",
		"\x1b[?25l hidden":                   " hidden",
		"\x1b[>4;2m keys":                    " keys",
		"日本 ü":                               "日本 ü",
		"\x1b[3\nm":                          "\nm",
		"\x1b]a\x1b[31mred":                  "\x1b[31mred\x1b[0m",
		"cut \x1b[3":                         "cut ",
		"cut \xe6\x97":                       "cut ",
	} {
		if got := filtered(t, in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
		cut := make([]string, 0, len(in))
		for i := range len(in) {
			cut = append(cut, in[i:i+1])
		}
		if got := filtered(t, cut...); got != want {
			t.Errorf("%q byte by byte became %q, want %q", in, got, want)
		}
	}
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;:]*m")

func FuzzLogFilter(f *testing.F) {
	f.Add([]byte("\x1b[31m\x1b]0;x\x07\xe6\x97\xa5"), 3)
	f.Add([]byte("\x1b]\x1b\x1b[\x1bP\x1b\\\x9b"), 1)
	f.Fuzz(func(t *testing.T, in []byte, at int) {
		whole := filtered(t, string(in))
		at = max(0, min(at, len(in)))
		if cut := filtered(t, string(in[:at]), string(in[at:])); cut != whole {
			t.Fatalf("%q cut at %d: %q and %q", in, at, cut, whole)
		}
		rest := strings.NewReplacer("\n", "", "\r", "", "\t", "").Replace(sgr.ReplaceAllString(whole, ""))
		if strings.ContainsFunc(rest, unsafe) || !utf8.ValidString(rest) {
			t.Fatalf("%q became %q", in, whole)
		}
	})
}

func TestQuantities(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "100": 100, "1K": 1024, "512M": 512 << 20, "4G": 4 << 30, "1.5GiB": 3 << 29, "2gb": 2e9, "10 MB": 10e6, "7B": 7, "1T": 1 << 40,
	} {
		if got, err := parseBytes(in); err != nil || got != want {
			t.Errorf("parseBytes(%q) = %d, %v", in, got, err)
		}
	}
	for _, bad := range []string{"", "G", "-1", "1X", "1GG", "1e3", "99999999P", "1.2.3", "0x10", "1 2"} {
		if got, err := parseBytes(bad); err == nil {
			t.Errorf("parseBytes(%q) = %d", bad, got)
		}
	}
	for in, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "2h30m": 150 * time.Minute, "3d": 72 * time.Hour, "1d12h": 36 * time.Hour,
		"1-12:00:00": 36 * time.Hour, "01:30:00": 90 * time.Minute, "00:05": 5 * time.Second,
		// as sbatch's manual has them
		"2:15": 2*time.Minute + 15*time.Second, "90:00": 90 * time.Minute, "100:00:00": 100 * time.Hour, "2-12": 60 * time.Hour, "1-0": 24 * time.Hour,
		"1-00:30": 24*time.Hour + 30*time.Minute, "3-23:59:59": 95*time.Hour + 59*time.Minute + 59*time.Second,
	} {
		if got, err := parseDuration(in); err != nil || got != want {
			t.Errorf("parseDuration(%q) = %v, %v", in, got, err)
		}
	}
	for _, bad := range []string{"", "3", "d", "1:2:3:4", "1:60", "1:60:00", "1-24", "1-0:0:0:0", "1-", "-1", "1--2", "30", "1-2h", ":30", "30:", "1:-5", "UNLIMITED", "INFINITE", "2026-01-31", "-1d", "1d-2h", "x-1:00", "99999999d", "1d9999999h9999999h"} {
		if got, err := parseDuration(bad); err == nil {
			t.Errorf("parseDuration(%q) = %v", bad, got)
		}
	}
}

func FuzzQuantities(f *testing.F) {
	for _, s := range []string{"4G", "1-12:00:00", "3d4h", "2026-01-31", "today"} {
		f.Add(s)
	}
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseBytes(s); err == nil && n < 0 {
			t.Fatalf("parseBytes(%q) = %d", s, n)
		}
		_, _ = parseDuration(s)
		_, _ = parseTime(s, now)
	})
}

func TestTimesOnTheCommandLine(t *testing.T) {
	now := time.Date(2026, 7, 15, 13, 30, 0, 0, time.Local)
	for in, want := range map[string]string{
		"2026-01-31":           "2026-01-31T00:00:00+01:00",
		"2026-01-31 14:00":     "2026-01-31T14:00:00+01:00",
		"2026-01-31T14:00:00Z": "2026-01-31T14:00:00Z",
		"today":                "2026-07-15T00:00:00+01:00",
		"Yesterday":            "2026-07-14T00:00:00+01:00",
		"24h":                  "2026-07-14T13:30:00+01:00",
		"7d":                   "2026-07-08T13:30:00+01:00",
	} {
		got, err := parseTime(in, now)
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("parseTime(%q) = %v, %v, want %s", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "soon", "2026-13-01", "-3d", "31.1.2026", "14:00", "31-01", "1-12:00:00"} {
		if got, err := parseTime(bad, now); err == nil {
			t.Errorf("parseTime(%q) = %v", bad, got)
		}
	}
}

func TestHumanForms(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 12 * time.Millisecond: "12ms", 1500 * time.Millisecond: "1.5s", 34 * time.Second: "34s",
		306 * time.Second: "5m06s", 125 * time.Minute: "2h05m", 76 * time.Hour: "3d04h",
	} {
		if got := humanDuration(d); got != want {
			t.Errorf("humanDuration(%v) = %s, want %s", d, got, want)
		}
	}
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.00 KiB", 1536: "1.50 KiB", 12900000: "12.3 MiB", 1 << 30: "1.00 GiB", 1023 << 20: "1.00 GiB", 500 << 20: "500 MiB",
	} {
		if got := humanBytes(n); got != want {
			t.Errorf("humanBytes(%d) = %s, want %s", n, got, want)
		}
	}
	if got := humanCount(1234567) + " " + humanCount(-999) + " " + humanCount(-1000); got != "1,234,567 -999 -1,000" {
		t.Errorf("counts: %s", got)
	}
}

func TestFiltersFromFlags(t *testing.T) {
	now := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	running, queued := jobsv1.State_STATE_RUNNING, jobsv1.State_STATE_QUEUED
	tests := []struct {
		query jobQuery
		want  string
	}{
		{jobQuery{}, ""},
		{jobQuery{states: []jobsv1.State{running}}, `state = RUNNING`},
		{jobQuery{states: []jobsv1.State{running, queued}, services: []string{"BLAST"}}, `(state = RUNNING OR state = QUEUED) AND service = "BLAST"`},
		{jobQuery{labels: []string{"project=a \"b\" \\", "my-key=x"}}, `labels.project = "a \"b\" \\" AND labels."my-key" = "x"`},
		{jobQuery{since: "1d", until: "2026-07-15T00:00:00Z"}, `submit_time >= "2026-07-14T12:00:00Z" AND submit_time < "2026-07-15T00:00:00Z"`},
		{jobQuery{search: "NOT"}, `"NOT"`},
		{jobQuery{raw: "a OR b"}, `a OR b`},
		{jobQuery{raw: "a OR b", search: "x"}, `"x" AND (a OR b)`},
	}
	for _, test := range tests {
		if got, err := test.query.filter(now); err != nil || got != test.want {
			t.Errorf("%+v gave %s, %v; want %s", test.query, got, err, test.want)
		}
	}
	for _, bad := range []jobQuery{{labels: []string{"x"}}, {labels: []string{"a b=c"}}, {since: "soon"}, {until: "later"}} {
		if got, err := bad.filter(now); err == nil {
			t.Errorf("%+v gave %s", bad, got)
		}
	}
	if got := orderBy("-submit_time, service"); got != "submit_time desc,service" {
		t.Errorf("orderBy: %s", got)
	}
}

func TestJSONAndYAMLAreStableAndSafe(t *testing.T) {
	job := &jobsv1.Job{
		Id: "12", OutputName: "a\u202eb\u009b \"q\" \U000e0041", Message: "two\nlines",
		Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{"n": structpb.NewStringValue("007"), "yes": structpb.NewStringValue("yes")}},
	}
	var json, yaml bytes.Buffer
	if err := writeJSON(&json, []proto.Message{job}, false); err != nil {
		t.Fatal(err)
	}
	wantIn(t, json.String(), "\n  \"id\": \"12\",\n", `"outputName": "a\u202eb\u009b \"q\" \udb40\udc41"`)
	if err := writeYAML(&yaml, []proto.Message{job}, true); err != nil {
		t.Fatal(err)
	}
	wantIn(t, yaml.String(), "- id: \"12\"\n", `"n": "007"`, `"yes": "yes"`, "state: STATE_UNSPECIFIED\n", `outputName: "a\u202eb\x9B \"q\" \U000E0041"`, "message: |-\n    two\n    lines\n")
	for _, text := range []string{json.String(), yaml.String()} {
		if strings.ContainsFunc(text, unsafeInText) {
			t.Errorf("unsafe: %q", text)
		}
	}
	yaml.Reset()
	if err := writeYAML(&yaml, []proto.Message{job}, false); err != nil {
		t.Fatal(err)
	}
	back, err := parseParams(yaml.Bytes())
	if err != nil || back.GetFields()["outputName"].GetStringValue() != job.GetOutputName() {
		t.Errorf("came back as %v, %v", back, err)
	}
}

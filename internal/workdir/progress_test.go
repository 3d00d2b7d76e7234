package workdir

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestToldProgressIsCleanedAndBounded(t *testing.T) {
	for _, c := range []struct {
		percent int
		words   string
		want    Progress
		ok      bool
	}{
		{40, "half\tway\x00 \n", Progress{40, "half way"}, true},
		{-1, "  words ", Progress{-1, "words"}, true},
		{0, "", Progress{0, ""}, true},
		{100, "40 is a word here", Progress{100, "40 is a word here"}, true},
		{50, strings.Repeat("é", 300), Progress{50, strings.Repeat("é", progressWords-1) + "…"}, true},
		{-1, "", Progress{}, false},
		{-1, " \x1b \n", Progress{}, false},
		{101, "x", Progress{}, false},
		{-2, "x", Progress{}, false},
		{5, strings.Repeat("x", progressLine+1), Progress{}, false},
	} {
		got, ok := ToldProgress(c.percent, c.words)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("ToldProgress(%d, %.20q) = %+v, %v; want %+v, %v", c.percent, c.words, got, ok, c.want, c.ok)
		}
	}
}

func TestReadProgress(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, tt := range []struct {
		file string
		want Progress
		ok   bool
	}{
		{file: ""},
		{file: "40 no end of line"},
		{file: "40 assembling contigs\n", want: Progress{40, "assembling contigs"}, ok: true},
		{file: "10 a\n20 b\n30 c", want: Progress{20, "b"}, ok: true},
		{file: "10 a\r\n", want: Progress{10, "a"}, ok: true},
		{file: "0\n", want: Progress{0, ""}, ok: true},
		{file: "100\n", want: Progress{100, ""}, ok: true},
		{file: "55% done\n", want: Progress{55, "done"}, ok: true},
		{file: "101 dalmatians\n", want: Progress{-1, "101 dalmatians"}, ok: true},
		{file: "-5 below\n", want: Progress{-1, "-5 below"}, ok: true},
		{file: "99999999999999999999 reads\n", want: Progress{-1, "99999999999999999999 reads"}, ok: true},
		{file: "only words\n", want: Progress{-1, "only words"}, ok: true},
		{file: "12monkeys\n", want: Progress{-1, "12monkeys"}, ok: true},
		{file: "  7   spaced \t out \n", want: Progress{7, "spaced out"}, ok: true},
		{file: "10 a\n\n \n\t\n", want: Progress{10, "a"}, ok: true},
		{file: "10 a\n" + long + "\n", want: Progress{10, "a"}, ok: true},
		{file: "10 a\n" + strings.Repeat(long, 3) + "\n"},
		{file: strings.Repeat("1 early\n", 5000) + "90 late\n", want: Progress{90, "late"}, ok: true},
		{file: "5 \x1b[31mred\x1b[0m\x00\u202e\n", want: Progress{5, "[31mred [0m"}, ok: true},
		{file: "5 \xff\xfe bytes\n", want: Progress{5, "\uFFFD bytes"}, ok: true},
		{file: "\x00\x01\n"},
	} {
		a := newAttempt(t)
		writeFile(t, a.ProgressPath(), tt.file)
		got, ok, err := a.ReadProgress()
		if got != tt.want || ok != tt.ok || err != nil {
			t.Errorf("progress of %.60q = %+v, %v, %v; want %+v, %v", tt.file, got, ok, err, tt.want, tt.ok)
		}
	}
}

func TestReadProgressOfSomethingElse(t *testing.T) {
	a := newAttempt(t)
	outside := filepath.Join(t.TempDir(), "outside")
	writeFile(t, outside, "50 secret\n")
	writeFile(t, filepath.Join(a.Path(), "other"), "50 secret\n")
	for what, put := range map[string]func() error{
		"nothing":         func() error { return nil },
		"a FIFO":          func() error { return syscall.Mkfifo(a.ProgressPath(), 0o600) },
		"a folder":        func() error { return os.Mkdir(a.ProgressPath(), 0o700) },
		"a link out":      func() error { return os.Symlink(outside, a.ProgressPath()) },
		"a link sideways": func() error { return os.Symlink("other", a.ProgressPath()) },
	} {
		os.Remove(a.ProgressPath())
		if err := put(); err != nil {
			t.Fatal(err)
		}
		if p, ok, err := a.ReadProgress(); ok || err != nil {
			t.Errorf("progress of %s = %+v, %v", what, p, err)
		}
	}
}

func FuzzParseProgress(f *testing.F) {
	for _, seed := range []string{"40 x\n", "\n", "100%\n", "999 x\n\n", "a\nb", "\xff\n", "1 \x1b[0m\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, tail []byte) {
		p, ok := parseProgress(tail)
		switch {
		case !ok && p != Progress{}:
			t.Fatalf("no progress, yet %+v", p)
		case p.Percent < -1 || p.Percent > 100:
			t.Fatalf("percent is %d", p.Percent)
		case !utf8.ValidString(p.Message) || utf8.RuneCountInString(p.Message) > progressWords:
			t.Fatalf("message is %q", p.Message)
		case strings.ContainsFunc(p.Message, unicode.IsControl):
			t.Fatalf("message %q can drive a terminal", p.Message)
		}
	})
}

func TestAPercentMayHaveAFraction(t *testing.T) {
	for line, want := range map[string]Progress{
		"47.5% done": {Percent: 47, Message: "done"}, "99.99 almost": {Percent: 99, Message: "almost"}, "100.0%": {Percent: 100},
		"0.5 begun": {Percent: 0, Message: "begun"}, "1.2.3 is a version": {Percent: -1, Message: "1.2.3 is a version"},
		"7. step": {Percent: -1, Message: "7. step"}, "100.5 x": {Percent: 100, Message: "x"}, "4.x": {Percent: -1, Message: "4.x"},
	} {
		if got, ok := parseProgressLine([]byte(line)); !ok || got != want {
			t.Errorf("%q is %+v, want %+v", line, got, want)
		}
	}
}

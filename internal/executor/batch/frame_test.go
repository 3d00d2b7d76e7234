package batch

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// answers are of every kind: with and without output, complaints, line ends, and of any exit code.
var answers = []Answer{
	{Stdout: "123\n"},
	{Stdout: "123;main"},
	{},
	{Stdout: "\n\n"},
	{Stdout: "a.b.1\n\x1f\x1e\\n %s 'x' \"y\" $z\n", Stderr: "squeue: error: one\n", Code: 0},
	{Stderr: "sbatch: error: one\\two\n\nsbatch: error: Batch job submission failed: Unspecified error\n", Code: 1},
	{Stdout: "\xff\xfe umläute\n", Stderr: "sbatch: fehler: größe \xe9\n", Code: 255},
}

// The frame that tests damage is the one that shells make.
func TestFramesAreTheSameFromEveryShell(t *testing.T) {
	for name, shell := range shells(t) {
		for _, want := range answers {
			dir := t.TempDir()
			for file, text := range map[string]string{"out": want.Stdout, "err": want.Stderr} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			m := NewMark()
			argv := m.argv("env -i", []string{"/bin/sh", "-c", `cat "$1/out"; cat "$1/err" >&2; exit "$2"`, "sh", dir, strconv.Itoa(want.Code)})
			cmd := exec.Command(shell[0], append(shell[1:], argv[1:]...)...)
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			wantOut, wantErrs := m.Write(want)
			if out.String() != wantOut || errs.String() != wantErrs {
				t.Errorf("%s wrote %q, %q; want %q, %q", name, out.String(), errs.String(), wantOut, wantErrs)
			}
			got, err := m.Read(out.String(), errs.String())
			if err != nil || got != want {
				t.Errorf("%s: read %+v, %v; want %+v", name, got, err, want)
			}
		}
	}
}

func TestChecksumIsThatOfPOSIX(t *testing.T) {
	for in, want := range map[string]string{"": "4294967295 0", "123456789": "930766865 9"} {
		if got := checksum(in); got != want {
			t.Errorf("checksum(%q) = %s, want %s", in, got, want)
		}
	}
}

// A connection that breaks can end an answer at any byte of either stream.
func TestNothingIsReadFromAnAnswerThatIsCut(t *testing.T) {
	for _, a := range answers {
		m := NewMark()
		out, errs := m.Write(a)
		for at := range out {
			if got, err := m.Read(out[:at], errs); !errors.Is(err, ErrBroken) || got.Code != -1 || got.Stdout != "" {
				t.Errorf("%q, %q: read %+v, %v", out[:at], errs, got, err)
			}
		}
		for at := range errs {
			if got, err := m.Read(out, errs[:at]); !errors.Is(err, ErrBroken) || got.Code != -1 || got.Stdout != "" {
				t.Errorf("%q, %q: read %+v, %v", out, errs[:at], got, err)
			}
		}
	}
}

// Lines get lost, come twice, and are mixed with others.
func TestNothingIsReadFromAnAnswerThatIsDamaged(t *testing.T) {
	a := Answer{Stdout: "one\ntwo\nthree\n", Stderr: "sbatch: error: one\nsbatch: error: two\n", Code: 1}
	m := NewMark()
	out, errs := m.Write(a)
	damage := func(s string) []string {
		lines := strings.SplitAfter(strings.TrimPrefix(s, "\n"), "\n")
		var all []string
		for i, line := range lines {
			if strings.TrimSpace(line) == "" {
				continue
			}
			without := strings.Join(lines[:i], "") + strings.Join(lines[i+1:], "")
			all = append(all, "\n"+without, "\n"+strings.Join(lines[:i], "")+line+line+strings.Join(lines[i+1:], ""))
		}
		return all
	}
	for _, bad := range append(damage(out), strings.Replace(out, "two", "two\nWelcome", 1), strings.Replace(out, "three", "thre3", 1),
		strings.Replace(out, "end 1", "end 0", 1), strings.ReplaceAll(out, "\n", "\r\n"), out+out, "") {
		if got, err := m.Read(bad, errs); !errors.Is(err, ErrBroken) {
			t.Errorf("%q: read %+v, %v", bad, got, err)
		}
	}
	for _, bad := range append(damage(errs), strings.Replace(errs, "two", "tw", 1), strings.Replace(errs, " 2 ", " 3 ", 1), errs+errs, "") {
		if got, err := m.Read(out, bad); !errors.Is(err, ErrBroken) {
			t.Errorf("%q: read %+v, %v", bad, got, err)
		}
	}
}

func TestWhatSurroundsAFrameIsOfNoAccount(t *testing.T) {
	for _, a := range answers {
		m := NewMark()
		out, errs := m.Write(a)
		for _, around := range []string{
			"*** Welcome ***\n", "Last login: today", "123\n", "\x1b[31mred\x1b[0m\r\n", "", "\n\n", "bash: warning: setlocale: LC_ALL: cannot change locale (xx)\n",
			"+ exec /bin/sh -c 'm=\"stint-$1\"' stint " + strings.TrimPrefix(string(m), "stint-") + "\n",
			marked("begin"), "Connection to login1 closed by remote host.\n",
		} {
			got, err := m.Read(around+out+around, around+errs+around)
			if err != nil || got != a {
				t.Errorf("between %q: read %+v, %v; want %+v", around, got, err, a)
			}
		}
	}
}

// marked is a line of another answer's frame.
func marked(word string) string { return "\n" + string(NewMark()) + " " + word + "\n" }

// Programs that stand for ssh to a host whose start-up files, connection and shell have ways of their own.
func TestShellBehindARemoteShell(t *testing.T) {
	for name, tc := range map[string]struct {
		remote string
		broken bool
	}{
		"prints lines":        {remote: `echo "*** Welcome ***"; echo oops >&2; exec sh -c "$1"`},
		"prints half a line":  {remote: `printf 123; printf "sbatch: error: " >&2; exec sh -c "$1"`},
		"prints when it ends": {remote: `sh -c "$1"; code=$?; echo 7; echo "sbatch: error: x" >&2; exit $code`},
		"traces":              {remote: `exec sh -xv -c "$1"`},
		"has another locale":  {remote: `LC_ALL=de_DE.UTF-8; LANG=xx; export LC_ALL LANG; exec bash -c "$1"`},
		"loses its exit code": {remote: `sh -c "$1"; exit 255`},
		"is a tty that fills lines": {
			remote: `sh -c "$1" 2>&1 | sed 's/$/\r/'`, broken: true,
		},
		"loses its first line":  {remote: `sh -c "$1" | sed 2d`, broken: true},
		"loses its last line":   {remote: `sh -c "$1" | sed '$d'`, broken: true},
		"loses what is in it":   {remote: `sh -c "$1" | sed /beta/d`, broken: true},
		"loses complaints":      {remote: `sh -c "$1" 2>/dev/null`, broken: true},
		"breaks before it runs": {remote: `echo "Connection refused" >&2; exit 255`, broken: true},
		"breaks after it ran":   {remote: `sh -c "$1" >/dev/null; echo "Connection to login1 closed by remote host." >&2; exit 255`, broken: true},
		"breaks in the middle":  {remote: `sh -c "$1" | head -c 40; exit 255`, broken: true},
		"runs it twice":         {remote: `sh -c "$1"; sh -c "$1"`, broken: true},
		"succeeds with nothing": {remote: `exit 0`, broken: true},
	} {
		s := testShell(t, `printf 'alpha\nbeta\n'; echo "squeue: error: gamma" >&2; exit 3`)
		path := filepath.Join(t.TempDir(), "ssh")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+tc.remote+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		s.Remote = []string{path}
		a := s.Run(t.Context(), Call{Program: "squeue", Timeout: time.Minute})
		if tc.broken && (!errors.Is(a.Err, ErrBroken) || a.OK() || a.Stdout != "") {
			t.Errorf("%s: %+v; want it to be broken", name, a)
		}
		if !tc.broken && (a.Err != nil || a.Stdout != "alpha\nbeta\n" || a.Stderr != "squeue: error: gamma\n" || a.Code != 3) {
			t.Errorf("%s: %+v", name, a)
		}
		if tc.broken && strings.Contains(tc.remote, "echo \"Conn") && !strings.Contains(a.Failure().Error(), "Connection") {
			t.Errorf("%s: the error has no words of the connection: %v", name, a.Failure())
		}
	}
}

package server

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/audit"
)

// auditFolder is a server's folder with an audit of so many entries, an hour apart.
func auditFolder(t *testing.T, entries int) (folder string, heads []audit.Head) {
	t.Helper()
	folder = t.TempDir()
	if err := foldersOf("", folder).make(); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 31, 12, 0, 0, 123, time.UTC)
	st, err := store.Open(store.Config{Path: foldersOf("", folder).database(), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	for n := range entries {
		now = now.Add(time.Hour)
		e := &storev1.AuditEntry{
			User: "ada", Actor: "portal", How: "token", CredentialId: "k3", Address: "2001:db8::7", Method: fmt.Sprint("m", n+1),
			JobIds: []uint64{uint64(n) + 1, 1 << 60}, Subject: "bob", Reason: "<why> & \"how\"\n\u2028ü\x7f",
		}
		if err := st.Audit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		heads = append(heads, st.AuditHead())
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	return folder, heads
}

// stintd runs a command and answers its exit code and what it said.
func stintd(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Main(append([]string{"stintd"}, args...), Streams{Out: &stdout, Err: &stderr}, "test")
	return code, stdout.String(), stderr.String()
}

func TestTheAuditIsVerifiedInDatabasesAndExports(t *testing.T) {
	folder, heads := auditFolder(t, 7)
	head := heads[6].String()
	ok := fmt.Sprintf("ok: 7 entries\nhead: %s\n", head)
	if code, out, errOut := stintd(t, "audit", "verify", "--data", folder, "--expect", heads[3].String()); code != 0 || out != ok {
		t.Errorf("the database: %d %q %q", code, out, errOut)
	}
	code, lines, errOut := stintd(t, "audit", "export", "--data", folder)
	if code != 0 || strings.Count(lines, "\n") != 7 {
		t.Fatalf("the export: %d %q %q", code, lines, errOut)
	}
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errOut := stintd(t, "audit", "verify", file, "--expect", head); code != 0 || out != ok {
		t.Errorf("the export: %d %q %q", code, out, errOut)
	}
	_, some, _ := stintd(t, "audit", "export", "--since", "4", foldersOf("", folder).database())
	if err := os.WriteFile(file, []byte(some), 0o600); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("begins behind: %s\nok: 3 entries\nhead: %s\n", heads[3], head)
	if code, out, errOut := stintd(t, "audit", "verify", file); code != 0 || out != want {
		t.Errorf("a part: %d %q %q", code, out, errOut)
	}
}

func TestForgedExportsAreFound(t *testing.T) {
	folder, heads := auditFolder(t, 6)
	_, whole, _ := stintd(t, "audit", "export", "--data", folder)
	lines := strings.SplitAfter(strings.TrimSuffix(whole, "\n"), "\n")
	lines[5] += "\n"
	with := func(change func(l []string) []string) string {
		return strings.Join(change(append([]string(nil), lines...)), "")
	}
	for name, c := range map[string]struct{ text, says string }{
		"another user": {strings.Replace(whole, `"method":"m3"`, `"method":"m4"`, 1), "audit entry 3: its hash is not"},
		"another job":  {strings.Replace(whole, `"jobIds":["5",`, `"jobIds":["6",`, 1), "audit entry 5: its hash is not"},
		"a nanosecond": {strings.Replace(whole, "T14:00:00.000000123Z", "T14:00:00.000000124Z", 1), "audit entry 2: its hash is not"},
		"another word": {strings.Replace(whole, `"actor":"portal",`, ``, 1), "audit entry 1: its hash is not"},
		"the hash before": {
			strings.Replace(whole, `"previousHash":"`+fmt.Sprintf("%x", heads[2].Hash), `"previousHash":"`+fmt.Sprintf("%x", heads[1].Hash), 1),
			"audit entry 4: it names another hash",
		},
		"the first hash before": {strings.Replace(whole, strings.Repeat("0", 64), strings.Repeat("1", 64), 1), "audit entry 1: its hash is not"},
		"one out":               {with(func(l []string) []string { return append(l[:2], l[3:]...) }), "audit entry 3: it is missing"},
		"swapped":               {with(func(l []string) []string { l[2], l[3] = l[3], l[2]; return l }), "audit entry 3: it stands behind entry 4"},
		"twice":                 {with(func(l []string) []string { l[3] = l[2]; return l }), "audit entry 3: it stands behind entry 3"},
		"the tail cut":          {with(func(l []string) []string { return l[:4] }), "audit entry 5: it is missing, and so are all up to entry 6"},
		"a note":                {strings.Replace(whole, `"user"`, `"note":"x","user"`, 1), "line 1: it is no entry"},
		"two on a line":         {strings.Replace(whole, "\n", "", 1), "line 1: there is something behind the entry"},
		"nothing":               {"", "there is no entry"},
		"text":                  {"{hello\n", "line 1: it is no entry"},
		"entry 0":               {strings.Replace(whole, `"sequence":1,`, `"sequence":0,`, 1), "line 1: there is no entry 0"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "audit.jsonl")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			code, out, errOut := stintd(t, "audit", "verify", file, "--expect", heads[5].String())
			if code != 1 || !strings.Contains(out+errOut, c.says) {
				t.Errorf("exit code %d\n%s%s\nwant %s", code, out, errOut, c.says)
			}
		})
	}
}

func TestThePrunedAuditStillVerifies(t *testing.T) {
	folder, heads := auditFolder(t, 6) // from 13:00 to 18:00
	code, out, errOut := stintd(t, "audit", "prune", "--data", folder, "--before", "2026-01-31T16:00:00Z")
	if want := fmt.Sprintf("3 entries taken out\nbegins behind: %s\n", heads[2]); code != 0 || out != want {
		t.Fatalf("%d %q %q", code, out, errOut)
	}
	for n, h := range heads {
		code, out, _ := stintd(t, "audit", "verify", "--data", folder, "--expect", h.String())
		if n < 2 && (code != 1 || !strings.Contains(out, fmt.Sprintf("audit entry %d: it was taken out", n+1))) || n >= 2 && code != 0 {
			t.Errorf("entry %d is expected: %d %q", n+1, code, out)
		}
	}
	if code, out, errOut := stintd(t, "check", "--data", folder); code != 0 {
		t.Errorf("the check: %q %q", out, errOut)
	}
	_, lines, _ := stintd(t, "audit", "export", "--data", folder)
	if got := strings.Count(lines, "\n"); got != 4 || !strings.Contains(lines, `"method":"prune"`) || !strings.HasPrefix(lines, `{"sequence":4,`) {
		t.Errorf("the export of the rest:\n%s", lines)
	}
	if code, out, _ := stintd(t, "audit", "prune", "--data", folder, "--before", "2026-01-31"); code != 0 || !strings.HasPrefix(out, "0 entries taken out\n") {
		t.Errorf("pruned again: %d %q", code, out)
	}
	st, err := store.Open(store.Config{Path: foldersOf("", folder).database()}) // the chain goes on
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Audit(t.Context(), &storev1.AuditEntry{User: "ada", Method: "later"}); err != nil {
		t.Error(err)
	}
	if code, _, errOut := stintd(t, "audit", "verify", "--data", folder); code != exitLocked || !strings.Contains(errOut, "stintd backup --to FILE") {
		t.Errorf("while it is open: %d %q", code, errOut)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := stintd(t, "audit", "verify", "--data", folder); code != 0 || !strings.Contains(out, "ok: 5 entries") {
		t.Errorf("gone on: %d %q", code, out)
	}
}

func TestAuditToolsSayWhatIsWrongWithTheirArguments(t *testing.T) {
	folder, _ := auditFolder(t, 1)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"verify", "--data", folder, "--expect", "7"}, 2, "SEQUENCE:HASH"},
		{[]string{"verify", "--data", filepath.Join(folder, "none")}, 1, "--data"},
		{[]string{"verify", filepath.Join(folder, "none")}, 1, "there is no"},
		{[]string{"prune", "--data", folder}, 2, "--before"},
		{[]string{"prune", "--data", folder, "--before", "yesterday"}, 2, "2026-01-31"},
		{[]string{"export", "--data", folder, "--since", "x"}, 2, "since"},
	} {
		if code, out, errOut := stintd(t, append([]string{"audit"}, c.args...)...); code != c.code || !strings.Contains(errOut, c.says) {
			t.Errorf("%v: %d %q %q, want %d and %q", c.args, code, out, errOut, c.code, c.says)
		}
	}
}

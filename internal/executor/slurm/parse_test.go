package slurm

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stint-jobs/stint/internal/workdir"
)

// sample is output of a real Slurm, with the formats that are asked for here.
func sample(tb testing.TB, name string) string {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

func at(seconds int64) time.Time { return time.Unix(seconds, 0) }

var unexported = cmp.AllowUnexported(row{}, account{}, token{}, query{})

func TestParseQueueReadsARealCluster(t *testing.T) {
	rows, err := parseQueue(sample(t, "squeue-22.05.8.txt"))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]row)
	for _, r := range rows {
		got[r.name] = r
	}
	const begun = 1795446840
	for _, want := range []row{
		{id: "22", state: "COMPLETED", reason: "None", node: "n1", submit: at(begun - 1), start: at(begun), end: at(begun), name: "stint-a1-1-1"},
		{id: "23", state: "FAILED", reason: "NonZeroExitCode", code: 37, node: "n1", submit: at(begun - 1), start: at(begun), end: at(begun), name: "stint-a1-2-1"},
		{id: "24", state: "FAILED", reason: "JobLaunchFailure", signal: 11, node: "n1", submit: at(begun), start: at(begun), end: at(begun), name: "stint-a1-3-1"},
		{id: "25", state: "CANCELLED", reason: "None", signal: 15, node: "n1", submit: at(begun), start: at(begun), end: at(begun + 6), name: "stint-a1-4-1"},
		{id: "26", state: "FAILED", reason: "JobLaunchFailure", signal: 53, node: "n2", submit: at(begun), start: at(begun), end: at(begun), name: "stint-a1-5-1"},
		{id: "27", state: "PENDING", reason: "PartitionNodeLimit", submit: at(begun), name: "stint-a1-6-1"},
		{id: "28", state: "PENDING", reason: "JobHeldUser", submit: at(begun), name: "stint-a1-7-1"},
		{id: "30", state: "OUT_OF_MEMORY", reason: "OutOfMemory", signal: 125, node: "n1", submit: at(begun), start: at(begun), end: at(begun + 2), name: "stint-a1-9-1"},
		{id: "31", state: "RUNNING", reason: "None", node: "n1", submit: at(begun), start: at(begun), end: at(begun + 3600), name: "stint-a1-10-1"},
		{id: "32", state: "CANCELLED", reason: "JobHeldUser", submit: at(begun), start: at(begun + 6), end: at(begun + 6), name: "stint-a1-11-1"},
		{id: "33", state: "COMPLETED", reason: "None", node: "n2", submit: at(begun), start: at(begun), end: at(begun + 1), name: "evil\njob\t|name"},
	} {
		if diff := cmp.Diff(want, got[want.name], unexported); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.name, diff)
		}
	}
}

func TestParseQueueKnowsWhatItCannotTrust(t *testing.T) {
	whole := strings.Join([]string{"7", "RUNNING", "None", "0:0", "2", "n[1-3]", "1", "2", "N/A", "stint-a-1-1"}, fieldEnd) + rowEnd + "\n"
	t.Run("an answer that breaks off", func(t *testing.T) {
		if rows, err := parseQueue(whole + whole[:20]); err == nil {
			t.Errorf("parsed as %+v", rows)
		}
	})
	t.Run("rows of another form", func(t *testing.T) {
		for _, line := range []string{
			"7_[1-3]" + whole[1:], "x" + whole, fieldEnd + whole, "slurm_load_jobs error: Unable to contact" + rowEnd,
			strings.Replace(whole, "stint", "st"+fieldEnd+"int", 1),
		} {
			rows, err := parseQueue(line + whole)
			if err != nil || len(rows) != 1 || rows[0].restarts != 2 || rows[0].node != "n[1-3]" {
				t.Errorf("%q: parsed as %+v, %v", line, rows, err)
			}
		}
	})
	t.Run("nothing", func(t *testing.T) {
		if rows, err := parseQueue("\n"); err != nil || len(rows) != 0 {
			t.Errorf("parsed as %+v, %v", rows, err)
		}
	})
}

func TestParseAccountsReadsARealCluster(t *testing.T) {
	got := make(map[string]account)
	for _, a := range parseAccounts(sample(t, "sacct-22.05.8.txt")) {
		got[a.name] = a
	}
	const begun = 1795446840
	usage := func(mem, rss int64, cpu, elapsed float64) workdir.ExitUsage {
		return workdir.ExitUsage{MaxRSSBytes: rss, CPUSeconds: cpu, ElapsedSeconds: elapsed, CPUs: 1, MemoryBytes: mem << 20}
	}
	for _, want := range []account{
		{row: row{id: "23", state: "FAILED", code: 37, node: "n1", submit: at(begun - 1), start: at(begun), end: at(begun), reason: "None", name: "stint-a1-2-1"}, usage: usage(100, 0, 0.001, 0)},
		{row: row{id: "25", state: "CANCELLED", node: "n1", submit: at(begun), start: at(begun), end: at(begun + 6), reason: "None", name: "stint-a1-4-1"}, uid: "0", usage: usage(100, 212992, 0.002, 6)},
		{row: row{id: "27", state: "PENDING", submit: at(begun), reason: "PartitionNodeLimit", name: "stint-a1-6-1"}},
		{row: row{id: "30", state: "OUT_OF_MEMORY", signal: 125, node: "n1", submit: at(begun), start: at(begun), end: at(begun + 2), reason: "None", name: "stint-a1-9-1"}, usage: usage(30, 208896, 0.062, 2)},
	} {
		if diff := cmp.Diff(want, got[want.name], unexported); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.name, diff)
		}
	}
	if _, ok := got["batch"]; ok {
		t.Error("a step was taken for a job")
	}
}

func TestParseExitReadsBothForms(t *testing.T) {
	for _, tc := range []struct {
		in           string
		code, signal int
	}{
		{"0", 0, 0},
		{"0:0", 0, 0},
		{"9472", 37, 0},
		{"37:0", 37, 0},
		{"65280", 255, 0},
		{"255:0", 255, 0},
		{"11", 0, 11},
		{"139", 0, 11}, // and a core was dumped
		{"0:11", 0, 11},
		{"4021", 0, 53},
		{"0:53", 0, 53},
		{"0:125", 0, 125},
		{"4294967294", 0, 0},
		{"N/A", 0, 0},
		{"", 0, 0},
		{"-1", 0, 0},
		{"x:y", 0, 0},
	} {
		if code, signal := parseExit(tc.in); code != tc.code || signal != tc.signal {
			t.Errorf("parseExit(%q) = %d, %d; want %d, %d", tc.in, code, signal, tc.code, tc.signal)
		}
	}
}

func TestParseAmounts(t *testing.T) {
	for in, want := range map[string]float64{
		"00:00.132": 0.132, "01:02.500": 62.5, "01:00:01": 3601, "2-03:04:05": 183845, "": 0, "N/A": 0, "1-00:00": 0, "1:2:3:4": 0, "-5:00": 0, "NaN:00": 0, "99-99": 0,
	} {
		if got := parseCPU(in); math.Abs(got-want) > 1e-9 {
			t.Errorf("parseCPU(%q) = %v, want %v", in, got, want)
		}
	}
	for in, want := range map[string]int64{
		"57143296": 57143296, "55804K": 55804 << 10, "150M": 150 << 20, "1.5G": 3 << 29, "2T": 2 << 40, "16Gn": 16 << 30, "": 0, "x": 0, "K": 0, "NaN": 0, "-1": 0, "1e99": 0,
	} {
		if got := parseBytes(in, 1); got != want {
			t.Errorf("parseBytes(%q) = %d, want %d", in, got, want)
		}
	}
	if got := parseBytes("150", 1<<20); got != 150<<20 {
		t.Errorf("memory without a unit = %d", got)
	}
	for in, want := range map[string]time.Time{
		"1795446840": at(1795446840), "N/A": {}, "Unknown": {}, "NONE": {}, "0": {}, "4294967294": {}, "": {}, "-5": {},
	} {
		if got := parseTime(in); !got.Equal(want) {
			t.Errorf("parseTime(%q) = %v, want %v", in, got, want)
		}
	}
	for in, want := range map[string]time.Duration{"task=1": time.Second, "30": 30 * time.Second, "network=5,task=20": 20 * time.Second, "0": 0, "": 0, "300 sec": 300 * time.Second} {
		if got := parseSample(in); got != want {
			t.Errorf("parseSample(%q) = %v, want %v", in, got, want)
		}
	}
}

func TestParseSubmitted(t *testing.T) {
	for in, want := range map[string]string{
		"123\n": "123", "123;cluster2\n": "123", "Welcome to the cluster!\n2 news items\n123\n": "123", "": "", "Submitted batch job 5": "", "12a\n": "", " 7\n": "",
	} {
		if got, ok := parseSubmitted(in); got != want || ok != (want != "") {
			t.Errorf("parseSubmitted(%q) = %q, %v; want %q", in, got, ok, want)
		}
	}
}

func TestParseConfigReadsARealCluster(t *testing.T) {
	config := parseConfig(sample(t, "config-22.05.8.txt"))
	want := map[string]string{
		"SLURM_VERSION": "22.05.8", "MinJobAge": "300 sec", "MessageTimeout": "10 sec",
		"AccountingStorageType": "accounting_storage/slurmdbd", "JobAcctGatherFrequency": "task=1",
	}
	got := make(map[string]string)
	for key := range want {
		got[key] = config[key]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestTokens(t *testing.T) {
	for _, tok := range []token{{"a", 1, 1}, {"0123456789abcdefghijklmn", math.MaxUint64, 20}} {
		s := tok.String()
		if got, err := parseToken(tok.install, s); err != nil || got != tok || len(s) > 63 {
			t.Errorf("parseToken(%q) = %+v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "stint-a-", "stint-a-1", "stint-a-1-", "stint-a-1-0", "stint-a-01-1", "stint-a-1-01", "stint-b-1-1", "stint-a-1-1 ", "stint-a-1-1-1", "xstint-a-1-1"} {
		if got, err := parseToken("a", s); err == nil {
			t.Errorf("parseToken(%q) = %+v", s, got)
		}
	}
}

func FuzzParseQueue(f *testing.F) {
	f.Add(sample(f, "squeue-22.05.8.txt"))
	f.Fuzz(func(t *testing.T, out string) {
		rows, err := parseQueue(out)
		if err != nil {
			return
		}
		for _, r := range rows {
			if !isNumber(r.id) || r.code < 0 || r.code > 255 || r.signal < 0 || r.signal > 127 || strings.Contains(r.name, rowEnd) {
				t.Errorf("row %+v", r)
			}
		}
	})
}

func FuzzParseAccounts(f *testing.F) {
	f.Add(sample(f, "sacct-22.05.8.txt"))
	f.Fuzz(func(t *testing.T, out string) {
		for _, a := range parseAccounts(out) {
			if !isNumber(a.id) || a.usage.MaxRSSBytes < 0 || !(a.usage.CPUSeconds >= 0) || a.usage.MemoryBytes < 0 {
				t.Errorf("account %+v", a)
			}
		}
	})
}

func FuzzParseToken(f *testing.F) {
	f.Add("stint-a-17-1")
	f.Fuzz(func(t *testing.T, s string) {
		if tok, err := parseToken("a", s); err == nil && tok.String() != s {
			t.Errorf("%q was read as %+v, which is written %q", s, tok, tok)
		}
	})
}

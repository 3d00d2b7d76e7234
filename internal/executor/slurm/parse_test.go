package slurm

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stint-jobs/stint/internal/executor/batch"
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

// sampleMark is the mark in the samples.
const sampleMark batch.Mark = "stint-0123456789abcdef"

func at(seconds int64) time.Time { return time.Unix(seconds, 0) }

// because is a row with what its state and reason mean.
func because(reason string, r batch.Row) batch.Row {
	explain(&r, reason)
	return r
}

func TestParseQueueReadsARealCluster(t *testing.T) {
	rows, err := parseQueue(sample(t, "squeue-22.05.8.txt"), sampleMark)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]batch.Row)
	for _, r := range rows {
		got[r.Name] = r
	}
	const begun = 1795446840
	for _, want := range []batch.Row{
		because("None", batch.Row{ID: "22", State: "COMPLETED", Node: "n1", Submit: at(begun - 1), Start: at(begun), End: at(begun), Name: "stint-a1-1-1"}),
		because("NonZeroExitCode", batch.Row{ID: "23", State: "FAILED", Code: 37, Node: "n1", Submit: at(begun - 1), Start: at(begun), End: at(begun), Name: "stint-a1-2-1"}),
		because("JobLaunchFailure", batch.Row{ID: "24", State: "FAILED", Signal: 11, Node: "n1", Submit: at(begun), Start: at(begun), End: at(begun), Name: "stint-a1-3-1"}),
		because("None", batch.Row{ID: "25", State: "CANCELLED", Signal: 15, Node: "n1", Submit: at(begun), Start: at(begun), End: at(begun + 6), Name: "stint-a1-4-1"}),
		because("JobLaunchFailure", batch.Row{ID: "26", State: "FAILED", Signal: 53, Node: "n2", Submit: at(begun), Start: at(begun), End: at(begun), Name: "stint-a1-5-1"}),
		because("PartitionNodeLimit", batch.Row{ID: "27", State: "PENDING", Submit: at(begun), Name: "stint-a1-6-1"}),
		because("JobHeldUser", batch.Row{ID: "28", State: "PENDING", Submit: at(begun), Name: "stint-a1-7-1"}),
		because("OutOfMemory", batch.Row{ID: "30", State: "OUT_OF_MEMORY", Signal: 125, Node: "n1", Submit: at(begun), Start: at(begun), End: at(begun + 2), Name: "stint-a1-9-1"}),
		because("None", batch.Row{ID: "31", State: "RUNNING", Node: "n1", Submit: at(begun), Start: at(begun), End: at(begun + 3600), Name: "stint-a1-10-1"}),
		because("JobHeldUser", batch.Row{ID: "32", State: "CANCELLED", Submit: at(begun), Start: at(begun + 6), End: at(begun + 6), Name: "stint-a1-11-1"}),
		because("None", batch.Row{ID: "33", State: "COMPLETED", Node: "n2", Submit: at(begun), Start: at(begun), End: at(begun + 1), Name: "evil\njob\t|name"}),
	} {
		if diff := cmp.Diff(want, got[want.Name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.Name, diff)
		}
	}
}

func TestParseQueueKnowsWhatItCannotTrust(t *testing.T) {
	end := rowEnd(sampleMark) + "\n"
	whole := strings.Join([]string{"7", "RUNNING", "None", "0:0", "2", "n[1-3]", "1", "2", "N/A", "7", "stint-a-1-1"}, fieldEnd) + end
	for at := range strings.TrimSpace(whole) {
		if rows, err := parseQueue(whole+whole[:at], sampleMark); (err == nil) != (at == 0) {
			t.Errorf("cut after %d bytes: parsed as %+v, %v", at, rows, err)
		}
	}
	for _, line := range []string{
		"7_[1-3]" + whole[1:], "x" + whole, fieldEnd + whole, "1" + whole, "slurm_load_jobs error: Unable to contact" + end, "*** Welcome ***\n" + whole,
		whole + "Bye\n", "Welcome\n", strings.Replace(whole, "0:0", "x", 1), strings.Replace(whole, "N/A", "soon", 1), strings.Replace(whole, fieldEnd+"2"+fieldEnd, fieldEnd+"two"+fieldEnd, 1),
		strings.Replace(whole, "RUNNING", "", 1), strings.Replace(whole, "None"+fieldEnd, "", 1), "\n\x1e" + whole,
	} {
		if rows, err := parseQueue(line, sampleMark); err == nil {
			t.Errorf("%q: parsed as %+v", line, rows)
		}
	}
	for _, name := range []string{"", "somebody's\njob", "a" + fieldEnd + "b", "\x1e\n9" + fieldEnd + "RUNNING", "stint-\x1e"} {
		rows, err := parseQueue(strings.Replace(whole, "stint-a-1-1", name, 1)+whole, sampleMark)
		if err != nil || len(rows) != 2 || rows[0].Name != name || rows[1].Restarts != 2 || rows[1].Node != "n[1-3]" {
			t.Errorf("the name %q: parsed as %+v, %v", name, rows, err)
		}
	}
	if rows, err := parseQueue("\n", sampleMark); err != nil || len(rows) != 0 {
		t.Errorf("nothing: parsed as %+v, %v", rows, err)
	}
}

func TestParseAccountsKnowsWhatItCannotTrust(t *testing.T) {
	whole := sample(t, "sacct-22.05.8.txt")
	row, _, _ := strings.Cut(whole, "\n")
	row += "\n"
	for at := range row {
		if all, err := parseAccounts(row+row[:at], sampleMark); (err == nil) != (at == 0) {
			t.Errorf("cut after %d bytes: parsed as %+v, %v", at, all, err)
		}
	}
	for _, bad := range []string{
		"Welcome\n" + row, row + "Bye\n", "Welcome\n", strings.Replace(row, "0:0", "?", 1), "1" + row, strings.Replace(row, "22"+string(sampleMark), "x"+string(sampleMark), 1),
		strings.Replace(row, string(sampleMark), "", 1), strings.Replace(row, "1795446840", "soon", 1),
	} {
		if all, err := parseAccounts(bad, sampleMark); err == nil {
			t.Errorf("%q: parsed as %+v", bad, all)
		}
	}
}

func TestParseAccountsReadsARealCluster(t *testing.T) {
	got := make(map[string]batch.Account)
	all, err := parseAccounts(sample(t, "sacct-22.05.8.txt"), sampleMark)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		got[a.Name] = a
	}
	const begun = 1795446840
	usage := func(mem, rss int64, cpu, elapsed float64) workdir.ExitUsage {
		return workdir.ExitUsage{MaxRSSBytes: rss, CPUSeconds: cpu, ElapsedSeconds: elapsed, CPUs: 1, MemoryBytes: mem << 20}
	}
	for _, want := range []batch.Account{
		{Row: because("None", batch.Row{ID: "23", State: "FAILED", Code: 37, Node: "n1", Submit: at(begun - 1), Start: at(begun), End: at(begun), Name: "stint-a1-2-1"}), Usage: usage(100, 0, 0.001, 0)},
		{Row: because("None", batch.Row{ID: "25", State: "CANCELLED", Node: "n1", Submit: at(begun), Start: at(begun), End: at(begun + 6), Name: "stint-a1-4-1"}), UID: "0", Usage: usage(100, 212992, 0.002, 6)},
		{Row: because("PartitionNodeLimit", batch.Row{ID: "27", State: "PENDING", Submit: at(begun), Name: "stint-a1-6-1"})},
		{Row: because("None", batch.Row{ID: "30", State: "OUT_OF_MEMORY", Signal: 125, Node: "n1", Submit: at(begun), Start: at(begun), End: at(begun + 2), Name: "stint-a1-9-1"}), Usage: usage(30, 208896, 0.062, 2)},
	} {
		if diff := cmp.Diff(want, got[want.Name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.Name, diff)
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
	} {
		var p fieldReader
		if code, signal := p.exit(tc.in); code != tc.code || signal != tc.signal || p.err != nil {
			t.Errorf("exit(%q) = %d, %d, %v; want %d, %d", tc.in, code, signal, p.err, tc.code, tc.signal)
		}
	}
}

func TestWhatIsNoExitCodeIsSaid(t *testing.T) {
	for _, in := range []string{"x:y", "-1", "1:", ":", "1.5", "0:0:0"} {
		var p fieldReader
		if code, signal := p.exit(in); p.err == nil {
			t.Errorf("exit(%q) = %d, %d", in, code, signal)
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
		"123\n": "123", "123;cluster2\n": "123", "Welcome to the cluster!\n2 news items\n123\n": "123", "2024\n123\n": "", "123\n123\n": "123", "": "", "Submitted batch job 5": "", "12a\n": "", " 7\n": "",
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

func FuzzParseQueue(f *testing.F) {
	f.Add(sample(f, "squeue-22.05.8.txt"))
	f.Fuzz(func(t *testing.T, out string) {
		rows, err := parseQueue(out, sampleMark)
		if err != nil {
			return
		}
		for _, r := range rows {
			if !isNumber(r.ID) || r.Code < 0 || r.Code > 255 || r.Signal < 0 || r.Signal > 127 {
				t.Errorf("row %+v", r)
			}
		}
	})
}

func FuzzParseAccounts(f *testing.F) {
	f.Add(sample(f, "sacct-22.05.8.txt"))
	f.Fuzz(func(t *testing.T, out string) {
		all, _ := parseAccounts(out, sampleMark)
		for _, a := range all {
			if !isNumber(a.ID) || a.Usage.MaxRSSBytes < 0 || !(a.Usage.CPUSeconds >= 0) || a.Usage.MemoryBytes < 0 {
				t.Errorf("account %+v", a)
			}
		}
	})
}

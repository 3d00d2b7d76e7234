package slurm

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stint-jobs/stint/internal/executor/batch"
	"github.com/stint-jobs/stint/internal/workdir"
)

// What releases write differently, by their sources (src/squeue/opts.c and print.c, src/sacct/print.c, and
// job_state_string in src/common) and manuals. Only 22.05 runs in the tests.

func TestParseQueueReadsAllReleases(t *testing.T) {
	const name = "stint-a-1-1"
	for _, tc := range []struct {
		release, state, reason, exit, restarts, node, end string
		want                                              batch.Row
		phase                                             batch.Phase
	}{
		{"20.11, 21.08, 22.05: a wait status", "FAILED", "NonZeroExitCode", "9472", "0", "n1", "30", because("NonZeroExitCode", batch.Row{State: "FAILED", Code: 37, Node: "n1", End: at(30)}), batch.Failed},
		{"the same, by a signal", "FAILED", "JobLaunchFailure", "11", "0", "n1", "30", because("JobLaunchFailure", batch.Row{State: "FAILED", Signal: 11, Node: "n1", End: at(30)}), batch.Failed},
		{"23.02 and later: code and signal", "FAILED", "NonZeroExitCode", "37:0", "0", "n1", "30", because("NonZeroExitCode", batch.Row{State: "FAILED", Code: 37, Node: "n1", End: at(30)}), batch.Failed},
		{"the same, by a signal", "TIMEOUT", "TimeLimit", "0:15", "0", "n1", "30", because("TimeLimit", batch.Row{State: "TIMEOUT", Signal: 15, Node: "n1", End: at(30)}), batch.TimedOut},
		{"a job that began again", "RUNNING", "None", "0:0", "3", "n[1-2,7]", "N/A", because("None", batch.Row{State: "RUNNING", Restarts: 3, Node: "n[1-2,7]"}), batch.Running},
		{"25.11: begins before others", "EXPEDITING", "Resources", "0:0", "0", "", "N/A", because("Resources", batch.Row{State: "EXPEDITING"}), batch.Pending},
		{"a base state and a flag", "COMPLETED,COMPLETING", "None", "0:0", "0", "n1", "30", because("None", batch.Row{State: "COMPLETED,COMPLETING", Node: "n1", End: at(30)}), batch.Running},
		{"no limit on time", "PENDING", "Priority", "0:0", "0", "(null)", "4294967294", because("Priority", batch.Row{State: "PENDING"}), batch.Pending},
	} {
		line := strings.Join([]string{"7", tc.state, tc.reason, tc.exit, tc.restarts, tc.node, "10", "20", tc.end, "7", name}, fieldEnd) + rowEnd(sampleMark) + "\n"
		tc.want.ID, tc.want.Name, tc.want.Submit, tc.want.Start = "7", name, at(10), at(20)
		rows, err := parseQueue(line, sampleMark)
		if err != nil || len(rows) != 1 {
			t.Fatalf("%s: %v, %v", tc.release, rows, err)
		}
		if diff := cmp.Diff(tc.want, rows[0]); diff != "" || rows[0].Phase != tc.phase {
			t.Errorf("%s: phase %d (-want +got):\n%s", tc.release, rows[0].Phase, diff)
		}
	}
}

func TestParseAccountsReadsAllReleases(t *testing.T) {
	job := func(id, state, exit, tres string) string {
		return strings.Join([]string{id, state, exit, "61", "00:02.500", "", tres, "n1", "10", "20", "81", "None", "stint-a-1-1", id}, string(sampleMark)) + "\n"
	}
	step := func(id, rss, cpu string) string {
		return strings.Join([]string{id, "COMPLETED", "0:0", "61", cpu, rss, "cpu=2,mem=1G,node=1", "n1", "20", "20", "81", "", "batch", id}, string(sampleMark)) + "\n"
	}
	over := because("None", batch.Row{ID: "7", State: "CANCELLED", Node: "n1", Submit: at(10), Start: at(20), End: at(81), Name: "stint-a-1-1"})
	for release, tc := range map[string]struct {
		out  string
		want []batch.Account
	}{
		"steps of all kinds": {
			job("7", "CANCELLED by 1000", "0:0", "billing=2,cpu=2,energy=17,gres/gpu:a100=1,gres/gpu=1,mem=1G,node=1") +
				step("7.batch", "57143296", "00:03.000") + step("7.extern", "0", "00:00.001") + step("7.interactive", "4096", "00:00") + step("7.0", "99999999", "00:01"),
			[]batch.Account{{Row: over, UID: "1000", Usage: workdir.ExitUsage{ElapsedSeconds: 61, CPUSeconds: 3, MaxRSSBytes: 99999999, CPUs: 2, MemoryBytes: 1 << 30}}},
		},
		"memory in megabytes": {
			job("7", "CANCELLED", "0:0", "cpu=1,mem=1500M,node=1"),
			[]batch.Account{{Row: over, Usage: workdir.ExitUsage{ElapsedSeconds: 61, CPUSeconds: 2.5, CPUs: 1, MemoryBytes: 1500 << 20}}},
		},
		"arrays and heterogeneous jobs are others'": {job("7_4", "RUNNING", "0:0", "") + job("7+0", "RUNNING", "0:0", "") + step("8.batch", "1", "00:01"), nil},
	} {
		got, err := parseAccounts(tc.out, sampleMark)
		if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", release, err, diff)
		}
	}
}

package batch

import (
	"strings"
	"testing"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/workdir"
)

// ran is what a folder tells of a command that ended by itself.
func ran(code, signal int) files {
	return files{locked: true, owner: "7", record: &record{ExitRecord: workdir.ExitRecord{
		Code: code, Signal: signal, Node: "n1", EngineID: "7", Start: at(10), End: at(20),
		Usage: &workdir.ExitUsage{MaxRSSBytes: 4096, CPUSeconds: 2, ElapsedSeconds: 9.5},
	}}}
}

// killed is what it tells of one that was ended by SIGTERM to the whole job.
func killed(code, signal int) files {
	f := ran(code, signal)
	f.record.Terminated = true
	return f
}

func at(seconds int64) time.Time { return time.Unix(seconds, 0) }

var begun = files{locked: true, owner: "7"} // and nothing more

// The table of outcomes: what Slurm shows (measured on 22.05), what the folder tells, and what it means.
func TestConclude(t *testing.T) {
	const (
		ok        = jobsv1.Reason_REASON_UNSPECIFIED
		launch    = jobsv1.Reason_REASON_LAUNCH_FAILED
		memory    = jobsv1.Reason_REASON_OUT_OF_MEMORY
		limit     = jobsv1.Reason_REASON_TIME_LIMIT
		node      = jobsv1.Reason_REASON_NODE_FAILED
		byOwner   = jobsv1.Reason_REASON_CANCELLED_BY_OWNER
		byEngine  = jobsv1.Reason_REASON_CANCELLED_BY_ENGINE
		rejected  = jobsv1.Reason_REASON_SUBMIT_REJECTED
		preempted = jobsv1.Reason_REASON_PREEMPTED
		output    = jobsv1.Reason_REASON_OUTPUT_FAILED
	)
	words := map[string]string{"BadConstraints": "it can never start.", "DependencyNeverSatisfied": "it can never start."}
	phases := map[string]Phase{
		"COMPLETED": Completed, "FAILED": Failed, "CANCELLED": Cancelled, "TIMEOUT": TimedOut, "DEADLINE": TimedOut, "OUT_OF_MEMORY": OutOfMemory,
		"NODE_FAIL": NodeFailed, "BOOT_FAIL": NodeFailed, "PREEMPTED": Preempted, "REVOKED": Revoked,
	}
	job := func(state, reason string, code, signal int) Row {
		r := Row{ID: "7", State: state, Phase: phases[state], Code: code, Signal: signal, Node: "n1", Start: at(9), End: at(21)}
		r.Words, r.Rejected = words[reason], words[reason] != ""
		r.SetupFailed = signal == 53
		if state == "DEADLINE" {
			r.Words = "The deadline passed."
		}
		return r
	}
	again := func(f files) files {
		f.again = true
		return f
	}
	for _, tc := range []struct {
		name         string
		row          Row
		files        files
		with         func(*evidence)
		reason       jobsv1.Reason
		code, signal int
		words        string
	}{
		{"exit 0", job("COMPLETED", "None", 0, 0), ran(0, 0), nil, ok, 0, 0, ""},
		{"exit 37", job("FAILED", "NonZeroExitCode", 37, 0), ran(37, 0), nil, ok, 37, 0, ""},
		{"exit 37 without a record", job("FAILED", "NonZeroExitCode", 37, 0), begun, nil, ok, 37, 0, ""},
		{"signal", job("FAILED", "NonZeroExitCode", 139, 0), ran(-1, 11), nil, ok, -1, 11, ""},
		{"signal without a record", job("FAILED", "NonZeroExitCode", 139, 0), begun, nil, ok, -1, 11, ""},
		{"signal to the script", job("FAILED", "JobLaunchFailure", 0, 11), begun, nil, ok, -1, 11, ""},
		{"program missing", job("FAILED", "NonZeroExitCode", 127, 0), files{locked: true, owner: "7", record: &record{ExitRecord: workdir.ExitRecord{Code: -1, Reason: "LAUNCH_FAILED", Node: "n1"}}}, nil, launch, -1, 0, "program /bin/prog is not there, or may not be executed, on node n1"},
		{"folder missing on the node", job("FAILED", "JobLaunchFailure", 0, 53), files{}, nil, launch, -1, 0, "the node shares /jobs/17"},
		{"script cannot write", job("FAILED", "NonZeroExitCode", 1, 0), files{note: "the node n1 cannot write into the folder /jobs/17"}, nil, launch, -1, 0, "The job could not begin: the node n1 cannot write"},
		{"script never got far", job("FAILED", "NonZeroExitCode", 1, 0), files{}, nil, launch, -1, 0, "failed on node n1 before"},
		{"completed elsewhere", job("COMPLETED", "None", 0, 0), files{}, nil, launch, -1, 0, "Nothing of the run on node n1"},
		{"completed, record lost", job("COMPLETED", "None", 0, 0), begun, nil, output, -1, 0, "may be full"},
		{"time limit", job("TIMEOUT", "TimeLimit", 0, 15), killed(-1, 15), nil, limit, -1, 0, ""},
		{"time limit, command cleaned up", job("TIMEOUT", "TimeLimit", 0, 15), killed(0, 0), nil, limit, -1, 0, ""},
		{"ended just before its time limit", job("TIMEOUT", "TimeLimit", 0, 15), ran(0, 0), nil, ok, 0, 0, ""},
		{"deadline", job("DEADLINE", "None", 0, 0), files{}, nil, limit, -1, 0, "deadline"},
		{"out of memory", job("OUT_OF_MEMORY", "OutOfMemory", 0, 125), ran(-1, 9), nil, memory, -1, 0, ""},
		{"out of memory in a child", job("OUT_OF_MEMORY", "OutOfMemory", 0, 125), ran(0, 0), nil, memory, -1, 0, ""},
		{"out of memory without cgroups", job("FAILED", "JobLaunchFailure", 0, 9), files{locked: true, owner: "7", memory: true}, nil, memory, -1, 0, ""},
		{"killed, and not for its memory", job("FAILED", "JobLaunchFailure", 0, 9), begun, nil, ok, -1, 9, ""},
		{"cancelled through Stint", job("CANCELLED", "None", 0, 15), killed(-1, 15), func(e *evidence) { e.wished = true }, byOwner, -1, 0, ""},
		{"cancelled through Stint, ended before", job("CANCELLED", "None", 0, 15), ran(0, 0), func(e *evidence) { e.wished = true }, ok, 0, 0, ""},
		{"cancelled through Stint, failed before", job("CANCELLED", "None", 0, 15), ran(3, 0), func(e *evidence) { e.wished = true }, ok, 3, 0, ""},
		{"wished, but it ended by itself", job("COMPLETED", "None", 0, 0), ran(0, 0), func(e *evidence) { e.wished = true }, ok, 0, 0, ""},
		{"cancelled by somebody", job("CANCELLED", "None", 0, 15), killed(-1, 15), nil, byEngine, -1, 0, ""},
		{"cancelled by somebody with a name", job("CANCELLED", "None", 0, 15), begun, func(e *evidence) { e.account = &Account{UID: "0"} }, byEngine, -1, 0, "Cancelled on the cluster by user root (uid 0)"},
		{"cancelled by a stranger", job("CANCELLED", "JobHeldUser", 0, 0), files{}, func(e *evidence) { e.account = &Account{UID: "4123456"} }, byEngine, -1, 0, "uid 4123456"},
		{"could never start", job("CANCELLED", "PartitionConfig", 0, 0), files{}, func(e *evidence) { e.never = "it can never start." }, rejected, -1, 0, "can never start"},
		{"could never start, says Slurm", job("FAILED", "BadConstraints", 0, 1), files{}, nil, rejected, -1, 0, "can never start"},
		{"dependency", job("CANCELLED", "DependencyNeverSatisfied", 0, 0), files{}, nil, rejected, -1, 0, "can never start"},
		{"node failed", job("NODE_FAIL", "NodeDown", 0, 0), begun, nil, node, -1, 0, "lost node n1"},
		{"node failed after the end", job("NODE_FAIL", "NodeDown", 0, 0), ran(0, 0), nil, ok, 0, 0, ""},
		{"node did not start", job("BOOT_FAIL", "None", 0, 0), files{}, nil, node, -1, 0, ""},
		{"preempted", job("PREEMPTED", "None", 0, 0), killed(-1, 15), nil, preempted, -1, 0, ""},
		{"revoked", job("REVOKED", "None", 0, 0), files{}, nil, jobsv1.Reason_REASON_LOST, -1, 0, "federation"},
		{"run again after it was cut off", job("COMPLETED", "None", 0, 0), again(killed(-1, 15)), nil, preempted, -1, 0, "queued it again"},
		{"run again after its node was lost", job("COMPLETED", "None", 0, 0), again(begun), func(e *evidence) { e.nodeFailed = true }, node, -1, 0, "queued it again"},
		{"run again after it had ended", job("COMPLETED", "None", 0, 0), again(ran(5, 0)), nil, ok, 5, 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := evidence{row: tc.row, phase: tc.row.Phase, files: tc.files, submission: submission{Program: "/bin/prog", CPUs: 2, MemoryBytes: 1 << 20}, dir: "/jobs/17"}
			if tc.with != nil {
				tc.with(&e)
			}
			x := conclude(e)
			if x.Reason != tc.reason || x.Code != tc.code || x.Signal != tc.signal || !strings.Contains(x.Message, tc.words) {
				t.Errorf("reason %v, code %d, signal %d, %q; want %v, %d, %d, %q", x.Reason, x.Code, x.Signal, x.Message, tc.reason, tc.code, tc.signal, tc.words)
			}
			if x.EngineState != tc.row.State || x.EngineID != "7" || x.Node != "n1" || !x.End.Equal(at(21)) {
				t.Errorf("exit %+v", x)
			}
			if x.Start.IsZero() == tc.files.locked {
				t.Errorf("started %v", x.Start)
			}
		})
	}
}

func TestUsagePrefersTheBetterFigure(t *testing.T) {
	figures := Account{Usage: workdir.ExitUsage{MaxRSSBytes: 1 << 30, CPUSeconds: 1.5, ElapsedSeconds: 10, CPUs: 4, MemoryBytes: 2 << 30}}
	e := evidence{files: ran(0, 0), submission: submission{CPUs: 2, MemoryBytes: 1 << 20}}
	u := usage(e)
	if u.GetMaxRssBytes() != 4096 || u.GetCpuTime().AsDuration() != 2*time.Second || u.GetElapsed().AsDuration() != 9500*time.Millisecond || u.GetAllocatedCpus() != 2 || u.GetAllocatedMemoryBytes() != 1<<20 {
		t.Errorf("without accounting: %v", u)
	}
	e.account = &figures
	u = usage(e)
	if u.GetMaxRssBytes() != 1<<30 || u.GetCpuTime().AsDuration() != 2*time.Second || u.GetElapsed().AsDuration() != 9500*time.Millisecond || u.GetAllocatedCpus() != 4 || u.GetAllocatedMemoryBytes() != 2<<30 {
		t.Errorf("with both: %v", u)
	}
	e.files = begun
	u = usage(e)
	if u.GetCpuTime().AsDuration() != 1500*time.Millisecond || u.GetElapsed().AsDuration() != 10*time.Second {
		t.Errorf("without a record: %v", u)
	}
	e.account = nil
	if u := usage(e); u != nil {
		t.Errorf("without anything: %v", u)
	}
}

package slurm

import (
	"strings"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func TestPhaseOf(t *testing.T) {
	for in, want := range map[string]phase{
		"PENDING": pending, "CONFIGURING": pending, "REQUEUED": pending, "SPECIAL_EXIT": pending,
		"RUNNING": running, "COMPLETING": running, "SUSPENDED": running, "STAGE_OUT": running,
		"COMPLETED": completed, "FAILED": failed, "CANCELLED": cancelled, "CANCELLED by 0": unknown, // the uid is cut off before
		"TIMEOUT": timedOut, "DEADLINE": timedOut, "OUT_OF_MEMORY": outOfMemory, "NODE_FAIL": nodeFailed, "BOOT_FAIL": nodeFailed,
		"PREEMPTED": preempted, "REVOKED": revoked,
		"REQUEUE_FED": pending, "REQUEUE_HOLD": pending, "RESV_DEL_HOLD": pending, "EXPEDITING": pending, // the last since 25.11
		"STOPPED": running, "RESIZING": running, "SIGNALING": running,
		"PENDING,EXPEDITING": pending, "RUNNING,POWER_UP_NODE": running, "CONFIGURING,POWER_UP_NODE": pending, "TIMEOUT,UPDATE_DB": timedOut,
		"COMPLETED+COMPLETING": running, "NODE_FAIL,COMPLETING,REQUEUED": pending,
		"COMPLETED,COMPLETING": running, "COMPLETING|FAILED": running, "FAILED,REQUEUED": pending, "RUNNING,STOPPED": running,
		"FAILED,LAUNCH_FAILED": failed, "LAUNCH_FAILED": unknown, "RUNNING,NEW_FLAG": unknown,
		"": unknown, "running": unknown, "BRAND_NEW": unknown,
	} {
		if got := phaseOf(in); got != want {
			t.Errorf("phaseOf(%q) = %d, want %d", in, got, want)
		}
	}
}

func TestEveryReasonIsExplained(t *testing.T) {
	for name, w := range reasons {
		if w.words == "" || w.reason == jobsv1.Reason_REASON_UNSPECIFIED || !strings.HasSuffix(w.words, ".") {
			t.Errorf("%q is explained as %+v", name, w)
		}
		if w.never != strings.HasSuffix(w.words, "it can never start.") {
			t.Errorf("%q says of waiting for ever: %v, %q", name, w.never, w.words)
		}
	}
	for in, want := range map[string]jobsv1.Reason{
		"Resources": resources, "Priority": turn, "JobHeldAdmin": held, "job requeued in held state": held, "launch failed requeued held": held,
		"ReqNodeNotAvail, UnavailableNodes:n[1-2]": resources, "AssocGrpCpuLimit": turn, "QOSMaxJobsPerUserLimit": turn,
		"Nodes required for job are DOWN, DRAINED or reserved": resources, "user env retrieval failed requeued held": held, "BrandNewReason": resources,
	} {
		if got := whyPending(in); got.reason != want || got.words == "" || got.never {
			t.Errorf("whyPending(%q) = %+v, want reason %v", in, got, want)
		}
	}
	if got := whyPending("Brand\x1bNew\nReason").words; strings.ContainsAny(got, "\x1b\n") {
		t.Errorf("the cluster's words reach the user as %q", got)
	}
}

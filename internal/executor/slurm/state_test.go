package slurm

import (
	"strings"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor/batch"
)

func TestPhaseOf(t *testing.T) {
	for in, want := range map[string]batch.Phase{
		"PENDING": batch.Pending, "CONFIGURING": batch.Pending, "REQUEUED": batch.Pending, "SPECIAL_EXIT": batch.Pending,
		"RUNNING": batch.Running, "COMPLETING": batch.Running, "SUSPENDED": batch.Running, "STAGE_OUT": batch.Running,
		"COMPLETED": batch.Completed, "FAILED": batch.Failed, "CANCELLED": batch.Cancelled, "CANCELLED by 0": batch.Unknown, // the uid is cut off before
		"TIMEOUT": batch.TimedOut, "DEADLINE": batch.TimedOut, "OUT_OF_MEMORY": batch.OutOfMemory, "NODE_FAIL": batch.NodeFailed, "BOOT_FAIL": batch.NodeFailed,
		"PREEMPTED": batch.Preempted, "REVOKED": batch.Revoked,
		"REQUEUE_FED": batch.Pending, "REQUEUE_HOLD": batch.Pending, "RESV_DEL_HOLD": batch.Pending, "EXPEDITING": batch.Pending, // the last since 25.11
		"STOPPED": batch.Running, "RESIZING": batch.Running, "SIGNALING": batch.Running,
		"PENDING,EXPEDITING": batch.Pending, "RUNNING,POWER_UP_NODE": batch.Running, "CONFIGURING,POWER_UP_NODE": batch.Pending, "TIMEOUT,UPDATE_DB": batch.TimedOut,
		"COMPLETED+COMPLETING": batch.Running, "NODE_FAIL,COMPLETING,REQUEUED": batch.Pending,
		"COMPLETED,COMPLETING": batch.Running, "COMPLETING|FAILED": batch.Running, "FAILED,REQUEUED": batch.Pending, "RUNNING,STOPPED": batch.Running,
		"FAILED,LAUNCH_FAILED": batch.Failed, "LAUNCH_FAILED": batch.Unknown, "RUNNING,NEW_FLAG": batch.Unknown,
		"": batch.Unknown, "running": batch.Unknown, "BRAND_NEW": batch.Unknown,
	} {
		if got := phaseOf(in); got != want {
			t.Errorf("phaseOf(%q) = %d, want %d", in, got, want)
		}
	}
}

func TestEveryReasonIsExplained(t *testing.T) {
	for name, w := range reasons {
		if w.Words == "" || w.Reason == jobsv1.Reason_REASON_UNSPECIFIED || !strings.HasSuffix(w.Words, ".") {
			t.Errorf("%q is explained as %+v", name, w)
		}
		if w.Never != strings.HasSuffix(w.Words, "it can never start.") {
			t.Errorf("%q says of waiting for ever: %v, %q", name, w.Never, w.Words)
		}
	}
	for in, want := range map[string]jobsv1.Reason{
		"Resources": resources, "Priority": turn, "JobHeldAdmin": held, "job requeued in held state": held, "launch batch.Failed requeued held": held,
		"ReqNodeNotAvail, UnavailableNodes:n[1-2]": resources, "AssocGrpCpuLimit": turn, "QOSMaxJobsPerUserLimit": turn,
		"Nodes required for job are DOWN, DRAINED or reserved": resources, "user env retrieval batch.Failed requeued held": held, "BrandNewReason": resources,
	} {
		if got := whyPending(in); got.Reason != want || got.Words == "" || got.Never {
			t.Errorf("whyPending(%q) = %+v, want reason %v", in, got, want)
		}
	}
	if got := whyPending("Brand\x1bNew\nReason").Words; strings.ContainsAny(got, "\x1b\n") {
		t.Errorf("the cluster's words reach the user as %q", got)
	}
}

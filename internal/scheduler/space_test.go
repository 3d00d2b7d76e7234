package scheduler_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
)

var errDiskFull = &executor.Failure{Reason: jobsv1.Reason_REASON_DISK_FULL, Message: "full"}

// A job that the disk has no room for was acknowledged, so it waits, however long that takes. It has
// one attempt then, and its history does not grow with each try.
func TestAJobWaitsForSpaceInsteadOfFailing(t *testing.T) {
	inWorld(t, func(w *world) {
		var tries atomic.Int64
		var room atomic.Bool
		w.preparing(func(p preparation) error {
			if p.job.GetOwner() == "ann" && !room.Load() {
				tries.Add(1)
				return errDiskFull
			}
			return nil
		})
		w.start()
		id, other := w.submit("ann", "nothing"), w.submit("bob", "nothing")
		w.pass(10 * time.Minute)
		w.want(other, completed, noReason)
		j := w.job(id)
		if j.GetState() != queued || j.GetReason() != jobsv1.Reason_REASON_WAITING_FOR_SPACE || !strings.Contains(j.GetMessage(), "room") {
			t.Errorf("%v %v %q", j.GetState(), j.GetReason(), j.GetMessage())
		}
		if n := len(j.GetHistory()); tries.Load() < 8 || len(j.GetAttempts()) > 1 || n > 4 {
			t.Errorf("%d tries left %d attempts and %d changes: %v", tries.Load(), len(j.GetAttempts()), n, j.GetHistory())
		}
		room.Store(true)
		w.pass(2 * time.Minute)
		w.want(id, completed, noReason)
		if a := w.job(id).GetAttempts(); len(a) != 1 || a[0].GetNumber() != 1 {
			t.Errorf("attempts %v", a)
		}
	})
}

// What holds all jobs says why this one waits, too.
func TestAJobThatWaitsForSpaceSaysWhatIsFree(t *testing.T) {
	inWorld(t, func(w *world) {
		w.preparing(func(preparation) error {
			w.hold("Waiting for room: 1 MiB is free.")
			return errDiskFull
		})
		w.start()
		id := w.submit("ann", "nothing")
		w.pass(time.Minute)
		if j := w.job(id); j.GetReason() != jobsv1.Reason_REASON_WAITING_FOR_SPACE || j.GetMessage() != w.holding() {
			t.Errorf("%v %q", j.GetReason(), j.GetMessage())
		}
		w.hold("")
		w.preparing(func(preparation) error { return nil })
		w.wake <- struct{}{}
		w.pass(time.Minute)
		w.want(id, completed, noReason)
	})
}

func TestAJobThatWaitsForSpaceCanBeCancelled(t *testing.T) {
	for _, during := range []bool{false, true} {
		inWorld(t, func(w *world) {
			w.preparing(func(p preparation) error {
				if during {
					id, err := job.ParseID(p.job.GetId())
					if err != nil {
						return err
					}
					w.wish(id)
				}
				return errDiskFull
			})
			w.start()
			id := w.submit("ann", "nothing")
			w.pass(10 * time.Second)
			if !during {
				w.wish(id)
				w.pass(2 * time.Minute)
			}
			w.want(id, jobsv1.State_STATE_CANCELLED, jobsv1.Reason_REASON_CANCELLED_BY_OWNER)
		})
	}
}

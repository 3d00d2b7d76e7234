package scheduler_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// A job whose copies have no room yet says so, unless all jobs are held.
func TestAJobWaitsForRoomForItsCopies(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		w.preparing(func(preparation) error {
			return &executor.Failure{Reason: jobsv1.Reason_REASON_DISK_FULL, Message: "Its copies take 3 GB.", Err: job.ErrNoSpace}
		})
		id := w.submit("ann", "nothing")
		w.pass(time.Hour)
		if j := w.want(id, queued, jobsv1.Reason_REASON_WAITING_FOR_SPACE); j.GetMessage() != "Its copies take 3 GB." || len(j.GetAttempts()) != 1 {
			t.Errorf("it waits with %q and has %d attempts", j.GetMessage(), len(j.GetAttempts()))
		}
		w.preparing(func(preparation) error { return nil })
		w.pass(2 * time.Minute)
		w.want(id, completed, noReason)
		w.runs(id, 1)
	})
}

// A copy that takes long is told of, and ends when the job is cancelled.
func TestAPreparationIsToldOfAndCancelled(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		w.preparing(func(p preparation) error {
			p.tell("Copying the file /a: 1 of 2.")
			<-p.ctx.Done()
			return context.Cause(p.ctx)
		})
		id := w.submit("ann", "nothing")
		w.pass(time.Hour)
		if j := w.want(id, jobsv1.State_STATE_QUEUED, noReason); j.GetMessage() != "Copying the file /a: 1 of 2." {
			t.Errorf("it says %q", j.GetMessage())
		}
		w.wish(id)
		w.pass(time.Millisecond)
		w.want(id, jobsv1.State_STATE_CANCELLED, jobsv1.Reason_REASON_CANCELLED_BY_OWNER)
		w.runs(id, 0)
	})
}

// What of its folders a job is not given is on the job before its command runs, and stays there.
func TestAJobSaysWhatItIsNotGiven(t *testing.T) {
	inWorld(t, func(w *world) {
		const words = "Left out of the folder /d, given for the parameter dir: \"out\"."
		w.leftOut = words
		w.start()
		id := w.submit("ann", "minute")
		w.pass(time.Second)
		if j := w.want(id, jobsv1.State_STATE_RUNNING, noReason); j.GetInputNote() != words {
			t.Errorf("while it runs: %q", j.GetInputNote())
		}
		w.pass(time.Hour)
		if j := w.want(id, completed, noReason); j.GetInputNote() != words {
			t.Errorf("after its end: %q", j.GetInputNote())
		}
		w.leftOut = ""
		whole := w.submit("ann", "nothing")
		w.pass(time.Hour)
		if j := w.want(whole, completed, noReason); j.GetInputNote() != "" {
			t.Errorf("of a job that was given all: %q", j.GetInputNote())
		}
	})
}

// A copy of results that takes long is told of, while the job is in the state that it had.
func TestACopyOfResultsIsToldOf(t *testing.T) {
	inWorld(t, func(w *world) {
		var told []string
		w.copying = func(id string, tell func(string)) {
			tell("Copying the results into the workspace: 1 of 2.")
			number, err := job.ParseID(id)
			if err != nil {
				t.Error(err)
			}
			j, err := w.store.Get(store.Everyone, number)
			told = append(told, fmt.Sprint(j.GetState(), " ", j.GetMessage(), " ", err))
		}
		w.start()
		id := w.submit("ann", "minute")
		w.pass(time.Hour)
		if j := w.want(id, completed, noReason); j.GetMessage() != "" || len(told) != 1 || told[0] != "STATE_RUNNING Copying the results into the workspace: 1 of 2. <nil>" {
			t.Errorf("while it was copied it said %q, and in the end %q", told, j.GetMessage())
		}
	})
}

// The end of the server in the middle of a preparation says nothing about the job.
func TestAPreparationIsDoneAgainByTheNextServer(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		w.preparing(func(p preparation) error {
			<-p.ctx.Done()
			return context.Cause(p.ctx)
		})
		id := w.submit("ann", "nothing")
		w.pass(time.Minute)
		w.stop()
		w.preparing(func(preparation) error { return nil })
		w.start()
		w.pass(time.Hour)
		w.want(id, completed, noReason)
		w.runs(id, 1)
	})
}

// What an attempt was given is taken back when it has ended, however it did, and not before that is stored.
func TestAnAttemptIsReleasedAtItsEnd(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		good, bad := w.submit("ann", "nothing"), w.submit("ann", "fail")
		w.pass(time.Hour)
		w.want(good, completed, noReason)
		w.want(bad, failed, jobsv1.Reason_REASON_EXIT_NONZERO)
		for _, name := range []string{good.String() + "/1 COMPLETED", bad.String() + "/1 FAILED"} {
			if w.released[name] != 1 {
				t.Errorf("released %v, want %s once", w.released, name)
			}
		}
	})
}

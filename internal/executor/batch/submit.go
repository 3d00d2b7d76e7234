package batch

import (
	"context"
	"errors"
	"time"

	"github.com/stint-jobs/stint/internal/workdir"
)

// submitGrace is how much longer a submission may take once the server wants to
// stop: an answer is worth more than the doubt that killing it leaves.
const submitGrace = 5 * time.Second

// submit hands over an attempt that was prepared and that the cluster does not have, and notes what came of it.
// The caller has claimed the attempt.
func (c *Cluster) submit(ctx context.Context, tok token, dir workdir.Attempt) Submitted {
	select {
	case c.submits <- struct{}{}:
		defer func() { <-c.submits }()
	case <-ctx.Done():
		return Submitted{Outcome: Unavailable, Err: ctx.Err()}
	}
	script, err := dir.ReadFile(scriptName)
	if err != nil {
		return Submitted{Outcome: Unavailable, Err: err}
	}
	s, err := readSubmission(dir)
	if err != nil {
		return Submitted{Outcome: Unavailable, Err: err}
	}
	var result Submitted
	if hold, open := c.gates.enter(s.Queue); open {
		if s.Absent { // it may be there from now on, also if this process ends here
			s.Absent = false
			if err := writeSubmission(dir, s); err != nil {
				return Submitted{Outcome: Unavailable, Err: err}
			}
		}
		result = c.handOver(ctx, s.Plan, script)
		c.gates.learn(s.Queue, result)
	} else {
		result = Submitted{Outcome: Deferred, Err: errClosed, Hold: hold}
	}
	c.note(tok, dir, s, result)
	c.mu.Lock()
	c.ended[tok] = time.Now()
	c.mu.Unlock()
	if result.Outcome != Deferred { // else there is nothing to see
		c.poller.hasten()
	}
	return result
}

var errClosed = errors.New("the cluster takes no such jobs for now")

// handOver calls the engine, whose answer is waited for a moment even when ctx has ended.
func (c *Cluster) handOver(ctx context.Context, p Plan, script []byte) Submitted {
	callCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(submitGrace, stop) })()
	return c.engine.Submit(callCtx, p, script)
}

// note keeps what came of a submission. Nothing depends on it being kept: polls find jobs by their names.
func (c *Cluster) note(tok token, dir workdir.Attempt, s submission, result Submitted) {
	s.ID, s.Hold, s.Words = result.ID, result.Hold, result.Words
	var err error
	switch result.Outcome {
	case Refused:
		end := conclusion{Refused: true}
		end.Code, end.Reason, end.Message = -1, "SUBMIT_REJECTED", result.Message
		err = writeEnd(dir, end)
	case Uncertain:
		if result.Hold == (Hold{}) {
			s.Tries++
		}
		err = writeSubmission(dir, s)
	case Accepted:
		err = writeSubmission(dir, s)
	case Unavailable, Deferred:
		s.Absent = true
		err = writeSubmission(dir, s)
	}
	if err != nil {
		c.log.Warn("note what came of a submission", "token", tok.String(), "error", err)
	}
}

package batch

import (
	"context"
	"time"

	"github.com/stint-jobs/stint/internal/workdir"
)

// submitGrace is how much longer a submission may take once the server wants to
// stop: an answer is worth more than the doubt that killing it leaves.
const submitGrace = 5 * time.Second

// submit hands over an attempt that was prepared and notes what came of it. The caller has claimed the attempt.
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
	callCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(submitGrace, stop) })()
	result := c.engine.Submit(callCtx, s.Plan, script)
	c.mu.Lock()
	c.ended[tok] = time.Now()
	c.mu.Unlock()
	c.note(tok, dir, s, result)
	c.poller.hasten()
	return result
}

// note keeps what came of a submission. Nothing depends on it being kept: polls find jobs by their names.
func (c *Cluster) note(tok token, dir workdir.Attempt, s submission, result Submitted) {
	s.ID, s.Full = result.ID, result.Full
	var err error
	switch result.Outcome {
	case Refused:
		end := conclusion{Refused: true}
		end.Code, end.Reason, end.Message = -1, "SUBMIT_REJECTED", result.Message
		err = writeEnd(dir, end)
	case Uncertain:
		if !result.Full {
			s.Tries++
		}
		err = writeSubmission(dir, s)
	case Accepted, Unavailable:
		err = writeSubmission(dir, s)
	}
	if err != nil {
		c.log.Warn("note what came of a submission", "token", tok.String(), "error", err)
	}
}

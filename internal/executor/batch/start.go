package batch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workdir"
)

// Start hands an attempt to the cluster. It returns the handle also when it is not
// known whether the cluster took it: Wait finds that out, and submits it again should it turn out to be absent.
func (c *Cluster) Start(ctx context.Context, t executor.Task) (executor.Handle, error) {
	tok, err := c.token(t)
	if err != nil {
		return "", err
	}
	release, err := c.claim(ctx, tok)
	if err != nil {
		return "", err
	}
	defer release()
	if t.Dir.Has(intentName) {
		return c.startedBefore(tok, t.Dir)
	}
	if err := checkWords(t.Command.Argv, t.Command.Env); err != nil {
		return "", &executor.Failure{
			Reason: jobsv1.Reason_REASON_LAUNCH_FAILED, Message: "The command cannot be handed to the cluster: " + Plain(err.Error()) + ".",
		}
	}
	if _, since := c.poller.now(); !since.IsZero() {
		return "", fmt.Errorf("submit %s: %w since %s", tok, executor.ErrUnavailable, since.UTC().Format(time.RFC3339))
	}
	var refusal *RefusalError
	switch err := c.prepare(tok, t); {
	case errors.As(err, &refusal):
		return "", rejected(refusal.Message)
	case err != nil:
		return "", &executor.Failure{
			Reason: jobsv1.Reason_REASON_LAUNCH_FAILED, Message: "The job's folder could not be made ready.", Err: err,
		}
	}
	return c.startPrepared(ctx, tok, t.Dir)
}

// startPrepared submits for the first time.
func (c *Cluster) startPrepared(ctx context.Context, tok token, dir workdir.Attempt) (executor.Handle, error) {
	result := c.submit(ctx, tok, dir)
	switch result.Outcome {
	case Refused:
		return "", rejected(result.Message)
	case Unavailable:
		if err := dir.RemoveFile(intentName); err != nil { // the cluster does not have it, and nothing is to look as if it did
			return "", err
		}
		return "", fmt.Errorf("submit %s: %w: %w", tok, executor.ErrUnavailable, result.Err)
	case Uncertain:
		c.log.Warn("submission without a clear answer", "token", tok.String(), "error", result.Err)
	case Accepted, Deferred:
	}
	return tok.handle(), nil
}

// startedBefore returns the handle of an attempt that was started before.
func (c *Cluster) startedBefore(tok token, dir workdir.Attempt) (executor.Handle, error) {
	if e, ok := readEnd(dir); ok && e.Refused {
		return "", rejected(e.Message)
	}
	return tok.handle(), nil
}

func rejected(message string) *executor.Failure {
	return &executor.Failure{Reason: jobsv1.Reason_REASON_SUBMIT_REJECTED, Message: message}
}

// Find returns the handle of an attempt that was ever submitted: whether the cluster has it, Wait finds out.
// Before that call there is a mark in the attempt's folder; without it the cluster never heard of the attempt.
func (c *Cluster) Find(ctx context.Context, t executor.Task) (executor.Handle, error) {
	tok, err := c.token(t)
	if err != nil {
		return "", err
	}
	release, err := c.claim(ctx, tok)
	if err != nil {
		return "", err
	}
	defer release()
	if !t.Dir.Has(intentName) {
		return "", fmt.Errorf("find %s: %w", tok, executor.ErrNotFound)
	}
	return c.startedBefore(tok, t.Dir)
}

func (c *Cluster) token(t executor.Task) (token, error) {
	id, err := job.ParseID(t.Job.GetId())
	if err != nil {
		return token{}, err
	}
	return token{install: c.cfg.InstallID, job: id, attempt: t.Attempt}, nil
}

// attempt is the folder of the attempt that a handle names.
func (c *Cluster) attempt(h executor.Handle) (token, workdir.Attempt, error) {
	tok, err := parseToken(c.cfg.InstallID, string(h))
	if err != nil {
		return token{}, workdir.Attempt{}, err
	}
	return tok, c.cfg.Folders.Job(tok.job).Attempt(tok.attempt), nil
}

// claim keeps two callers from submitting one attempt at the same time; the second waits.
func (c *Cluster) claim(ctx context.Context, tok token) (release func(), err error) {
	mine := make(chan struct{})
	for {
		c.mu.Lock()
		other, taken := c.starting[tok]
		if !taken {
			c.starting[tok] = mine
			c.mu.Unlock()
			return func() {
				c.mu.Lock()
				delete(c.starting, tok)
				c.mu.Unlock()
				close(mine)
			}, nil
		}
		c.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// claimed reports whether a submission of the attempt goes on, and when the last one ended.
func (c *Cluster) claimed(tok token) (goesOn bool, ended time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, goesOn = c.starting[tok]
	return goesOn, c.ended[tok]
}

// prepare writes what the script and another submission need, and then the durable intent.
func (c *Cluster) prepare(tok token, t executor.Task) error {
	plan, err := c.engine.Plan(Request{Name: tok.String(), Log: t.Dir.Path() + "/" + logName, Task: t})
	if err == nil {
		err = errors.Join(
			c.writeCommand(t.Dir, tok, t.Command),
			writeSubmission(t.Dir, submission{
				Plan: plan, Program: t.Command.Argv[0], Time: time.Now(),
				CPUs: t.Command.Resources.GetCpus(), MemoryBytes: t.Command.Resources.GetMemoryBytes(),
			}),
		)
	}
	if err == nil {
		err = t.Dir.Mark(intentName)
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("another process starts it: %w", err)
	}
	return err
}

// writeCommand writes what is run: the script, the command, and the token of the job.
func (c *Cluster) writeCommand(a workdir.Attempt, tok token, cmd executor.Command) error {
	err := errors.Join(a.WriteFile(commandName, []byte(commandFile(cmd))), a.WriteFile(scriptName, []byte(script(a.Path(), tok, c.traits))))
	if _, secret := splitToken(cmd.Env); secret != "" {
		err = errors.Join(err, a.WriteFile(tokenName, []byte(secret+"\n")))
	}
	return err
}

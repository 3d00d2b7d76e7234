package slurm

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

// Start hands an attempt to Slurm. It answers the handle also when it is not
// known whether Slurm took it: Wait finds that out, and submits it again should it turn out to be absent.
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
		return c.known(tok, t.Dir)
	}
	if err := checkWords(t.Command.Argv, t.Command.Env); err != nil {
		return "", &executor.Failure{
			Reason: jobsv1.Reason_REASON_LAUNCH_FAILED, Message: "The command cannot be handed to the cluster: " + plain(err.Error()) + ".",
		}
	}
	if _, since := c.poller.now(); !since.IsZero() {
		return "", fmt.Errorf("submit %s: %w since %s", tok, executor.ErrUnavailable, since.UTC().Format(time.RFC3339))
	}
	if err := c.prepare(tok, t); err != nil {
		return "", &executor.Failure{
			Reason: jobsv1.Reason_REASON_LAUNCH_FAILED, Message: "The job's folder could not be made ready.", Err: err,
		}
	}
	return c.startPrepared(ctx, tok, t.Dir)
}

// startPrepared calls sbatch for the first time.
func (c *Cluster) startPrepared(ctx context.Context, tok token, dir workdir.Attempt) (executor.Handle, error) {
	result := c.submit(ctx, tok, dir)
	switch result.outcome {
	case refused:
		return "", result.failure
	case unavailable:
		if err := dir.RemoveFile(intentName); err != nil { // Slurm does not have it, and nothing is to look as if it did
			return "", err
		}
		return "", fmt.Errorf("submit %s: %w: %w", tok, executor.ErrUnavailable, result.err)
	case uncertain:
		c.log.Warn("submission without a clear answer", "token", tok.String(), "error", result.err)
	case accepted:
	}
	return tok.handle(), nil
}

// known answers for an attempt that was started before.
func (c *Cluster) known(tok token, dir workdir.Attempt) (executor.Handle, error) {
	if e, ok := readEnd(dir); ok && e.Refused {
		return "", &executor.Failure{Reason: jobsv1.Reason_REASON_SUBMIT_REJECTED, Message: e.Message}
	}
	return tok.handle(), nil
}

// Find answers the handle of an attempt for which sbatch was ever called: whether Slurm has it, Wait finds out.
// Before that call there is a mark in the attempt's folder; without it Slurm never heard of the attempt.
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
	return c.known(tok, t.Dir)
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

// claimed says whether a submission of the attempt goes on, and when the last one ended.
func (c *Cluster) claimed(tok token) (goesOn bool, ended time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, goesOn = c.starting[tok]
	return goesOn, c.ended[tok]
}

// prepare writes what the script and another submission need, and then the durable intent.
func (c *Cluster) prepare(tok token, t executor.Task) error {
	args, err := c.arguments(tok, t)
	if err == nil {
		err = errors.Join(
			writeCommand(t.Dir, tok, t.Command),
			writeSubmission(t.Dir, submission{
				Args: args, Program: t.Command.Argv[0], Time: time.Now(),
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
func writeCommand(a workdir.Attempt, tok token, c executor.Command) error {
	err := errors.Join(a.WriteFile(commandName, []byte(commandFile(c))), a.WriteFile(scriptName, []byte(script(a.Path(), tok))))
	if _, secret := splitToken(c.Env); secret != "" {
		err = errors.Join(err, a.WriteFile(tokenName, []byte(secret+"\n")))
	}
	return err
}

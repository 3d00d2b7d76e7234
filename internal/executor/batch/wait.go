package batch

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/workdir"
)

// lookAgain is how often an attempt that seems over is looked at while its files or figures are still missing.
const lookAgain = time.Second

// Wait follows an attempt to its end. It looks whenever a poll has news, decides, and acts.
func (c *Cluster) Wait(ctx context.Context, h executor.Handle, observe func(executor.Observation)) (executor.Exit, error) {
	tok, dir, err := c.attempt(h)
	if err != nil {
		return executor.Exit{}, fmt.Errorf("wait for %s: %w: %w", h, executor.ErrLost, err)
	}
	if !dir.Exists() {
		return executor.Exit{}, fmt.Errorf("wait for %s: its folder is gone: %w", h, executor.ErrLost)
	}
	news, done := c.poller.follow()
	defer done()
	f := &follower{c: c, tok: tok, dir: dir, news: news, observe: observe}
	f.load()
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		if e, over := f.look(ctx); over {
			return f.answer(e)
		}
		var again <-chan time.Time
		if !f.ended.IsZero() {
			again = tick.C
		}
		select {
		case <-ctx.Done():
			return executor.Exit{}, fmt.Errorf("wait for %s: %w", h, ctx.Err())
		case <-news:
		case <-again:
		}
	}
}

// follower is one Wait.
type follower struct {
	history
	c       *Cluster
	tok     token
	dir     workdir.Attempt
	news    chan struct{}
	observe func(executor.Observation)
	last    executor.Observation // what was observed last

	// What the folder had when it was last read. It is read when it may have
	// changed: a thousand waiting jobs should not cost a thousand reads a poll.
	files      files
	submission submission
	submitted  time.Time // by then submission had been read
	never      string
}

// load reads what does not change but by this process.
func (f *follower) load() {
	f.submission, _ = readSubmission(f.dir)
	if never, err := f.dir.ReadFile(neverName); err == nil {
		f.never = string(never)
	}
	if f.dir.Has(wishName) {
		f.c.wish(f.tok)
	}
}

// look takes in what is known, decides, and acts. The last result reports whether the attempt is over.
func (f *follower) look(ctx context.Context) (conclusion, bool) {
	if f.last.State == jobsv1.State_STATE_UNSPECIFIED || !f.ended.IsZero() {
		if e, ok := readEnd(f.dir); ok { // known from before, or by another Wait
			return e, true
		}
	}
	f.patience = f.c.patience()
	s, since := f.gather()
	if !since.IsZero() {
		f.tell(unreachable(f.last, since))
		return conclusion{}, false
	}
	next := f.decide(s)
	if next.word != "" {
		f.c.unknownWord(next.word)
	}
	f.tell(next.seen)
	switch next.move {
	case hold:
	case ask:
		f.c.accountant.want(f.tok.String(), want{id: f.id(s), since: s.submission.Time, news: f.news})
	case probe:
		f.c.poller.probeFirst()
	case submit:
		f.resubmit(ctx)
	case giveUp:
		f.cancelForEver(ctx, next.never)
	case fenced:
		if won, err := fence(f.dir); err != nil {
			f.c.log.Warn("give an attempt up", "token", f.tok.String(), "error", err)
		} else if won {
			f.looked = false
			signal(f.news) // the next look concludes
		}
	case end:
		return f.conclude(ctx, s, next), true
	}
	return conclusion{}, false
}

// gather collects what is known, and since when the cluster cannot be reached.
func (f *follower) gather() (facts, time.Time) {
	v, since := f.c.poller.now()
	s := facts{
		now: time.Now(), streak: v.streak, dir: f.dir.Path(), rows: v.rows[f.tok.String()],
		findings: f.c.accountant.findings(f.tok.String()), wished: f.c.wished(f.tok), never: f.never, files: f.files,
	}
	if !v.broken {
		s.began = v.began
	}
	s.inFlight, s.submitted = f.c.claimed(f.tok)
	if s.submitted.After(f.submitted) {
		f.submitted = s.submitted
		f.submission, _ = readSubmission(f.dir)
	}
	s.submission, s.known = f.submission, v.first
	if d, ok := f.c.engine.(Doubter); ok {
		s.doubt = d.Mistaken
	}
	f.drop(&s)
	if !s.began.IsZero() && f.wantsFiles(s) {
		f.files, f.looked = look(f.dir, f.c.traits.EndedForMemory), true
		s.files = f.files
	}
	return s, since
}

// id is the job's, where it is known.
func (f *follower) id(s facts) string {
	if s.files.owner != "" {
		return s.files.owner
	}
	if r, ok := s.current(); ok {
		return r.ID
	}
	return s.submission.ID
}

// tell passes on what is new.
func (f *follower) tell(o *executor.Observation) {
	if o == nil || sameNews(f.last, *o) {
		return
	}
	f.last = *o
	f.observe(*o)
}

// sameNews reports whether b tells nothing new after a. A cluster with many waiting
// jobs guesses their starts anew all the time; only a guess that is quite another one is news.
func sameNews(a, b executor.Observation) bool {
	if a.ExpectedStart.IsZero() == b.ExpectedStart.IsZero() {
		moved := b.ExpectedStart.Sub(a.ExpectedStart).Abs()
		if moved < max(time.Minute, time.Until(b.ExpectedStart)/10) {
			b.ExpectedStart = a.ExpectedStart
		}
	}
	return a == b
}

// resubmit hands an attempt that got lost to the cluster again, under the same token.
func (f *follower) resubmit(ctx context.Context) {
	release, err := f.c.claim(ctx, f.tok)
	if err != nil {
		return
	}
	defer release()
	if hold, open := f.c.gates.look(f.submission.Queue); !open {
		f.submission.Hold = hold // for whoever looks next; there is nothing to store
		return
	}
	level := slog.LevelWarn
	if f.submission.Hold != (Hold{}) {
		level = slog.LevelDebug // for hours, perhaps, and as expected
	}
	f.c.log.Log(ctx, level, "submit an attempt again that the cluster does not have", "token", f.tok.String())
	f.absent, f.seen, f.ran, f.looked = time.Time{}, false, false, false
	result := f.c.submit(ctx, f.tok, f.dir)
	f.submission, _ = readSubmission(f.dir) // whatever time it is: what was absent may be there now
	switch result.Outcome {
	case Uncertain, Unavailable:
		f.c.log.Log(ctx, level, "submission without success", "token", f.tok.String(), "error", result.Err)
	case Refused:
		f.ended = time.Now() // the end is written
	case Accepted, Deferred:
	}
	if result.Outcome == Unavailable {
		f.retry = time.Now().Add(f.confirm)
	}
	signal(f.news)
}

// cancelForEver cancels a job that can never start, having noted why.
func (f *follower) cancelForEver(ctx context.Context, reason string) {
	if err := f.dir.WriteFile(neverName, []byte(reason)); err != nil {
		f.c.log.Warn("note why a job can never start", "token", f.tok.String(), "error", err)
		return
	}
	f.never = reason
	if !f.c.mayAsk(f.tok) {
		return
	}
	if err := f.c.cancel(ctx, f.tok, f.last.EngineID); err != nil {
		f.c.log.Warn("cancel a job that can never start", "token", f.tok.String(), "error", err)
	}
}

// conclude keeps how the attempt ended, for whoever waits again, and clears up after it.
func (f *follower) conclude(ctx context.Context, s facts, over step) conclusion {
	e := conclusion{ExitRecord: over.exit.Record(), EngineState: over.exit.EngineState, Lost: over.lost}
	if err := writeEnd(f.dir, e); err != nil {
		f.c.log.Warn("note how an attempt ended", "token", f.tok.String(), "error", err)
	}
	for _, r := range s.rows {
		if !r.Phase.Terminal() { // a second submission, which would run nothing
			if err := f.c.cancel(ctx, f.tok, r.ID); err != nil {
				f.c.log.Warn("cancel a second submission", "token", f.tok.String(), "error", err)
			}
		}
	}
	if err := f.dir.EmptyTmp(); err != nil {
		f.c.log.Warn("clear up after an attempt", "token", f.tok.String(), "error", err)
	}
	f.c.forget(f.tok)
	return e
}

// answer is what Wait returns for an end.
func (f *follower) answer(e conclusion) (executor.Exit, error) {
	if e.Lost {
		return executor.Exit{}, fmt.Errorf("wait for %s: %w", f.tok, executor.ErrLost)
	}
	exit, ok := e.exit()
	if !ok {
		return executor.Exit{}, fmt.Errorf("wait for %s: its end is told in words of another version: %w", f.tok, executor.ErrLost)
	}
	return exit, nil
}

// forget drops what is kept in memory of an attempt that is over.
func (c *Cluster) forget(tok token) {
	c.accountant.forget(tok.String())
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ended, tok)
	delete(c.asked, tok)
	delete(c.wishes, tok)
}

// unknownWord notes, once, a state that this version does not know.
func (c *Cluster) unknownWord(word string) {
	c.mu.Lock()
	known := c.words[word]
	c.words[word] = true
	c.mu.Unlock()
	if !known {
		c.log.Warn("the cluster shows a state that is not known; jobs in it keep their last one", "state", word)
	}
}

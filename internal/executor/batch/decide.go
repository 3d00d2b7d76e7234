package batch

import (
	"fmt"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
)

// facts are all that is known of an attempt at one moment.
type facts struct {
	now time.Time
	// began is when the latest good poll began, zero before the first; streak is
	// when the first of the unbroken series of good polls up to it began.
	began, streak time.Time
	rows          []Row // with the attempt's token, in that poll
	files         files
	findings      findings
	submission    submission
	submitted     time.Time // when the last submission ended, in this process
	inFlight      bool      // whether one goes on
	wished        bool      // somebody asked for the attempt to be cancelled
	never         string    // why Stint itself cancelled it, in plain words
	dir           string
	known         time.Time // when the cluster first answered this process
	doubt         func(e Ending) (mistaken, fresh bool)
}

// findings are what accounting said of an attempt.
type findings struct {
	off      bool      // the cluster has no accounting
	asked    time.Time // when the latest answer was asked for; zero without one
	accounts []Account // with the attempt's token
}

// final is the account of the job, or of the latest one where id is empty, if it is over.
func (l findings) final(id string) *Account {
	for i := len(l.accounts) - 1; i >= 0; i-- {
		a := &l.accounts[i]
		if id != "" && a.ID != id {
			continue
		}
		// While accounting lags it shows failures without a code, which come later.
		if !a.Phase.Terminal() || a.End.IsZero() || a.Phase == Failed && a.Code == 0 && a.Signal == 0 {
			return nil
		}
		return a
	}
	return nil
}

// nodeFailed reports whether an earlier run of the job ended with its node.
func (l findings) nodeFailed(id string) bool {
	for _, a := range l.accounts {
		if a.ID == id && a.Phase == NodeFailed {
			return true
		}
	}
	return false
}

// patience is how long what is missing may stay so.
type patience struct {
	confirm time.Duration // an attempt absent from all polls of so long a time is not in the cluster
	settle  time.Duration // files of a run that is over take so long to be seen through a shared file system
	usage   time.Duration // the figures of accounting are waited for so long
	lost    time.Duration // an attempt that began and is not seen any more is given up after so long
	never   time.Duration // so long may a job wait for a reason that never passes
	tries   int           // how often a submission may leave an attempt in doubt
	sample  time.Duration // so often the cluster samples what jobs use
}

// move is what to do about an attempt.
type move int

const (
	hold   move = iota // nothing
	ask                // ask accounting
	probe              // find out anew what the cluster is
	submit             // hand it over once more
	giveUp             // cancel a job that can never start
	fenced             // take the lock, so that nothing can ever run; then it is over
	end                // it is over
)

// step is one decision.
type step struct {
	move move
	// seen is to be observed; nil when there is nothing to tell.
	seen *executor.Observation
	// exit is how the attempt ended; with lost it is not known how.
	exit executor.Exit
	lost bool
	// word is a state that this version does not know.
	word string
	// never is why it can never start, in plain words.
	never string
}

// history is what has to be remembered of an attempt between two looks.
type history struct {
	patience
	absent   time.Time // began of the first poll that missed it; zero while it shows
	ended    time.Time // first look that found it over
	requeued time.Time // first look that found it pending after it had begun
	stuck    time.Time // first look that found it waiting for ever
	retry    time.Time // an attempt for which the cluster could not be reached is not submitted again before
	looked   bool      // the folder was read since the last submission
	seen     bool      // some poll showed it
	ran      bool      // some poll showed it running
	ignored  []mistake // its jobs whose ends do not count
}

// decide says what to do now. It touches nothing but the history.
func (m *history) decide(s facts) step {
	r, shown := s.current()
	switch {
	case s.files.fenced:
		return m.givenUp(s)
	case s.began.IsZero() || s.inFlight:
		return step{}
	case !shown:
		return m.missing(s)
	}
	m.absent, m.seen = time.Time{}, true
	switch p := r.Phase; {
	case p == Unknown:
		return step{word: r.State}
	case p.Terminal():
		return m.over(s, r, p)
	default:
		return m.alive(s, r, p)
	}
}

// wantsFiles reports whether the next decision needs to look into the folder.
// The polls of a thousand waiting jobs should not read a thousand folders.
func (m *history) wantsFiles(s facts) bool {
	r, shown := s.current()
	if !shown && s.submission.Absent {
		return !m.looked // nobody writes there
	}
	if !shown || !m.seen || s.submission.Tries > 0 {
		return true
	}
	p := r.Phase
	return p.Terminal() || p == Pending && (m.ran || r.Restarts > 0 || !m.requeued.IsZero())
}

// current is the row that stands for the attempt. Where a run holds the lock it
// is that run's: other rows are of a second submission, which runs nothing. Otherwise one that is not over
// is, and of these the latest.
func (s facts) current() (Row, bool) {
	var best Row
	found := false
	for _, r := range s.rows {
		if s.files.owner != "" && r.ID != s.files.owner {
			continue
		}
		over, bestOver := r.Phase.Terminal(), best.Phase.Terminal()
		if !found || bestOver && !over || bestOver == over && r.Submit.After(best.Submit) {
			best, found = r, true
		}
	}
	return best, found
}

// givenUp ends an attempt whose lock the server took.
func (m *history) givenUp(s facts) step {
	x := executor.Exit{Code: -1, EngineID: s.submission.ID}
	if s.wished {
		x.Reason = jobsv1.Reason_REASON_CANCELLED_BY_OWNER
		return step{move: end, exit: x}
	}
	if s.submission.Words == "" {
		return step{move: end, lost: true}
	}
	x.Reason = jobsv1.Reason_REASON_LOST
	x.Message = "The cluster never confirmed that it has the job. It said last: " + s.submission.Words
	return step{move: end, exit: x}
}

// missing decides about an attempt that the latest poll did not show. Nothing
// is concluded from one poll, nor from any when one between them failed.
func (m *history) missing(s facts) step {
	if s.began.Before(s.submitted) {
		return step{}
	}
	if m.absent.Before(s.streak) || m.absent.Before(s.submitted) {
		m.absent = s.began // also when it was zero
	}
	gone := s.began.Sub(m.absent)
	if a := s.findings.final(s.files.owner); a != nil {
		return m.fromAccount(s, *a)
	}
	if s.submission.Absent && !s.files.locked {
		return m.turnedAway(s)
	}
	dark := s.findings.off || gone >= m.lost // accounting is not there, or not coming back
	answered := dark || s.findings.asked.After(m.absent)
	switch {
	case s.files.record != nil && answered:
		return m.fromRecord(s)
	case gone < m.confirm:
		if m.seen || s.submission.ID != "" {
			return step{move: ask}
		}
		return step{seen: unconfirmed(s)}
	case !dark && s.findings.asked.Sub(m.absent) < m.confirm:
		return step{move: ask, seen: m.unlessSeen(unconfirmed(s))}
	}
	// Neither polls nor accounting have it, and both were asked after it could still have come.
	switch {
	case s.files.locked && gone < m.lost:
		return step{move: ask}
	case s.files.locked:
		return step{move: end, lost: true}
	case s.wished || s.submission.Tries >= m.tries || len(s.submission.Args) == 0:
		return step{move: fenced}
	default:
		return step{move: submit, seen: unconfirmed(s)}
	}
}

// turnedAway decides about an attempt that the cluster is known not to have. Nothing has to be proven
// before it is submitted again, and how often that may be is for the gate of its queue.
func (m *history) turnedAway(s facts) step {
	switch {
	case s.wished || s.submission.Tries >= m.tries || len(s.submission.Args) == 0:
		return step{move: fenced}
	case s.now.Before(m.retry):
		return step{seen: unconfirmed(s)}
	default:
		return step{move: submit, seen: unconfirmed(s)}
	}
}

// over decides about a job that the cluster shows as over.
func (m *history) over(s facts, r Row, p Phase) step {
	if m.ended.IsZero() {
		m.ended = s.now
	}
	waited := s.now.Sub(m.ended)
	left := p == Completed || p == Failed && r.Signal == 0 // what runs to its end leaves a record
	if left && s.files.record == nil && !s.files.again && s.files.note == "" && waited < m.settle {
		return step{}
	}
	a := s.findings.final(r.ID)
	if a == nil && !s.findings.off && waited < m.usage && m.wantsAccount(s, p) {
		return step{move: ask}
	}
	return m.ending(s, r, p, a)
}

// wantsAccount reports whether accounting has something to add that is worth
// waiting for: it can lag by seconds, which short jobs would feel.
func (m *history) wantsAccount(s facts, p Phase) bool {
	rec := s.files.record
	switch {
	case p == Cancelled && !s.wished && s.never == "", s.files.again:
		return true // it knows who did that
	case !s.files.locked:
		return false // nothing was used
	default: // what is over before the cluster samples it has no better figures than its record
		return rec == nil || rec.Usage == nil || m.sample > 0 && rec.Usage.ElapsedSeconds >= m.sample.Seconds()
	}
}

// fromAccount ends an attempt that only accounting still knows.
func (m *history) fromAccount(s facts, a Account) step {
	if m.ended.IsZero() {
		m.ended = s.now
	}
	p := a.Phase
	if left := p == Completed || p == Failed && a.Signal == 0; left && s.files.record == nil && !s.files.again && s.now.Sub(m.ended) < m.settle {
		return step{}
	}
	return m.ending(s, a.Row, p, &a)
}

// fromRecord ends an attempt that nobody knows any more but its own record.
func (m *history) fromRecord(s facts) step {
	rec := s.files.record
	r := Row{ID: rec.EngineID, Node: rec.Node}
	switch {
	case !rec.cut():
		return step{move: end, exit: conclude(s.evidence(r, Completed, nil))}
	case s.wished:
		return step{move: end, exit: conclude(s.evidence(r, Cancelled, nil))}
	default:
		return step{move: end, lost: true} // a node ends what its controller has forgotten
	}
}

func (s facts) evidence(r Row, p Phase, a *Account) evidence {
	return evidence{
		row: r, phase: p, files: s.files, account: a, submission: s.submission,
		dir: s.dir, wished: s.wished, never: s.never, nodeFailed: s.findings.nodeFailed(r.ID),
	}
}

// alive decides about a job that goes on.
func (m *history) alive(s facts, r Row, p Phase) step {
	m.ended = time.Time{}
	if p == Running {
		m.ran, m.requeued, m.stuck = true, time.Time{}, time.Time{}
		return step{seen: &executor.Observation{
			State: jobsv1.State_STATE_RUNNING, EngineState: r.State, EngineID: r.ID, Node: r.Node, StartTime: r.Start,
		}}
	}
	if s.files.locked && (s.files.owner == "" || s.files.owner == r.ID) {
		return m.again(s, r)
	}
	m.requeued = time.Time{}
	w := r.Waiting
	switch {
	case !w.Never:
		m.stuck = time.Time{}
	case m.stuck.IsZero():
		m.stuck = s.now
	case s.now.Sub(m.stuck) >= m.never:
		return step{move: giveUp, never: w.Words}
	}
	return step{seen: waiting(r, w)}
}

// again decides about a job that the cluster queued once more after its command had
// begun. The lock keeps it from running twice, so there is nothing to wait for; but a poll that
// is older than the start, and a controller that was restarted, show the same for a moment.
func (m *history) again(s facts, r Row) step {
	if m.requeued.IsZero() {
		m.requeued = s.now
	}
	waited := s.now.Sub(m.requeued)
	switch {
	case s.files.record != nil && !s.files.record.cut() && s.began.After(m.requeued):
		return step{move: end, exit: conclude(s.evidence(Row{ID: r.ID, State: r.State, Node: s.files.record.Node}, Completed, nil))}
	case waited >= m.settle && s.began.After(m.requeued):
		e := s.evidence(Row{ID: r.ID, State: r.State}, Completed, s.findings.final(r.ID))
		e.files.again = true
		return step{move: end, exit: conclude(e)}
	}
	return step{seen: &executor.Observation{
		State: jobsv1.State_STATE_QUEUED, Reason: jobsv1.Reason_REASON_WAITING_FOR_RESOURCES, EngineState: r.State, EngineID: r.ID,
		Message: "The cluster took the job off its node and queued it again.",
	}}
}

// waiting is the observation of a pending job.
func waiting(r Row, w Waiting) *executor.Observation {
	return &executor.Observation{
		State: jobsv1.State_STATE_QUEUED, Reason: w.Reason, Message: w.Words,
		EngineState: r.State, EngineID: r.ID, ExpectedStart: r.Start,
	}
}

// unconfirmed is the observation of an attempt of which it is not known yet whether the cluster has it.
func unconfirmed(s facts) *executor.Observation {
	o := executor.Observation{State: jobsv1.State_STATE_QUEUED, Reason: jobsv1.Reason_REASON_WAITING_FOR_ENGINE}
	o.Message = "Handed to the cluster, which has not confirmed it yet."
	switch {
	case s.submission.Hold != Hold{}:
		o.Reason, o.Message = s.submission.Hold.Reason, s.submission.Hold.Message
	case s.submission.Absent:
		o.Message = "The cluster could not be reached to take the job; it is handed over again until it is taken."
		if s.submission.Words != "" {
			o.Message += " It said: " + s.submission.Words
		}
	case s.submission.Words != "":
		o.Message += " It said: " + s.submission.Words
	}
	return &o
}

// unlessSeen is o for an attempt that no poll has shown; one that was seen stays what it was.
func (m *history) unlessSeen(o *executor.Observation) *executor.Observation {
	if m.seen {
		return nil
	}
	return o
}

// unreachable is the observation while the cluster does not answer.
func unreachable(last executor.Observation, since time.Time) *executor.Observation {
	words := fmt.Sprintf("The cluster has not been reachable since %s.", since.UTC().Format("2006-01-02 15:04 MST"))
	if last.State == jobsv1.State_STATE_RUNNING {
		last.Message = words + " The job goes on there, as far as is known."
		return &last
	}
	last.State, last.Reason, last.Message = jobsv1.State_STATE_QUEUED, jobsv1.Reason_REASON_WAITING_FOR_ENGINE, words
	return &last
}

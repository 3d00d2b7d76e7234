package batch

import (
	"slices"
	"time"
)

// mistake is a job whose end does not count. Ids are used again, but not within a second.
type mistake struct {
	id     string
	submit int64
}

func mistakeOf(r Row) mistake { return mistake{id: r.ID, submit: r.Submit.Unix()} }

// ending is the end of an attempt whose job is over, unless the engine ended it by mistake.
func (m *history) ending(s facts, r Row, p Phase, a *Account) step {
	if m.mayBeMistaken(s, r, p) {
		mistaken, fresh := s.doubt(Ending{Row: r, Account: a, Submitted: s.submission.Time, Noticed: m.ended, Known: s.known})
		switch {
		case !fresh && s.now.Sub(m.ended) < m.settle:
			return step{move: probe}
		case mistaken:
			m.ignored = append(m.ignored, mistakeOf(r))
			m.ended, m.seen = time.Time{}, false
			m.drop(&s)
			return m.decide(s)
		}
	}
	return step{move: end, exit: conclude(s.evidence(r, p, a))}
}

// mayBeMistaken reports whether the engine ended a job whose command had not begun, and nobody here asked for that.
func (m *history) mayBeMistaken(s facts, r Row, p Phase) bool {
	return s.doubt != nil && p == Cancelled && !s.wished && s.never == "" && !s.files.locked && !r.Rejected && len(m.ignored) < m.tries
}

// drop takes out of what is known the jobs whose ends do not count.
func (m *history) drop(s *facts) {
	if len(m.ignored) == 0 {
		return
	}
	s.rows = slices.DeleteFunc(slices.Clone(s.rows), func(r Row) bool { return slices.Contains(m.ignored, mistakeOf(r)) })
	s.findings.accounts = slices.DeleteFunc(slices.Clone(s.findings.accounts), func(a Account) bool {
		return slices.Contains(m.ignored, mistakeOf(a.Row))
	})
}

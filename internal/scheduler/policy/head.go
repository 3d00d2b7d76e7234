package policy

import "github.com/stint-jobs/stint/internal/job"

// Head returns the waiting job whose turn it is on an executor, or 0. It starts next unless it does
// not fit.
func (p *Policy) Head(executor string) job.ID {
	l := p.lanes[executor]
	if l == nil {
		return 0
	}
	if e := l.head(); e != nil {
		return e.id
	}
	return 0
}

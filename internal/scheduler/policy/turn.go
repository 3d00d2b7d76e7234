package policy

import (
	"time"

	"github.com/stint-jobs/stint/internal/job"
)

// entry is a job on an executor, waiting or running.
type entry struct {
	id       job.ID
	priority int32
	owner    *owner
	cost     int64 // what it adds to its owner's use
	bound    bound // what it needs
	lane     *lane
	waiting  bool
	running  bool
	since    time.Time // it runs
	end      time.Time // by its time limit, once it runs; zero where there is none
	overtook uint64    // the reservation that it overtook
}

func (e *entry) before(other *entry) bool {
	if e.priority != other.priority {
		return e.priority > other.priority
	}
	return e.id < other.id
}

// turnBefore reports whether its turn comes before that of a job of whichever owner.
func (e *entry) turnBefore(other *entry) bool {
	switch a, b := e.owner, other.owner; {
	case a.group != b.group:
		return a.group.before(b.group)
	case a != b:
		return a.before(b)
	default:
		return e.before(other)
	}
}

func (e *entry) least() *bound { return &e.bound }

func (*entry) jobs() int { return 1 }

// turn is a place in an order of turns.
type turn struct {
	used   int64   // cores of active jobs
	weight float64 // above 0
	since  uint64  // when it joined or was served, in turns of the executor
	serial uint64  // breaks the last tie
}

func (t *turn) before(other *turn) bool {
	if a, b := float64(t.used)*other.weight, float64(other.used)*t.weight; a < b || b < a {
		return a < b
	}
	if t.since != other.since {
		return t.since < other.since
	}
	return t.serial < other.serial
}

// owner has the jobs of one owner on one executor.
type owner struct {
	turn
	name    string
	group   *group
	waiting tree[*entry]
	capped  bool // has as many active jobs as one may have, so none of them is a candidate
	listed  bool // is in the tree of its group
}

func (o *owner) before(other *owner) bool { return o.turn.before(&other.turn) }

func (o *owner) least() *bound { return o.waiting.least() }

func (o *owner) jobs() int { return o.waiting.size() }

// group has the owners of one group on one executor.
type group struct {
	turn
	name    string
	owners  tree[*owner]
	members int  // owners, listed or not
	listed  bool // is in the tree of its executor
}

func (g *group) before(other *group) bool { return g.turn.before(&other.turn) }

func (g *group) least() *bound { return g.owners.least() }

func (g *group) jobs() int { return g.owners.size() }

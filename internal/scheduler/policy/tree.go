package policy

import "math"

// bound is the least that any of some jobs needs: of each resource, and of time. One job need not
// have all of them.
type bound struct {
	need amounts
	time int64 // nanoseconds; forever where it is not known
}

const forever = math.MaxInt64

// item is what a tree holds: a job, an owner or a group.
type item[T any] interface {
	// before is a strict order of all items of a tree. It must not change for one that is in a
	// tree.
	before(other T) bool
	// least is what its jobs need at least.
	least() *bound
	// jobs counts its jobs.
	jobs() int
}

// tree is a treap: ordered, and balanced by random ranks. Each node knows what the jobs below it
// need at least, so the first that fits is found without a look at those that cannot.
type tree[T item[T]] struct {
	root *node[T]
	seed uint64
}

type node[T item[T]] struct {
	item        T
	rank        uint64
	left, right *node[T]
	size        int // jobs
	least       bound
}

func (t *tree[T]) empty() bool { return t.root == nil }

func (t *tree[T]) size() int { return t.root.count() }

// least is what the jobs of a tree that is not empty need at least.
func (t *tree[T]) least() *bound { return &t.root.least }

// insert adds an item that is not in the tree.
func (t *tree[T]) insert(it T) {
	// The step of SplitMix64: good enough to balance, and the same in each run.
	t.seed += 0x9e3779b97f4a7c15
	z := (t.seed ^ t.seed>>30) * 0xbf58476d1ce4e5b9
	n := &node[T]{item: it, rank: (z ^ z>>27) * 0x94d049bb133111eb}
	n.least.need = make(amounts, len(it.least().need))
	t.root = t.root.insert(n)
}

// remove takes out an item that is in the tree.
func (t *tree[T]) remove(it T) { t.root = t.root.remove(it) }

// first is the first item of a tree that is not empty.
func (t *tree[T]) first() T {
	n := t.root
	for n.left != nil {
		n = n.left
	}
	return n.item
}

// ahead counts the jobs of the items before it.
func (t *tree[T]) ahead(it T) int {
	sum := 0
	for n := t.root; n != nil; {
		if n.item.before(it) {
			sum += n.left.count() + n.item.jobs()
			n = n.right
		} else {
			n = n.left
		}
	}
	return sum
}

// search calls try in order for the items of which may holds, until it returns true, and reports
// whether it did.
func (n *node[T]) search(may func(*bound) bool, try func(T) bool) bool {
	if n == nil || !may(&n.least) {
		return false
	}
	return n.left.search(may, try) || may(n.item.least()) && try(n.item) || n.right.search(may, try)
}

// walk calls fn for each item in order until it returns false, and reports whether it never did.
func (t *tree[T]) walk(fn func(T) bool) bool { return t.root.walk(fn) }

func (n *node[T]) walk(fn func(T) bool) bool {
	return n == nil || n.left.walk(fn) && fn(n.item) && n.right.walk(fn)
}

func (n *node[T]) count() int {
	if n == nil {
		return 0
	}
	return n.size
}

func (n *node[T]) insert(fresh *node[T]) *node[T] {
	switch {
	case n == nil:
		return fresh.update()
	case fresh.item.before(n.item):
		n.left = n.left.insert(fresh)
		if n.left.rank > n.rank {
			up := n.left
			n.left, up.right = up.right, n
			n.update()
			return up.update()
		}
	default:
		n.right = n.right.insert(fresh)
		if n.right.rank > n.rank {
			up := n.right
			n.right, up.left = up.left, n
			n.update()
			return up.update()
		}
	}
	return n.update()
}

func (n *node[T]) remove(it T) *node[T] {
	switch {
	case n == nil:
		return nil
	case it.before(n.item):
		n.left = n.left.remove(it)
	case n.item.before(it):
		n.right = n.right.remove(it)
	default:
		return merge(n.left, n.right)
	}
	return n.update()
}

func merge[T item[T]](a, b *node[T]) *node[T] {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.rank > b.rank:
		a.right = merge(a.right, b)
		return a.update()
	default:
		b.left = merge(a, b.left)
		return b.update()
	}
}

// update derives what a node knows of what is below it.
func (n *node[T]) update() *node[T] {
	own := n.item.least()
	n.size, n.least.time = n.item.jobs(), own.time
	copy(n.least.need, own.need)
	for _, child := range [...]*node[T]{n.left, n.right} {
		if child == nil {
			continue
		}
		n.size += child.size
		n.least.time = min(n.least.time, child.least.time)
		for i, need := range child.least.need {
			n.least.need[i] = min(n.least.need[i], need)
		}
	}
	return n
}

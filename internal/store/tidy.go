package store

import "slices"

// tidy gives memory back after deletions: it drops chunk k when it is empty,
// and rewrites it together with the one behind it when both fit into one.
func (s *slab) tidy(k int) {
	last := len(s.chunks) - 1
	if k == last {
		return // jobs are still appended to it
	}
	n := s.chunks[k].live.count()
	switch {
	case n == 0:
		s.chunks = slices.Delete(s.chunks, k, k+1)
		s.shape++
	case k+1 < last && n+s.chunks[k+1].live.count() <= chunkSize/2:
		s.merge(k)
	case k > 0 && n+s.chunks[k-1].live.count() <= chunkSize/2:
		s.merge(k - 1)
	}
}

// merge rewrites chunks k and k+1 as one, if their ids are not too far apart.
func (s *slab) merge(k int) {
	into := &chunk{first: s.chunks[k].first}
	for _, from := range s.chunks[k : k+2] {
		for i := range from.used {
			if !from.live.has(i) {
				continue
			}
			if !into.takes(from.id(i)) {
				return
			}
			into.copySlot(from, i)
		}
	}
	into.seal()
	s.chunks[k] = into
	s.chunks = slices.Delete(s.chunks, k+1, k+2)
	s.shape++
}

// copySlot appends a slot of another chunk.
func (c *chunk) copySlot(from *chunk, i int) {
	t := from.texts(i)
	n := c.used
	if n == 0 {
		c.first = from.id(i)
	}
	c.used++
	c.offset[n] = uint32(from.id(i) - c.first)
	c.textAt[n] = uint32(c.growth.Len())
	c.growth.WriteString(string(t[:t.size()]))
	c.text = c.growth.String()
	c.owner[n], c.service[n], c.executor[n] = from.owner[i], from.service[i], from.executor[i]
	c.exit[n], c.reason[n], c.priority[n] = from.exit[i], from.reason[i], from.priority[i]
	c.submit[n], c.start[n], c.complete[n] = from.submit[i], from.start[i], from.complete[i]
	c.revision[n] = from.revision[i]
	c.services[n>>6] |= serviceBit(from.service[i])
	c.live.set(n)
	c.enterState(n, from.state[i])
}

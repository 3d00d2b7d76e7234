package server

import (
	"cmp"
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"
)

// gRPC reads the message of a unary call before it asks anybody whether the
// call may be made, and waits for the rest of it as long as the client likes: a thousand
// calls on one connection that never complete their four megabytes hold four gigabytes. So every
// connection has an account: what it sent, less what was made use of. When all accounts together
// are over the bound, the connections that owe most are closed. An account cannot
// be exact, for nobody tells which bytes were headers; it is exact enough to tell who holds the memory.
// docs/decisions/0016-limits.md says what else was weighed.
const (
	// maxReceiving bounds what is held of messages that are not complete.
	maxReceiving = 128 << 20
	// freeReceiving is how much of it a connection does not have to account for: the window of a stream.
	freeReceiving = 64 << 10
	// callOverhead is what the headers of a call may have, besides its message.
	callOverhead = 4 << 10
	// sentShare is how much is sent for each byte that a client sends to acknowledge it (WINDOW_UPDATE), at least.
	sentShare = 1 << 10
)

// receiving are the accounts of all connections.
type receiving struct {
	most  int64
	total atomic.Int64
	ended *atomic.Uint64 // counts connections that were closed for what they owed

	mu    sync.Mutex
	conns map[*countedConn]struct{}
}

// add opens the account of a connection. release is called once, when it is closed.
func (r *receiving) add(conn net.Conn, release func()) *countedConn {
	c := &countedConn{Conn: conn, receiving: r, release: release}
	c.addr = connAddr{Addr: conn.RemoteAddr(), conn: c}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[c] = struct{}{}
	return c
}

func (r *receiving) remove(c *countedConn) {
	r.mu.Lock()
	delete(r.conns, c)
	r.mu.Unlock()
	c.pay(c.owed.Load())
}

// relieve closes the connections that owe most, until a quarter of the bound is free.
func (r *receiving) relieve() {
	r.mu.Lock()
	conns := make([]*countedConn, 0, len(r.conns))
	for c := range r.conns {
		if c.owed.Load() > freeReceiving {
			conns = append(conns, c)
		}
	}
	r.mu.Unlock()
	slices.SortFunc(conns, func(a, b *countedConn) int { return cmp.Compare(b.owed.Load(), a.owed.Load()) })
	for _, c := range conns {
		if r.total.Load() <= r.most/4*3 {
			return
		}
		r.ended.Add(1)
		_ = c.Close()
	}
}

// countedConn is a connection with an account, and a place among those that may be open.
type countedConn struct {
	net.Conn

	receiving *receiving
	addr      connAddr
	owed      atomic.Int64
	release   func()
	once      sync.Once
	local     localPeer
}

// connAddr is the address of a connection's other end, by which a call finds its connection.
type connAddr struct {
	net.Addr

	conn *countedConn
}

// RemoteAddr is the address of the other end.
func (c *countedConn) RemoteAddr() net.Addr { return &c.addr }

// Read reads, and puts it on the account.
func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.owe(int64(n)) > c.receiving.most {
		c.receiving.relieve()
	}
	return n, err
}

// Write writes. What is sent is acknowledged with frames that are nobody's message.
func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if n > sentShare {
		c.pay(int64(n / sentShare))
	}
	return n, err
}

// Close closes the connection.
func (c *countedConn) Close() error {
	c.once.Do(func() {
		c.receiving.remove(c)
		c.release()
	})
	return c.Conn.Close()
}

// owe adds to the account and answers the sum of all accounts.
func (c *countedConn) owe(n int64) int64 {
	now := c.owed.Add(n)
	return c.receiving.total.Add(beyond(now) - beyond(now-n))
}

// pay takes from the account what was made use of, as far as there is something on it.
func (c *countedConn) pay(n int64) {
	for {
		now := c.owed.Load()
		n = min(n, now)
		if n <= 0 {
			return
		}
		if c.owed.CompareAndSwap(now, now-n) {
			c.receiving.total.Add(beyond(now-n) - beyond(now))
			return
		}
	}
}

// beyond is how much of an account counts.
func beyond(owed int64) int64 { return max(0, owed-freeReceiving) }

// paid notes that a message of a call was received and is now the handler's.
func paid(ctx context.Context, m any) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return
	}
	addr, ok := p.Addr.(*connAddr)
	if !ok || addr.conn.owed.Load() <= freeReceiving/2 {
		return
	}
	size := 0
	if message, ok := m.(proto.Message); ok {
		size = proto.Size(message)
	}
	addr.conn.pay(int64(size) + callOverhead)
}

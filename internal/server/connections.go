package server

import (
	"net"

	"github.com/stint-jobs/stint/internal/limit"
)

// bound makes a listener that turns connections away at once when too many are open, from
// their address or in all. This machine and trusted proxies only count in all.
func (l *limits) bound(inner net.Listener) net.Listener {
	return &boundListener{Listener: inner, limits: l}
}

type boundListener struct {
	net.Listener

	limits *limits
}

// Accept waits for the next connection that may be open.
func (b *boundListener) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr := addrOf(conn.RemoteAddr())
		acquire := b.limits.connections.Acquire
		if !byAddress(addr) || b.limits.proxies.trust(addr) {
			acquire = b.limits.connections.AcquireUnbound
		}
		if addr = limit.Network(addr); acquire(addr) {
			return b.limits.receiving.add(conn, func() { b.limits.connections.Release(addr) }), nil
		}
		b.limits.refused[connections].Add(1)
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset tells the client at once, and leaves nothing behind
		}
		_ = conn.Close()
	}
}

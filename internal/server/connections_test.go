package server

import (
	"errors"
	"io"
	"net"
	"testing"
)

// somewhere is a listener whose connections come from wherever the test says.
type somewhere struct{ conns chan net.Conn }

func (l *somewhere) Accept() (net.Conn, error) {
	conn, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (l *somewhere) Close() error { return nil }
func (*somewhere) Addr() net.Addr { return &net.TCPAddr{} }

type connFrom struct {
	net.Conn
	addr string
}

func (c *connFrom) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.ParseIP(c.addr), Port: 99}
}

// One connection more than there may be is closed at once, and a closed one makes room.
func TestConnectionsAreBounded(t *testing.T) {
	for name, c := range map[string]struct {
		config   LimitsConfig
		from     []string
		admitted int
	}{
		"one address":                    {LimitsConfig{ConnectionsPerAddress: 3, Connections: 5}, []string{"192.0.2.1"}, 3},
		"two addresses":                  {LimitsConfig{ConnectionsPerAddress: 3, Connections: 5}, []string{"192.0.2.1", "192.0.2.2"}, 5},
		"two addresses of one network":   {LimitsConfig{ConnectionsPerAddress: 3, Connections: 5}, []string{"2001:db8::1", "2001:db8::2"}, 3},
		"this machine":                   {LimitsConfig{ConnectionsPerAddress: 3, Connections: 5}, []string{"127.0.0.1", "::1"}, 5},
		"a trusted proxy":                {LimitsConfig{ConnectionsPerAddress: 3, Connections: 5, TrustedProxies: []string{"192.0.2.1"}}, []string{"192.0.2.1"}, 5},
		"as many as files allow (of 12)": {LimitsConfig{}, []string{"192.0.2.1", "192.0.2.2"}, 9},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := newLimits(c.config, false, 12)
			if err != nil {
				t.Fatal(err)
			}
			from := &somewhere{conns: make(chan net.Conn)}
			bound := l.bound(from)
			var ours, theirs []net.Conn
			go func() {
				defer close(from.conns)
				for n := range 20 {
					client, server := net.Pipe()
					theirs = append(theirs, client)
					from.conns <- &connFrom{server, c.from[n%len(c.from)]}
				}
			}()
			for {
				conn, err := bound.Accept()
				if errors.Is(err, net.ErrClosed) {
					break
				}
				ours = append(ours, conn)
			}
			if len(ours) != c.admitted || l.connections.InAll() != c.admitted || int(l.refused[connections].Load()) != 20-c.admitted { //nolint:gosec // small
				t.Errorf("%d were admitted, want %d; %d counted", len(ours), c.admitted, l.refused[connections].Load())
			}
			for _, conn := range ours {
				_ = conn.Close()
				_ = conn.Close() // as servers do
			}
			for _, conn := range theirs {
				if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
					t.Errorf("a connection was left open: %v", err)
				}
			}
			if n := l.connections.InAll(); n != 0 {
				t.Errorf("%d places were not given back", n)
			}
		})
	}
}

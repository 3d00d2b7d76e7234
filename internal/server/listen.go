package server

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// SplitOptions says how a Split tells connections apart.
type SplitOptions struct {
	// TLS makes the Split speak TLS. Nil means plaintext. NextProtos is set by the Split.
	TLS *tls.Config
	// Timeout is how long a client may take to show what it speaks, the TLS
	// handshake included. 0 means 10 s.
	Timeout time.Duration
	// MaxUndecided is how many connections may be open that have not shown what
	// they speak. One more drops the oldest of them, so that clients
	// which are silent on purpose cannot keep out those that speak. 0 means 1,024.
	MaxUndecided int
}

// Split shares the connections of one listener between the gRPC server and
// net/http: each connection reaches exactly one of them, with every byte that
// its client sent.
//
// Plaintext that begins with `PRI`, as HTTP/2 does and no HTTP/1 request can, is
// gRPC. Under TLS a client that offers h2 and not http/1.1 is gRPC; browsers and
// other HTTP clients offer both or neither. What net/http gets may have gRPC calls
// among its requests, which the gateway tells apart one by one.
type Split struct {
	listener   net.Listener
	options    SplitOptions
	grpc, http *sublistener

	mu        sync.Mutex
	undecided list.List // of *pending, oldest first
}

// pending is a connection that has not shown what it speaks, or that no server has accepted.
type pending struct {
	conn net.Conn
	drop chan struct{} // closed to give it up

	// Guarded by Split.mu:
	at      *list.Element // nil once given up or handed over
	reading bool          // its goroutine waits for the client
}

// NewSplit makes a Split of l. Nothing is accepted before Run.
func NewSplit(l net.Listener, options SplitOptions) *Split {
	if options.Timeout == 0 {
		options.Timeout = 10 * time.Second
	}
	if options.MaxUndecided == 0 {
		options.MaxUndecided = 1024
	}
	if options.TLS != nil {
		options.TLS = splitTLS(options.TLS)
	}
	s := &Split{listener: l, options: options}
	s.grpc, s.http = newSublistener(l.Addr()), newSublistener(l.Addr())
	return s
}

// GRPC is the listener for the gRPC server. Under TLS its connections are
// *tls.Conn after the handshake, and the server needs SplitCredentials. Closing it
// turns further gRPC connections away. It gives net.ErrClosed once Run has ended.
func (s *Split) GRPC() net.Listener { return s.grpc }

// HTTP is the listener for net/http, of the same kind as GRPC. Under TLS the
// connections may have agreed on HTTP/2, which http.Server.Serve handles by itself.
func (s *Split) HTTP() net.Listener { return s.http }

// Run accepts connections until ctx ends or the listener fails for good. It
// owns the listener: when Run returns the listener is closed, connections that no server has
// accepted are closed, and no goroutine is left. Connections that were handed over live on.
func (s *Split) Run(ctx context.Context) error {
	var deciding sync.WaitGroup
	stop := context.AfterFunc(ctx, func() { s.listener.Close() })
	defer func() {
		stop()
		s.listener.Close()
		s.grpc.Close()
		s.http.Close()
		s.dropAll()
		deciding.Wait()
	}()
	pause := time.Duration(0)
	for {
		conn, err := s.listener.Accept()
		switch {
		case err == nil:
			pause = 0
			p := s.admit(conn)
			deciding.Go(func() { s.decide(ctx, p) })
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return nil
		case passes(err):
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			wait(ctx, pause)
		default:
			return fmt.Errorf("accept a connection on %s: %w", s.listener.Addr(), err)
		}
	}
}

// passes reports whether an error of Accept goes away when connections end.
func passes(err error) bool {
	return slices.ContainsFunc(
		[]error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EPROTO, syscall.EPERM},
		func(passing error) bool { return errors.Is(err, passing) })
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// admit notes a connection as undecided, in the place of the oldest one if there are too many.
func (s *Split) admit(conn net.Conn) *pending {
	p := &pending{conn: conn, drop: make(chan struct{}), reading: true}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.undecided.Len() >= s.options.MaxUndecided {
		s.dropLocked(s.undecided.Front())
	}
	p.at = s.undecided.PushBack(p)
	return p
}

// dropLocked gives a connection up. Its goroutine closes it, unless it was handed over just now.
func (s *Split) dropLocked(at *list.Element) {
	p, ok := s.undecided.Remove(at).(*pending)
	if !ok {
		return
	}
	p.at = nil
	close(p.drop)
	if p.reading {
		_ = p.conn.SetDeadline(time.Unix(1, 0)) // wakes the goroutine
	}
}

func (s *Split) dropAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.undecided.Len() > 0 {
		s.dropLocked(s.undecided.Front())
	}
}

// forget ends the time in which a connection can be given up.
func (s *Split) forget(p *pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.at != nil {
		s.undecided.Remove(p.at)
		p.at = nil
	}
}

// decide finds out what a connection speaks and hands it to the right server.
func (s *Split) decide(ctx context.Context, p *pending) {
	defer s.forget(p)
	read := s.readPreface
	if s.options.TLS != nil {
		read = s.handshake
	}
	err := s.setDeadline(p, time.Now().Add(s.options.Timeout), true)
	var conn net.Conn
	var isGRPC bool
	if err == nil {
		conn, isGRPC, err = read(ctx, p.conn)
	}
	if err == nil {
		err = s.setDeadline(p, time.Time{}, false)
	}
	if err != nil {
		p.conn.Close()
		return
	}
	to := s.http
	if isGRPC {
		to = s.grpc
	}
	select {
	case to.conns <- conn:
	case <-to.closed:
		conn.Close()
	case <-p.drop:
		conn.Close()
	}
}

// preface is what HTTP/2 begins with, as far as it has to be read to know it.
const preface = "PRI"

// readPreface reads the first bytes of plaintext.
func (s *Split) readPreface(_ context.Context, conn net.Conn) (net.Conn, bool, error) {
	first := make([]byte, len(preface))
	if _, err := io.ReadFull(conn, first); err != nil {
		return nil, false, err
	}
	return &prefixedConn{Conn: conn, prefix: first}, string(first) == preface, nil
}

// setDeadline bounds the wait for a client, or ends it. It fails for a
// connection that was given up, whose deadline must stay as it is.
func (s *Split) setDeadline(p *pending, deadline time.Time, reading bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.at == nil {
		return net.ErrClosed
	}
	p.reading = reading
	return p.conn.SetDeadline(deadline)
}

// prefixedConn is a connection whose first bytes have been read.
type prefixedConn struct {
	net.Conn

	prefix []byte
}

// Read gives the bytes that were read before, then those of the connection.
func (c *prefixedConn) Read(p []byte) (int, error) {
	if len(c.prefix) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.prefix)
	c.prefix = c.prefix[n:]
	return n, nil
}

// sublistener is a listener that connections are handed to.
type sublistener struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newSublistener(addr net.Addr) *sublistener {
	return &sublistener{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept waits for the next connection.
func (l *sublistener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close makes Accept end. It closes no connection that was accepted.
func (l *sublistener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is the address of the listener that was split.
func (l *sublistener) Addr() net.Addr { return l.addr }

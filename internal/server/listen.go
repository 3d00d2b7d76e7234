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

	"golang.org/x/net/http2"
)

// SplitOptions says how a Split tells connections apart.
type SplitOptions struct {
	// TLS makes the Split speak TLS. Nil means plaintext. NextProtos is set by the Split, so there must be no GetConfigForClient.
	TLS *tls.Config
	// Timeout is how long a client may take to show what it speaks, the TLS
	// handshake included. 0 means 10 s.
	Timeout time.Duration
	// Idle is how long a client of HTTP/2 may take from then to its first request. 0 means 2 minutes.
	Idle time.Duration
	// Proxy reports whether an address is that of a proxy, whose connections are those of many clients. Nil means that none is.
	Proxy func(net.Addr) bool
	// GRPCOnly gives the gRPC server every connection whose first request is a call. It is for a
	// listener that nothing but gRPC is sent to, where proxies need not be told apart.
	GRPCOnly bool
	// MaxUndecided is how many connections may be open that have not shown what
	// they speak. One more drops the oldest of them, so that clients
	// which are silent on purpose cannot keep out those that speak. 0 means 1,024.
	MaxUndecided int
}

// Split shares the connections of one listener between the gRPC server and
// net/http: each connection reaches exactly one of them, with every byte that
// its client sent.
//
// The gRPC server gets a connection of HTTP/2 only where it surely belongs to one
// gRPC client, which look.isGRPCLibrary says. Net/http gets all others: these may have gRPC calls
// among their requests, which the gateway tells apart one by one.
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
	if options.Idle == 0 {
		options.Idle = 2 * time.Minute
	}
	if options.Proxy == nil {
		options.Proxy = func(net.Addr) bool { return false }
	}
	if options.MaxUndecided == 0 {
		options.MaxUndecided = 1024
	}
	if options.TLS != nil {
		options.TLS = options.TLS.Clone()
		options.TLS.NextProtos = []string{alpnHTTP2, alpnHTTP1}
	}
	s := &Split{listener: l, options: options}
	s.grpc, s.http = newSublistener(l.Addr()), newSublistener(l.Addr())
	return s
}

// GRPC is the listener for the gRPC server. Under TLS the handshake of its connections
// is done, and the server needs SplitCredentials. Closing it
// turns further gRPC connections away. It gives net.ErrClosed once Run has ended.
func (s *Split) GRPC() net.Listener { return s.grpc }

// HTTP is the listener for net/http, of the same kind as GRPC. Its server must speak HTTP/1 and unencrypted HTTP/2: what
// was decrypted looks to it as if it had come so. Its ConnContext and its handler need withState and knowTLS to know better.
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
	err := s.setDeadline(p, time.Now().Add(s.options.Timeout), true)
	var d decision
	if err == nil {
		d, err = s.find(ctx, p)
	}
	if err == nil {
		err = s.setDeadline(p, time.Time{}, false)
	}
	if err != nil {
		d.giveUp()
		p.conn.Close()
		return
	}
	to := s.http
	if d.isGRPC {
		to = s.grpc
	}
	select {
	case to.conns <- d.conn:
		return
	case <-to.closed:
	case <-p.drop:
	}
	d.giveUp()
	d.conn.Close()
}

// decision is who gets a connection.
type decision struct {
	conn   net.Conn
	isGRPC bool
	look   *look // nil where none was needed
}

// giveUp sends a client that waits for a reply of HTTP/2 an error.
func (d *decision) giveUp() {
	if d.look != nil {
		d.look.goAway()
	}
}

// find finds out who gets a connection.
func (s *Split) find(ctx context.Context, p *pending) (decision, error) {
	if s.options.TLS == nil {
		return s.findPlain(p)
	}
	secure := tls.Server(p.conn, s.options.TLS)
	if err := secure.HandshakeContext(ctx); err != nil {
		return decision{}, err
	}
	if secure.ConnectionState().NegotiatedProtocol != alpnHTTP2 {
		return decision{conn: secure}, nil
	}
	return s.lookAt(p, secure, nil)
}

// findPlain is find for plaintext. HTTP/2 begins with PRI, which no request of HTTP/1 does.
func (s *Split) findPlain(p *pending) (decision, error) {
	first := make([]byte, len("PRI"))
	if _, err := io.ReadFull(p.conn, first); err != nil {
		return decision{}, err
	}
	if string(first) != http2.ClientPreface[:len(first)] {
		return decision{conn: newLookedConn(p.conn, first)}, nil
	}
	return s.lookAt(p, p.conn, first)
}

// lookAt looks at a connection that begins like HTTP/2. conn is that of p, or what was decrypted of it.
func (s *Split) lookAt(p *pending, conn net.Conn, begun []byte) (decision, error) {
	l := newLook(conn, begun)
	d := decision{look: l}
	if err := l.readPreface(); errors.Is(err, errNotHTTP2) {
		d.conn = newLookedConn(conn, l.seen.Bytes()) // net/http says what is wrong with it
		return d, nil
	} else if err != nil {
		return d, err
	}
	idle := func() error { return s.setDeadline(p, time.Now().Add(s.options.Idle), true) }
	if err := l.readFirst(idle); err != nil {
		return d, err
	}
	d.isGRPC = l.isGRPC() && s.options.GRPCOnly || l.isGRPCLibrary() && !s.options.Proxy(conn.RemoteAddr())
	looked := newLookedConn(conn, l.seen.Bytes())
	if l.greeted {
		looked.withoutAck()
	}
	d.conn = looked
	return d, nil
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

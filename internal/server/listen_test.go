package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// runSplit runs a Split until the test ends, and checks then that it leaves nothing behind.
func runSplit(t *testing.T, l net.Listener, options SplitOptions) *Split {
	t.Helper()
	s := NewSplit(l, options)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if n := s.undecided.Len(); n != 0 {
			t.Errorf("%d connections are still undecided after Run", n)
		}
	})
	return s
}

func listenLoopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// checkLeaks fails the test if goroutines are left after everything else of it has ended.
func checkLeaks(t *testing.T) {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
}

func serveHealth(t *testing.T, l net.Listener, options ...grpc.ServerOption) {
	t.Helper()
	server := grpc.NewServer(options...)
	healthpb.RegisterHealthServer(server, health.NewServer())
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-done })
}

func serveProtocol(t *testing.T, l net.Listener) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Protocols:         protocols,
		ConnContext:       withConn,
		Handler: knowTLS(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s tls=%v", r.Proto, r.TLS != nil)
		})),
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-done })
}

func TestSplitServesGRPCAndHTTPOnOnePort(t *testing.T) {
	checkLeaks(t)
	l := listenLoopback(t)
	s := runSplit(t, l, SplitOptions{})
	serveHealth(t, s.GRPC())
	serveProtocol(t, s.HTTP())

	conn, err := grpc.NewClient("passthrough:///"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Errorf("gRPC: %v", err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	// PUT and POST share their first letter with the preface.
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodPatch} {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+l.Addr().String(), strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got, want := string(body), "HTTP/1.1 tls=false"; got != want {
			t.Errorf("%s: served as %q, want %q", method, got, want)
		}
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	known := &http.Transport{Protocols: protocols}
	defer known.CloseIdleConnections()
	for range 3 { // the later requests of the connection, too
		if got := get(t, known, "http://"+l.Addr().String()); got != "HTTP/2.0 tls=false" {
			t.Errorf("with prior knowledge: served as %q", got)
		}
	}
}

func TestSplitHandsOverEveryByteOfAThousandConnections(t *testing.T) {
	checkLeaks(t)
	const n = 1000
	l := listenLoopback(t)
	s := runSplit(t, l, SplitOptions{Timeout: time.Hour}) // a busy machine is not a slow client

	// Each client says who it is and what it speaks; each server answers with what it heard.
	serve := func(l net.Listener, read func(net.Conn) string) {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				fmt.Fprint(conn, read(conn))
			}()
		}
	}
	go serve(s.GRPC(), func(conn net.Conn) string {
		frames, err := readAsServer(conn)
		return fmt.Sprintf("grpc heard %d frames, %v\n", len(frames), err)
	})
	go serve(s.HTTP(), func(conn net.Conn) string {
		line, err := bufio.NewReader(conn).ReadString('\n')
		return fmt.Sprintf("http heard %s, %v\n", strings.TrimSpace(line), err)
	})

	var clients sync.WaitGroup
	for i := range n {
		clients.Go(func() {
			say, want := callOnce, "grpc heard 3 frames, <nil>\n"
			if i%2 == 0 {
				line := fmt.Sprintf("GET /%d HTTP/1.1", i)
				say = func(conn net.Conn) error { _, err := io.WriteString(conn, line+"\n"); return err }
				want = "http heard " + line + ", <nil>\n"
			}
			heard, err := exchange(l.Addr().String(), say)
			if err != nil || !strings.HasSuffix(heard, want) {
				t.Errorf("client %d: got %q, %v; want %q", i, heard, err, want)
			}
		})
	}
	clients.Wait()
}

// callOnce begins a connection as a gRPC library does, and reads no more than it has to.
func callOnce(conn net.Conn) error {
	fr := http2.NewFramer(conn, conn)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return err
	}
	if err := fr.WriteSettings(); err != nil {
		return err
	}
	if _, err := fr.ReadFrame(); err != nil {
		return err
	}
	return errors.Join(fr.WriteSettingsAck(), fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: fields(ofLibrary...), EndHeaders: true}),
		fr.WriteData(1, true, []byte("end")))
}

func exchange(addr string, say func(net.Conn) error) (string, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := say(conn); err != nil {
		return "", err
	}
	heard, err := io.ReadAll(conn)
	return string(heard), err
}

// pipeListener is a listener in memory whose Accept gives what a test puts in: a connection or an error.
type pipeListener struct {
	next   chan any
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{next: make(chan any), closed: make(chan struct{})}
}

func (l *pipeListener) dial() net.Conn {
	client, server := net.Pipe()
	l.next <- server
	return client
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	case next := <-l.next:
		if err, ok := next.(error); ok {
			return nil, err
		}
		conn, _ := next.(net.Conn)
		return conn, nil
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// isClosed reports whether the other side has closed the connection. It must not have sent anything.
func isClosed(conn net.Conn) bool {
	_, err := conn.Read(make([]byte, 1))
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe)
}

func TestSplitDropsSilentClientsAfterTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		runSplit(t, l, SplitOptions{Timeout: 10 * time.Second})
		silent, halfway := l.dial(), l.dial()
		if _, err := io.WriteString(halfway, "PR"); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if !isClosed(silent) || !isClosed(halfway) {
			t.Error("a client that does not speak is still connected")
		}
		if waited := time.Since(start); waited != 10*time.Second {
			t.Errorf("clients were dropped after %v, want 10s", waited)
		}
	})
}

func TestSplitWaitsForSlowClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		s := runSplit(t, l, SplitOptions{Timeout: 10 * time.Second})
		client := l.dial()
		defer client.Close()
		slowly := func(text string) {
			for i := range text {
				if i > 0 {
					time.Sleep(3 * time.Second) //nolint:forbidigo // fake time
				}
				_, _ = io.WriteString(client, text[i:i+1])
			}
		}
		go func() {
			slowly(http2.ClientPreface[:3])
			_, _ = io.WriteString(client, http2.ClientPreface[3:])
			fr := http2.NewFramer(client, client)
			_ = fr.WriteSettings()
			_, _ = fr.ReadFrame()
			_ = fr.WriteSettingsAck()
			time.Sleep(time.Minute) //nolint:forbidigo // fake time
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: fields(ofLibrary...), EndHeaders: true})
			time.Sleep(time.Hour) //nolint:forbidigo // fake time
			_ = fr.WriteData(1, true, []byte("end"))
		}()
		conn, err := s.GRPC().Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// The deadlines for the first bytes and the first request must not hold for the rest.
		if frames, err := readAsServer(conn); err != nil || len(frames) != 3 {
			t.Errorf("heard %q, %v", frames, err)
		}
	})
}

func TestSplitDropsTheOldestOfTooManyUndecidedConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		s := runSplit(t, l, SplitOptions{MaxUndecided: 3})
		var silent []net.Conn
		for range 3 {
			silent = append(silent, l.dial())
		}
		client := l.dial()
		defer client.Close()
		if !isClosed(silent[0]) {
			t.Error("the oldest silent connection is still there")
		}
		go func() { _, _ = io.WriteString(client, "GET /") }()
		conn, err := s.HTTP().Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// The others have not been dropped: they may still speak.
		go func() { _ = callOnce(silent[1]) }()
		other, err := s.GRPC().Accept()
		if err != nil {
			t.Fatal(err)
		}
		other.Close()
		silent[2].Close()
	})
}

func TestSplitClosesWhatNoServerAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		s := NewSplit(l, SplitOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		silent, ready := l.dial(), l.dial()
		if _, err := io.WriteString(ready, "GET"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if !isClosed(silent) || !isClosed(ready) {
			t.Error("a connection outlived the Split")
		}
		for _, l := range []net.Listener{s.GRPC(), s.HTTP()} {
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Accept after Run: %v, want net.ErrClosed", err)
			}
		}
	})
}

func TestSplitTurnsAwayWhatAClosedServerWouldGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		s := runSplit(t, l, SplitOptions{})
		s.GRPC().Close()
		client := newH2Client(l.dial())
		go client.open(h2Opening{header: ofLibrary})
		<-client.gone // so that it calls again elsewhere
		<-client.closed
		browser := l.dial()
		defer browser.Close()
		go func() { _, _ = io.WriteString(browser, "GET /") }()
		conn, err := s.HTTP().Accept()
		if err != nil {
			t.Fatalf("HTTP went down with gRPC: %v", err)
		}
		conn.Close()
	})
}

func TestSplitGoesOnAfterRunningOutOfFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		s := runSplit(t, l, SplitOptions{})
		for range 12 {
			l.next <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
		}
		client := l.dial()
		defer client.Close()
		go func() { _, _ = io.WriteString(client, "GET /") }()
		conn, err := s.HTTP().Accept()
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	})
}

func TestSplitEndsWhenItsListenerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		s := NewSplit(l, SplitOptions{})
		done := make(chan error)
		go func() { done <- s.Run(t.Context()) }()
		broken := errors.New("broken")
		l.next <- broken
		if err := <-done; !errors.Is(err, broken) {
			t.Errorf("Run: %v, want %v", err, broken)
		}
	})
}

package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// pipeListener gives a server connections in memory that buffer nothing, so
// that a client that does not read stops the server at once. They keep the fake time of a bubble.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// servePipes serves scripted services in memory, over HTTP/1.1 and unencrypted
// HTTP/2. It gives a function that connects to them.
func servePipes(t *testing.T, s *script) func() net.Conn {
	t.Helper()
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	server := NewServer(ctx, newHandler(t, s, Config{}), slog.New(slog.DiscardHandler))
	server.Protocols = new(http.Protocols)
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { cancel(); server.Close(); <-done })
	return func() net.Conn {
		client, conn := net.Pipe()
		t.Cleanup(func() { client.Close() })
		l.conns <- conn
		return client
	}
}

// say writes to a connection without waiting for the other side.
func say(conn net.Conn, format string, args ...any) {
	go fmt.Fprintf(conn, format, args...)
}

// hear reads an answer.
func hear(t *testing.T, conn net.Conn) reply {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp, string(text), err}
}

func TestAClientThatStopsReadingIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		connect := servePipes(t, &script{jobs: fake{watch: func(_ *jobsv1.WatchStatusRequest, stream grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
			defer close(ended)
			for revision := uint64(1); ; revision++ {
				if err := stream.Send(changed(revision, strings.Repeat("x", 1000))); err != nil {
					return err
				}
			}
		}}})
		conn := connect()
		say(conn, "GET /v1/jobs:watch HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := io.ReadFull(conn, make([]byte, 5000)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		<-ended
		if waited := time.Since(start); waited != 30*time.Second {
			t.Errorf("the stream ended after %v, want 30s", waited)
		}
	})
}

func TestAClientThatReadsSlowlyGetsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		content := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
		connect := servePipes(t, &script{workspace: fakeWorkspace{download: serveBytes(&stored{name: "/a", text: content})}})
		conn := connect()
		say(conn, "GET /v1/workspace/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		var heard strings.Builder
		for {
			n, err := io.CopyN(&heard, conn, pieceBytes)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("after %d more bytes: %v", n, err)
			}
			time.Sleep(20 * time.Second) //nolint:forbidigo // fake time
		}
		if !strings.HasSuffix(heard.String(), "\r\n\r\n"+content) {
			t.Errorf("got %d bytes that are not the file", heard.Len())
		}
	})
}

func TestASilentStreamIsNotCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connect := servePipes(t, &script{jobs: fake{watch: func(_ *jobsv1.WatchStatusRequest, stream grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
			if err := stream.Send(changed(1, "first")); err != nil {
				return err
			}
			time.Sleep(time.Hour) //nolint:forbidigo // fake time
			return stream.Send(changed(2, "second"))
		}}})
		conn := connect()
		say(conn, "GET /v1/jobs:watch HTTP/1.1\r\nHost: x\r\n\r\n")
		if resp := hear(t, conn); resp.err != nil || !strings.Contains(resp.body, "second") {
			t.Errorf("%v, %q", resp.err, resp.body)
		}
	})
}

func TestACallMayTakeLongerThanItsBodyMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connect := servePipes(t, &script{jobs: fake{submit: func(ctx context.Context, _ *jobsv1.SubmitRequest) (*jobsv1.SubmitResponse, error) {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(10 * time.Minute):
				return &jobsv1.SubmitResponse{}, nil
			}
		}}})
		conn := connect()
		for range 2 { // again on the same connection, after a pause
			say(conn, "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
			if resp := hear(t, conn); resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", resp.Status, resp.body)
			}
			time.Sleep(100 * time.Second) //nolint:forbidigo // fake time
		}
	})
}

func TestSlowHeadersAreCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := servePipes(t, &script{})()
		say(conn, "GET /v1/jobs HTTP/1.1\r\nHost: x\r\n")
		start := time.Now()
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("half a header was answered")
		}
		if waited := time.Since(start); waited != 10*time.Second {
			t.Errorf("cut off after %v, want 10s", waited)
		}
	})
}

func TestSlowBodiesAreRefused(t *testing.T) {
	want := refusal{http: http.StatusRequestTimeout, code: codes.DeadlineExceeded, reason: "BODY_TIMEOUT"}
	for name, pause := range map[string]time.Duration{"standing still": time.Hour, "dripping": 5 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := servePipes(t, &script{})()
				start := time.Now()
				go func() {
					fmt.Fprint(conn, "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
					for range 100 {
						if _, err := io.WriteString(conn, " "); err != nil {
							return
						}
						select {
						case <-time.After(pause):
						case <-t.Context().Done():
							return
						}
					}
				}()
				want.check(t, hear(t, conn))
				if waited := time.Since(start); waited != 30*time.Second {
					t.Errorf("refused after %v, want 30s", waited)
				}
				conn.Close()
			})
		})
	}
}

func TestAnUploadMayBeSlowButNotStandStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		connect := servePipes(t, &script{workspace: fakeWorkspace{upload: func(stream grpc.ClientStreamingServer[workspacev1.UploadRequest, workspacev1.UploadResponse]) error {
			for {
				if _, err := stream.Recv(); err != nil {
					ended <- err
					return err
				}
			}
		}}})
		conn := connect()
		go func() {
			fmt.Fprint(conn, "PUT /v1/workspace/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
			for range 10 {
				time.Sleep(20 * time.Second) //nolint:forbidigo // fake time
				fmt.Fprint(conn, "x")
			}
		}()
		start := time.Now()
		refusal{http: http.StatusRequestTimeout, code: codes.DeadlineExceeded, reason: "BODY_TIMEOUT"}.check(t, hear(t, conn))
		if waited := time.Since(start); waited != 230*time.Second {
			t.Errorf("refused after %v, want 10 times 20s and 30s", waited)
		}
		if err := <-ended; errors.Is(err, io.EOF) {
			t.Error("the service took a broken upload for a whole one")
		}
	})
}

// dialHTTP2 is a client that speaks HTTP/2 to what servePipes serves, as browsers do under TLS.
func dialHTTP2(t *testing.T, connect func() net.Conn) *http.Client {
	t.Helper()
	transport := &http.Transport{
		Protocols:   new(http.Protocols),
		DialContext: func(context.Context, string, string) (net.Conn, error) { return connect(), nil },
	}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestTheSameDeadlinesHoldForHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		client := dialHTTP2(t, servePipes(t, &script{jobs: fake{
			submit: func(ctx context.Context, _ *jobsv1.SubmitRequest) (*jobsv1.SubmitResponse, error) {
				select {
				case <-ctx.Done():
					return nil, ctx.Err()
				case <-time.After(10 * time.Minute):
					return &jobsv1.SubmitResponse{}, nil
				}
			},
			watch: func(r *jobsv1.WatchStatusRequest, stream grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
				if r.GetOwner() == "flood" {
					defer close(ended)
					for revision := uint64(1); ; revision++ {
						if err := stream.Send(changed(revision, strings.Repeat("x", 10_000))); err != nil {
							return err
						}
					}
				}
				if err := stream.Send(changed(1, "first")); err != nil {
					return err
				}
				time.Sleep(time.Hour) //nolint:forbidigo // fake time
				return stream.Send(changed(2, "second"))
			},
		}}))
		request := func(method, path, body string) *http.Response {
			req, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusOK {
				t.Fatalf("%s %s: %s %s", method, path, resp.Proto, resp.Status)
			}
			return resp
		}
		request(http.MethodPost, "/v1/jobs", "{}").Body.Close()
		silent := request(http.MethodGet, "/v1/jobs:watch", "")
		defer silent.Body.Close()
		if text, err := io.ReadAll(silent.Body); err != nil || !strings.Contains(string(text), "second") {
			t.Errorf("a silent stream: %v, %q", err, text)
		}
		unread := request(http.MethodGet, "/v1/jobs:watch?owner=flood", "")
		defer unread.Body.Close()
		start := time.Now()
		<-ended
		if waited := time.Since(start); waited != 30*time.Second {
			t.Errorf("a stream that nobody reads ended after %v, want 30s", waited)
		}
	})
}

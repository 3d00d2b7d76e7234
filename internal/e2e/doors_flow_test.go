package e2e_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// transferPath is a way that the bytes of files take.
type transferPath struct {
	// upload sends parts until there are none or the context ends, and returns how an upload that was ended by its sender ended.
	upload func(ctx context.Context, parts func() []byte) error
	// download begins to read a file, and goes on when more is called.
	download func(ctx context.Context) (more func() (int, error), err error)
	// whoAmI is another call, over the same connection.
	whoAmI func(ctx context.Context) error
}

// viaConnect is the path of a client of the Connect library.
func (d *door) viaConnect(client *http.Client, options ...connect.ClientOption) transferPath {
	return transferPath{
		upload: func(ctx context.Context, parts func() []byte) error {
			up := connect.NewClient[workspacev1.UploadRequest, workspacev1.UploadResponse](client, d.calls+workspacev1.WorkspaceService_Upload_FullMethodName, options...).CallClientStream(ctx)
			up.RequestHeader().Set("Authorization", "Bearer "+d.token)
			return errors.Join(sendParts(up.Send, parts), func() error { _, err := up.CloseAndReceive(); return err }())
		},
		download: func(ctx context.Context) (func() (int, error), error) {
			req := connect.NewRequest(&workspacev1.DownloadRequest{Path: "big"})
			req.Header().Set("Authorization", "Bearer "+d.token)
			stream, err := connect.NewClient[workspacev1.DownloadRequest, workspacev1.DownloadResponse](client, d.calls+workspacev1.WorkspaceService_Download_FullMethodName, options...).CallServerStream(ctx, req)
			if err != nil {
				return nil, err
			}
			return func() (int, error) {
				if !stream.Receive() {
					return 0, errors.Join(io.EOF, stream.Err())
				}
				return len(stream.Msg().GetData()), nil
			}, nil
		},
		whoAmI: func(context.Context) error { _, err := d.whoAmI(client, options...); return err },
	}
}

// sendParts sends an upload's target and its parts.
func sendParts(send func(*workspacev1.UploadRequest) error, parts func() []byte) error {
	err := send(&workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Target{Target: &workspacev1.UploadTarget{Path: "sent", Overwrite: true}}})
	for err == nil {
		part := parts()
		if part == nil {
			return nil
		}
		err = send(&workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Data{Data: part}})
	}
	if errors.Is(err, io.EOF) { // how it ended is what the stream says
		return nil
	}
	return err
}

// viaGRPC is the path of a gRPC library.
func (d *door) viaGRPC(conn *grpc.ClientConn) transferPath {
	client := workspacev1.NewWorkspaceServiceClient(conn)
	with := func(ctx context.Context) context.Context {
		return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+d.token)
	}
	return transferPath{
		upload: func(ctx context.Context, parts func() []byte) error {
			up, err := client.Upload(with(ctx))
			if err != nil {
				return err
			}
			return errors.Join(sendParts(up.Send, parts), func() error { _, err := up.CloseAndRecv(); return err }())
		},
		download: func(ctx context.Context) (func() (int, error), error) {
			stream, err := client.Download(with(ctx), &workspacev1.DownloadRequest{Path: "big"})
			if err != nil {
				return nil, err
			}
			return func() (int, error) { m, err := stream.Recv(); return len(m.GetData()), err }, nil
		},
		whoAmI: func(ctx context.Context) error {
			_, err := client.GetUsage(with(ctx), &workspacev1.GetUsageRequest{})
			return err
		},
	}
}

// partReader is parts as the body of a request.
type partReader struct {
	parts func() []byte
	left  []byte
}

func (p *partReader) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		if p.left = p.parts(); p.left == nil {
			return 0, io.EOF
		}
	}
	n := copy(b, p.left)
	p.left = p.left[n:]
	return n, nil
}

// viaREST is the path of an HTTP client.
func (d *door) viaREST(client *http.Client) transferPath {
	return transferPath{
		upload: func(ctx context.Context, parts func() []byte) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodPut, d.base+"/v1/workspace/sent?overwrite=true", &partReader{parts: parts})
			if err != nil {
				return err
			}
			req.Header.Set("Authorization", "Bearer "+d.token)
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return errors.New(resp.Status)
			}
			return nil
		},
		download: func(ctx context.Context) (func() (int, error), error) {
			resp, err := d.get(ctx, client, "/v1/workspace/big") //nolint:bodyclose // it is open until its context ends
			if err != nil {
				return nil, err
			}
			part := make([]byte, 64<<10)
			return func() (int, error) { return resp.Body.Read(part) }, nil
		},
		whoAmI: func(ctx context.Context) error {
			resp, err := d.get(ctx, client, "/v1/auth/whoami")
			if err != nil {
				return err
			}
			return resp.Body.Close()
		},
	}
}

// transferPaths are all ways of a plaintext port.
func (d *door) transferPaths(t *testing.T, conn *grpc.ClientConn) map[string]transferPath {
	t.Helper()
	return map[string]transferPath{
		"gRPC, its own transport": d.viaGRPC(conn),
		"gRPC by net/http":        d.viaConnect(d.dial(t, "h2c"), connect.WithGRPC()),
		"gRPC-Web":                d.viaConnect(d.dial(t, "h2c"), connect.WithGRPCWeb()),
		"Connect":                 d.viaConnect(d.dial(t, "h2c")),
		"Connect JSON":            d.viaConnect(d.dial(t, "h2c"), connect.WithProtoJSON()),
		"REST over HTTP/2":        d.viaREST(d.dial(t, "h2c")),
		"REST over HTTP/1.1":      d.viaREST(&http.Client{Transport: &http.Transport{}}),
	}
}

// What the server does not take is not sent, and what a client does not take is not read: on each way the windows hold the other side
// back, memory is bounded, and other calls over the same connection go on.
func TestSlowTransfersHoldNobodyUp(t *testing.T) {
	const streams, part, file = 8, 32 << 10, 32 << 20
	h := newHostile(t, "--max-upload-rate", "64K", "--max-requests-per-user", "0")
	h.unslowed(t)
	d := newDoor(t, h.server, nil)
	d.token = h.token["ann"]
	op := &door{base: d.base, calls: d.calls, token: h.token["op"]} // who is not slowed down as much
	if err := op.viaREST(http.DefaultClient).upload(t.Context(), onceBytes(make([]byte, 1<<20))); err != nil {
		t.Fatal(err)
	}
	paths := d.transferPaths(t, h.conn)
	before := h.settle()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	sent := make(map[string]*atomic.Int64)
	var all sync.WaitGroup
	for name, p := range paths {
		count := new(atomic.Int64)
		sent[name] = count
		for range streams {
			all.Go(func() {
				_ = p.upload(ctx, func() []byte { // it is cut off in the end
					if ctx.Err() != nil || count.Add(part) > streams*file {
						return nil
					}
					return make([]byte, part)
				})
			})
		}
	}
	for name, p := range paths {
		begin := time.Now()
		if err := p.whoAmI(ctx); err != nil || time.Since(begin) > 3*time.Second {
			t.Errorf("%s: another call took %s: %v", name, time.Since(begin), err)
		}
	}
	all.Wait()
	for name, count := range sent {
		t.Logf("%s: %d kB of %d uploads were accepted", name, count.Load()>>10, streams)
		most := int64(3 << 20)
		if name == "REST over HTTP/1.1" { // each has a connection, of which the kernel's buffers take some megabytes
			most = 8 << 20
		}
		if count.Load() > streams*most {
			t.Errorf("%s: %d MB of %d uploads were accepted that were not taken", name, count.Load()>>20, streams)
		}
	}
	if got := h.highest() - before; got > 96 {
		t.Errorf("%d uploads that are not taken hold %.0f MB", streams*len(paths), got)
	} else {
		t.Logf("%d uploads that are not taken hold %.0f MB", streams*len(paths), got)
	}
}

// onceBytes are the parts of a small file.
func onceBytes(b []byte) func() []byte {
	return func() []byte { one := b; b = nil; return one }
}

// TestReadersThatStopHoldLittle has clients begin to read a large file and stop.
func TestReadersThatStopHoldLittle(t *testing.T) {
	const streams = 8
	h := newHostile(t, "--max-requests-per-user", "0")
	h.unslowed(t)
	d := newDoor(t, h.server, nil)
	d.token = h.token["ann"]
	big := strings.Repeat("0123456789abcdef", 1<<20) // 16 MB
	if resp, body := h.rest("ann", call{method: http.MethodPut, path: "/v1/workspace/big", body: strings.NewReader(big), length: int64(len(big))}); resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", resp.Status, body)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	paths := d.transferPaths(t, h.conn)
	before := h.settle()
	for name, p := range paths {
		var more func() (int, error)
		for range streams {
			var err error
			if more, err = p.download(ctx); err == nil {
				_, err = more()
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if err := p.whoAmI(ctx); err != nil {
			t.Errorf("%s: another call: %v", name, err)
		}
		n := 0
		for { // the last one goes on reading
			got, err := more()
			if n += got; err != nil {
				break
			}
		}
		if n < len(big)-64<<10 {
			t.Errorf("%s: %d bytes of %d", name, n, len(big))
		}
		now := h.settle() // without what is garbage
		t.Logf("%s: %d readers that stopped hold %.1f MB", name, streams-1, now-before)
		if now-before > 16 {
			t.Errorf("%s: %.0f MB are held", name, now-before)
		}
		before = now
	}
}

// TestTransfersEndWellWhenTheServerStops has uploads go on while the server stops, on each way, within its time for that.
func TestTransfersEndWellWhenTheServerStops(t *testing.T) {
	for _, name := range []string{"gRPC, its own transport", "gRPC by net/http", "gRPC-Web", "Connect", "REST over HTTP/2", "REST over HTTP/1.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, "--auth", "token", "--drain-timeout", "20s")
			d := newDoor(t, s, nil)
			p := d.transferPaths(t, s.conn)[name]
			stopping := func() bool { return strings.Contains(s.log.String(), "msg=stopping") }
			const enough = 256 // parts of which some have been read, whatever the buffers of both kernels hold
			parts := 0
			err := p.upload(t.Context(), func() []byte {
				if parts++; parts == enough {
					if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
						t.Error(err)
					}
					eventually(t, "the server stops", stopping)
				}
				if parts > enough+8 {
					return nil
				}
				return make([]byte, 64<<10)
			})
			if err != nil {
				t.Errorf("an upload that the server stopped in: %v", err)
			}
		})
	}
}

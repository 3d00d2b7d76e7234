package siege

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// tally is a Tally that several workers write.
type tally struct {
	mu sync.Mutex
	Tally
}

// served notes a call that was served.
func (t *tally) served() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Tried++
	t.Served++
}

// unseen notes a call whose end was not seen.
func (t *tally) unseen() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Tried++
	t.Unseen++
}

// turnedAway notes a connection that the server closed before anything was said.
func (t *tally) turnedAway() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Tried++
	t.Reasons[TurnedAway]++
}

// refused notes a call that the server refused.
func (t *tally) refused(code codes.Code, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Tried++
	t.Refused[codeWord(code)]++
	t.Reasons[reason]++
}

// codeWord is the canonical name of a code.
func codeWord(c codes.Code) string {
	switch c {
	case codes.Unauthenticated:
		return "UNAUTHENTICATED"
	case codes.PermissionDenied:
		return "PERMISSION_DENIED"
	case codes.ResourceExhausted:
		return "RESOURCE_EXHAUSTED"
	default:
		return c.String()
	}
}

// ended notes how a gRPC call ended.
func (t *tally) ended(err error) {
	s := status.Convert(err)
	switch s.Code() {
	case codes.OK:
		t.served()
	case codes.Canceled, codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.Unknown:
		t.unseen()
	default:
		reason := ""
		for _, d := range s.Details() {
			if info, ok := d.(*errdetails.ErrorInfo); ok {
				reason = info.GetReason()
			}
		}
		t.refused(s.Code(), reason)
	}
}

// replied notes how a request over HTTP ended, and reads the reply.
func (t *tally) replied(resp *http.Response, err error) {
	if err != nil {
		t.unseen()
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode < http.StatusBadRequest {
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.unseen()
			return
		}
		t.served()
		return
	}
	var refusal struct {
		Code    codes.Code
		Details []struct{ Reason string }
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil || json.Unmarshal(body, &refusal) != nil {
		t.unseen()
		return
	}
	var reason strings.Builder
	for _, d := range refusal.Details {
		reason.WriteString(d.Reason)
	}
	t.refused(refusal.Code, reason.String())
}

// worker repeats one kind of attack. It comes from another address of a part of the network that
// its kind has for itself with each connection.
type worker struct {
	Plan
	*tally

	attack, number int // from 1, and from 0
	dialed         int
	conn           *grpc.ClientConn
	client         *http.Client
	calls          int
	open           []net.Conn
}

const (
	// callsPerAddress is how many calls are made over one connection.
	callsPerAddress = 200
	// callTimeout bounds a call.
	callTimeout = 20 * time.Second
)

func (w *worker) close() {
	if w.conn != nil {
		_ = w.conn.Close()
	}
	if w.client != nil {
		w.client.CloseIdleConnections()
	}
	for _, c := range w.open {
		_ = c.Close()
	}
}

// dial opens a connection from the next address.
func (w *worker) dial(ctx context.Context) (net.Conn, error) {
	w.dialed++
	return w.dialFrom(ctx, (w.number*61+w.dialed)%250+1)
}

// dialFrom opens a connection from the address of a number from 1 to 250.
func (w *worker) dialFrom(ctx context.Context, n int) (net.Conn, error) {
	from := net.ParseIP(fmt.Sprintf("%s.%d.%d", w.Network, w.attack, n))
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: callTimeout}
	return d.DialContext(ctx, "tcp", w.Address)
}

// http is a client whose connections are given up after some requests.
func (w *worker) http() *http.Client {
	if w.client == nil {
		w.client = &http.Client{Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dial(ctx) },
		}}
	}
	if w.calls++; w.calls%callsPerAddress == 0 {
		w.client.CloseIdleConnections()
	}
	return w.client
}

// do sends a request and notes how it ended.
func (w *worker) do(ctx context.Context, method, path, token string, body io.Reader) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+w.Address+path, body)
	if err != nil {
		panic(err) // all paths are written here
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := w.http().Do(req)
	w.replied(resp, err)
}

// grpc is a connection that is given up after some calls.
func (w *worker) grpc() *grpc.ClientConn {
	if w.calls++; w.conn != nil && w.calls%callsPerAddress == 0 {
		_ = w.conn.Close()
		w.conn = nil
	}
	if w.conn == nil {
		var err error
		w.conn, err = grpc.NewClient("passthrough:///"+w.Address,
			grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry(),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return w.dial(ctx) }))
		if err != nil {
			panic(err) // the options are constant
		}
	}
	return w.conn
}

// token is that of the attacker whose turn it is among those with an account.
func (w *worker) token() string { return w.Tokens[w.number%len(w.Tokens)] }

// as is the context of a call with a token.
func as(ctx context.Context, token string) (context.Context, context.CancelFunc) {
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	return context.WithTimeout(ctx, callTimeout)
}

package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/gateway"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/layers"
)

func limitsOf(tb testing.TB, c LimitsConfig) *limits {
	tb.Helper()
	l, err := newLimits(c, false, 1000)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// from is the context of a call from an address, with a token if one is given.
func from(addr, token string) context.Context {
	ctx := peer.NewContext(context.Background(), &peer.Peer{Addr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), 99))})
	if token != "" {
		ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("authorization", "Bearer "+token))
	}
	return ctx
}

// fakeStream is a stream whose client sends the messages of in.
type fakeStream struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // as streams do
	in  []*workspacev1.UploadRequest
}

func (s *fakeStream) Context() context.Context { return s.ctx }

func (s *fakeStream) RecvMsg(m any) error {
	if len(s.in) == 0 {
		return io.EOF
	}
	m.(*workspacev1.UploadRequest).Content = s.in[0].GetContent() //nolint:errcheck,forcetypeassert // only uploads come here
	s.in = s.in[1:]
	return nil
}

// serveUnary has a call of p from ctx pass the limits; a nil p does not pass the authentication.
func serveUnary(l *limits, ctx context.Context, p *auth.Principal) error { //nolint:revive // the limits are what is tested
	info := &grpc.UnaryServerInfo{FullMethod: jobsv1.JobService_Get_FullMethodName}
	signIn := func(*layers.Call) (func(error) error, error) { return nil, status.Error(codes.Unauthenticated, "who?") }
	if p != nil {
		signIn = signedInAs(*p)
	}
	_, err := layers.Unary(l.address(origin{address: l.proxies.call}), signIn, l.user)(ctx, nil, info,
		func(context.Context, any) (any, error) { return nil, nil })
	return err
}

func serveStream(l *limits, ctx context.Context, p auth.Principal, do func(grpc.ServerStream) error) error { //nolint:revive // likewise
	return layers.Stream(l.address(origin{address: l.proxies.call}), signedInAs(p), l.user)(nil, &fakeStream{ctx: ctx}, upload,
		func(_ any, ss grpc.ServerStream) error { return do(ss) })
}

var upload = &grpc.StreamServerInfo{FullMethod: workspacev1.WorkspaceService_Upload_FullMethodName}

// signedInAs is the layer of an authentication that knows one caller.
func signedInAs(p auth.Principal) layers.Layer {
	return func(c *layers.Call) (func(error) error, error) {
		c.SetContext(auth.NewContext(c.Context(), p))
		return nil, nil
	}
}

// refusals counts the calls of n that are refused, all for the same reason.
func refusals(t *testing.T, n int, why error, call func() error) (refused int) {
	t.Helper()
	for range n {
		err := call()
		if err == nil {
			continue
		}
		refused++
		if user, ok := errors.AsType[*job.UserError](err); !errors.Is(err, why) || !ok || user.RetryAfter <= 0 {
			t.Fatalf("refused by %v, want %v and a wait", err, why)
		}
	}
	return refused
}

// Whoever calls more often than they may is told to wait; who does not, is not held up by them.
func TestRatesOfCallers(t *testing.T) {
	user := func(p auth.Principal) *auth.Principal {
		p.Roles = append(p.Roles, auth.RoleUser)
		return &p
	}
	ann := user(auth.Principal{User: "ann", How: auth.HowToken})
	for _, c := range []struct {
		name    string
		first   *auth.Principal // takes all it may
		then    *auth.Principal
		from    string
		refused int // of 100 calls after it
	}{
		{"the same user", ann, ann, "192.0.2.1", 100},
		{"another user", ann, user(auth.Principal{User: "bob"}), "192.0.2.1", 90},
		{"an operator", ann, user(auth.Principal{User: "op", Roles: []auth.Role{auth.RoleOperator}}), "192.0.2.1", 0},
		{"the user, signed in otherwise", ann, user(auth.Principal{User: "ann", How: auth.HowSession}), "192.0.2.2", 100},
		{"a service account for the user", ann, user(auth.Principal{User: "ann", Actor: "site"}), "192.0.2.1", 0},
		{"a service account for two users", user(auth.Principal{User: "ann", Actor: "site"}), user(auth.Principal{User: "bob", Actor: "site"}), "192.0.2.1", 100},
		{"a job of the user", ann, &auth.Principal{User: "ann", Job: 7, Roles: []auth.Role{auth.RoleJob}}, "192.0.2.1", 90},
		{"the user, of whom a job took all", &auth.Principal{User: "ann", Job: 7, Roles: []auth.Role{auth.RoleJob}}, ann, "192.0.2.1", 90},
		{"the operator's socket", ann, user(auth.Principal{User: "local admin", How: auth.HowSocket}), "192.0.2.1", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limitsOf(t, LimitsConfig{RequestsPerUser: 5})
				refusals(t, 1000, job.ErrTooFast, func() error { return serveUnary(l, from("192.0.2.1", ""), c.first) })
				if got := refusals(t, 100, job.ErrTooFast, func() error { return serveUnary(l, from(c.from, ""), c.then) }); got != c.refused {
					t.Errorf("%d of 100 were refused, want %d", got, c.refused)
				}
			})
		})
	}
}

func TestRatesOfAddresses(t *testing.T) {
	ann := &auth.Principal{User: "ann", Roles: []auth.Role{auth.RoleUser}}
	for _, c := range []struct {
		first, then string
		refused     int // of 100
	}{
		{"192.0.2.1", "192.0.2.1", 100},
		{"192.0.2.1", "192.0.2.2", 90},
		{"192.0.2.1", "::ffff:192.0.2.1", 100},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::7", 100},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", 90},
		{"127.0.0.1", "127.0.0.1", 0},
		{"::1", "::1", 0},
	} {
		t.Run(fmt.Sprint(c.first, " then ", c.then), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limitsOf(t, LimitsConfig{RequestsPerAddress: 5})
				refusals(t, 100, job.ErrTooFast, func() error { return serveUnary(l, from(c.first, ""), ann) })
				before := l.refused[addressRate].Load()
				got := refusals(t, 100, job.ErrTooFast, func() error { return serveUnary(l, from(c.then, ""), ann) })
				if got != c.refused || int(l.refused[addressRate].Load()-before) != got { //nolint:gosec // small
					t.Errorf("%d of 100 were refused, want %d; %d counted", got, c.refused, l.refused[addressRate].Load()-before)
				}
			})
		})
	}
}

// refusedFor is the error of an authentication for a token of that text.
func refusedFor(t *testing.T, text string) error {
	t.Helper()
	a, err := auth.New(auth.Config{Tokens: noTokens{}})
	if err != nil {
		t.Fatal(err)
	}
	c := auth.Credentials{}
	if text != "" {
		c.Authorization = []string{"Bearer " + text}
	}
	_, err = a.Identify(t.Context(), c)
	return err
}

// noTokens is a store without tokens.
type noTokens struct{ auth.TokenStore }

func (noTokens) Token([sha256.Size]byte) (*storev1.Token, error) { return nil, job.ErrNotFound }

// Guesses are looked at up to a bound for each address; who has a good credential is not held back by them.
//
//nolint:forbidigo // fake time: a synctest bubble
func TestGuessesHoldBackGuessesAlone(t *testing.T) {
	ann := &auth.Principal{User: "ann", Roles: []auth.Role{auth.RoleUser}}
	_, unknown := auth.NewSecret()
	guesses := []error{refusedFor(t, "nonsense"), refusedFor(t, unknown)}
	synctest.Test(t, func(t *testing.T) {
		const perMinute = 60
		l := limitsOf(t, LimitsConfig{FailedSignIns: perMinute})
		tried := 0
		guess := func() error {
			tried++
			return refuseUnary(l, from("192.0.2.1", ""), guesses[tried%len(guesses)])
		}
		for range 1000 {
			if err := guess(); status.Code(err) != codes.Unauthenticated && !errors.Is(err, job.ErrTooManyFailures) {
				t.Fatal(err)
			}
		}
		if held := tried - int(l.refused[signIns].Load()); held != perMinute { //nolint:gosec // small
			t.Errorf("%d of %d guesses were told what is wrong, want %d", held, tried, perMinute)
		}
		for _, addr := range []string{"192.0.2.1", "192.0.2.2"} {
			if err := serveUnary(l, from(addr, "good"), ann); err != nil {
				t.Errorf("a good credential from %s: %v", addr, err)
			}
		}
		time.Sleep(2 * time.Second)
		if err := guess(); status.Code(err) != codes.Unauthenticated {
			t.Errorf("after the wait: %v", err)
		}
	})
}

// What was good once, or is nothing at all, is no guess.
func TestWhatIsNoGuessCountsForNothing(t *testing.T) {
	for name, err := range map[string]error{"no credential": refusedFor(t, ""), "an attempt that is over": auth.JobOver()} {
		l := limitsOf(t, LimitsConfig{FailedSignIns: 1})
		for range 100 {
			if err := refuseUnary(l, from("192.0.2.1", ""), err); status.Code(err) != codes.Unauthenticated {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

// refuseUnary has a call be refused by the authentication.
func refuseUnary(l *limits, ctx context.Context, refusal error) error { //nolint:revive // the limits are what is tested
	return layers.Refuse(ctx, jobsv1.JobService_Get_FullMethodName, refusal, l.address(origin{address: l.proxies.call}))
}

// One stream more than there may be is refused, and when one ends there is room again.
func TestOpenStreamsAreBounded(t *testing.T) {
	ann, op := auth.Principal{User: "ann"}, auth.Principal{User: "op", Roles: []auth.Role{auth.RoleOperator}}
	for name, c := range map[string]struct {
		config LimitsConfig
		p      auth.Principal
		from   string
		most   int // 0 means any number
	}{
		"a user":                 {LimitsConfig{StreamsPerUser: 3}, ann, "127.0.0.1", 3},
		"an operator":            {LimitsConfig{StreamsPerUser: 3}, op, "127.0.0.1", 30},
		"an address":             {LimitsConfig{StreamsPerAddress: 3}, ann, "192.0.2.1", 3},
		"this machine's address": {LimitsConfig{StreamsPerAddress: 3}, ann, "127.0.0.1", 0},
		"no limit":               {LimitsConfig{}, ann, "192.0.2.1", 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := limitsOf(t, c.config)
			open := 0
			var nest func(grpc.ServerStream) error
			nest = func(grpc.ServerStream) error {
				if open++; open == 50 {
					return nil
				}
				return serveStream(l, from(c.from, ""), c.p, nest)
			}
			for range 2 { // the second time as the first: all places came back
				open = 0
				err := nest(nil)
				if c.most > 0 && (open-1 != c.most || !errors.Is(err, job.ErrTooManyOpen)) {
					t.Errorf("%d were open, want %d: %v", open-1, c.most, err)
				}
				if c.most == 0 && (open != 50 || err != nil) {
					t.Errorf("%d were open: %v", open, err)
				}
			}
		})
	}
}

func part(n int) *workspacev1.UploadRequest {
	return &workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Data{Data: make([]byte, n)}}
}

// An upload that is too large ends as soon as that is known; one that is too fast takes its time.
func TestUploadsAreBounded(t *testing.T) {
	target := func(size int64) *workspacev1.UploadRequest {
		return &workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Target{Target: &workspacev1.UploadTarget{SizeBytes: &size}}}
	}
	for name, c := range map[string]struct {
		config LimitsConfig
		in     []*workspacev1.UploadRequest
		parts  int // that are received
		took   time.Duration
		refuse bool
	}{
		"small enough":       {LimitsConfig{UploadBytes: 100}, []*workspacev1.UploadRequest{target(100), part(50), part(50)}, 3, 0, false},
		"announced to large": {LimitsConfig{UploadBytes: 100}, []*workspacev1.UploadRequest{target(101), part(50)}, 0, 0, true},
		"larger than said":   {LimitsConfig{UploadBytes: 100}, []*workspacev1.UploadRequest{target(10), part(99), part(2)}, 2, 0, true},
		"fast":               {LimitsConfig{UploadRate: 100}, []*workspacev1.UploadRequest{target(1000), part(500), part(500)}, 3, 8 * time.Second, false},
		"fast enough":        {LimitsConfig{UploadRate: 1000}, []*workspacev1.UploadRequest{part(500), part(500)}, 2, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limitsOf(t, c.config)
				begin, received := time.Now(), 0
				var err error
				in := layers.Stream(signedInAs(auth.Principal{User: "ann"}), l.user)
				_ = in(nil, &fakeStream{ctx: t.Context(), in: c.in}, upload, func(_ any, ss grpc.ServerStream) error {
					for ; err == nil; received++ {
						err = ss.RecvMsg(&workspacev1.UploadRequest{})
					}
					return nil
				})
				if received-1 != c.parts || errors.Is(err, job.ErrExhausted) != c.refuse || time.Since(begin).Round(time.Millisecond) != c.took {
					t.Errorf("%d parts in %s, want %d in %s; %v", received-1, time.Since(begin), c.parts, c.took, err)
				}
			})
		})
	}
}

// A slowed upload ends with its call.
func TestSlowedUploadEndsWithItsCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limitsOf(t, LimitsConfig{UploadRate: 1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		u := &boundedUpload{ServerStream: &fakeStream{ctx: ctx, in: []*workspacev1.UploadRequest{part(1000)}}, limits: l, rate: l.users.upload}
		if err := u.RecvMsg(&workspacev1.UploadRequest{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// In development mode there is one user, who may do what the machine can.
func TestDevelopmentModeHasNoLimitsOfUsers(t *testing.T) {
	l, err := newLimits(LimitsConfig{RequestsPerUser: 1, StreamsPerUser: 1, UploadRate: 1}, true, 100)
	if err != nil || l.users != (class{}) || l.trusted != (class{}) {
		t.Errorf("%v %v", l, err)
	}
}

// behindProxy serves one request that a proxy on this machine passes on.
func behindProxy(t *testing.T, h http.Handler, r *http.Request, forwarded string) *httptest.ResponseRecorder {
	t.Helper()
	r = r.WithContext(t.Context())
	r.RemoteAddr = "127.0.0.1:99"
	r.Header.Set("X-Forwarded-For", forwarded)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Every request counts for its address, also one that is refused before it becomes a call, and before its body is read.
func TestRequestsAreLimitedByAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limitsOf(t, LimitsConfig{RequestsPerAddress: 5, TrustedProxies: []string{"127.0.0.1"}})
		conn, err := grpc.NewClient("passthrough:///nowhere", grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		pages := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RemoteAddr) })
		api, err := gateway.New(gateway.Config{Conn: conn, Admit: l.admitRequest, Next: pages, PathPrefix: "/stint"})
		if err != nil {
			t.Fatal(err)
		}
		h := l.front(api)
		for n, c := range []struct {
			method, path, body string
			code               int
		}{
			{"GET", "/jobs", "", http.StatusOK},
			{"POST", "/v1/jobs", "{", http.StatusBadRequest},
			{"POST", "/stint/v1/jobs", "{", http.StatusBadRequest},
			{"GET", "/v1/nothing", "", http.StatusNotFound},
			{"GET", "/v1/jobs?x=y", "", http.StatusBadRequest},
			{"PATCH", "/v1/jobs", "", http.StatusMethodNotAllowed},
			{"GET", "/%73tint/v1/jobs", "", http.StatusOK}, // the pages' own, for a prefix is not decoded
		} {
			from := fmt.Sprint("192.0.2.", n+1)
			for i := range 20 {
				body := strings.NewReader(c.body)
				w := behindProxy(t, h, httptest.NewRequestWithContext(t.Context(), c.method, c.path, body), from)
				switch {
				case i < 10 && w.Code != c.code:
					t.Errorf("%s %s, request %d: %d, want %d", c.method, c.path, i, w.Code, c.code)
				case i >= 10 && (w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), "RATE_LIMITED")):
					t.Errorf("%s %s, request %d: %d %v %s", c.method, c.path, i, w.Code, w.Header(), w.Body)
				case i >= 10 && body.Len() != len(c.body):
					t.Errorf("%s %s: the body of what is refused was read", c.method, c.path)
				}
			}
		}
		if got := l.refused[addressRate].Load(); got != 70 {
			t.Errorf("%d refusals were counted, want 70", got)
		}
		for range 20 {
			if w := behindProxy(t, h, httptest.NewRequestWithContext(t.Context(), "GET", "/jobs", nil), ""); w.Code != http.StatusOK {
				t.Errorf("this machine: %d", w.Code)
			}
		}
		if w := behindProxy(t, h, httptest.NewRequestWithContext(t.Context(), "GET", "/jobs", nil), "198.51.100.7"); w.Body.String() != "198.51.100.7:0" {
			t.Errorf("the pages see %s", w.Body)
		}
	})
}

// A request of REST counts once, however many calls it makes.
func TestCallsOfTheGatewayAreCountedWithTheirRequest(t *testing.T) {
	l := limitsOf(t, LimitsConfig{RequestsPerAddress: 1, FailedSignIns: 3})
	info := &grpc.UnaryServerInfo{FullMethod: jobsv1.JobService_Get_FullMethodName}
	call := func(refusal error) error {
		ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs(forwardedFor, "192.0.2.1", "authorization", "Bearer x"))
		_, err := layers.Unary(l.address(fromGateway))(ctx, nil, info, func(context.Context, any) (any, error) { return nil, refusal })
		return err
	}
	for range 20 {
		if err := call(nil); err != nil {
			t.Fatal(err)
		}
	}
	guess := refusedFor(t, "x")
	for range 3 {
		if err := call(guess); status.Code(err) != codes.Unauthenticated {
			t.Fatal(err)
		}
	}
	if err := call(guess); !errors.Is(err, job.ErrTooManyFailures) {
		t.Errorf("guesses over REST: %v", err)
	}
	if err := call(nil); err != nil {
		t.Errorf("a good credential: %v", err)
	}
}

// What is answered without a call looks at credentials like one: /metrics is no place to try them at.
func TestMetricsAreForOperatorsAndHoldBackWhoGuesses(t *testing.T) {
	l := limitsOf(t, LimitsConfig{FailedSignIns: 5, TrustedProxies: []string{"127.0.0.1"}})
	operator, guess := []auth.Role{auth.RoleUser, auth.RoleOperator}, refusedFor(t, "nonsense")
	known := map[string]auth.Principal{
		"Bearer op": {User: "op", Roles: operator}, "Bearer admin": {User: "op", Roles: operator, Scopes: []auth.Scope{auth.ScopeAdmin}},
		"Bearer narrow": {User: "op", Roles: operator, Scopes: []auth.Scope{auth.ScopeJobsRead}}, "Bearer ann": {User: "ann", Roles: operator[:1]},
	}
	h := l.front(metricsHandler(prometheus.NewRegistry(), func(r *http.Request) (auth.Principal, error) {
		return l.authenticate(r, func() (auth.Principal, error) {
			if p, ok := known[r.Header.Get("Authorization")]; ok {
				return p, nil
			}
			return auth.Principal{}, guess
		})
	}))
	ask := func(from, token string) int {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		return behindProxy(t, h, r, from).Code
	}
	for token, want := range map[string]int{"op": 200, "admin": 200, "narrow": 403, "ann": 403, "nobody": 401} {
		if got := ask("192.0.2.1", token); got != want {
			t.Errorf("%s: %d, want %d", token, got, want)
		}
	}
	if got := ask("192.0.2.2", "guess"); got != 401 {
		t.Errorf("the first guess: %d", got)
	}
	if got := ask("192.0.2.2", "op"); got != 200 {
		t.Errorf("somebody at the same address: %d", got)
	}
	for range 10 {
		ask("192.0.2.2", "guess")
	}
	for who, want := range map[string]int{"admin": 200, "op": 200, "guess": 429} {
		if got := ask("192.0.2.2", who); got != want {
			t.Errorf("%s, from where too many guesses came: %d, want %d", who, got, want)
		}
	}
	if err := refuseUnary(l, from("192.0.2.2", ""), guess); !errors.Is(err, job.ErrTooManyFailures) {
		t.Errorf("calls are not counted with requests: %v", err)
	}
}

func BenchmarkLimitsOfACall(b *testing.B) {
	l := limitsOf(b, LimitsConfig{RequestsPerUser: 1 << 30, RequestsPerAddress: 1 << 30, FailedSignIns: 10})
	in := layers.Unary(l.address(origin{address: l.proxies.call}), l.user)
	info := &grpc.UnaryServerInfo{FullMethod: jobsv1.JobService_Get_FullMethodName}
	p := auth.Principal{User: "ann", Roles: []auth.Role{auth.RoleUser}}
	handler := func(context.Context, any) (any, error) { return nil, nil }
	for name, addr := range map[string]string{"loopback": "127.0.0.1", "abroad": "192.0.2.1"} {
		b.Run(name, func(b *testing.B) {
			ctx := auth.NewContext(from(addr, "token"), p) // as if authentication cost nothing
			b.ReportAllocs()
			for b.Loop() {
				if _, err := in(ctx, nil, info, handler); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

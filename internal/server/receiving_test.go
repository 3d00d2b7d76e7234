package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"
)

// accounts are connections with accounts over nothing.
func accounts(most int64, n int) (*receiving, []*countedConn) {
	r := &receiving{most: most, ended: &atomic.Uint64{}, conns: make(map[*countedConn]struct{})}
	var conns []*countedConn
	for range n {
		_, server := net.Pipe()
		conns = append(conns, r.add(&connFrom{server, "192.0.2.1"}, func() {}))
	}
	return r, conns
}

// Whatever is owed and paid, the sum is that of the accounts, and none is below nothing.
func TestAccountsAddUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r, conns := accounts(1<<40, 3)
		for range rapid.IntRange(1, 50).Draw(rt, "steps") {
			c := conns[rapid.IntRange(0, 2).Draw(rt, "conn")]
			switch n := rapid.Int64Range(0, 1<<18).Draw(rt, "bytes"); rapid.IntRange(0, 4).Draw(rt, "what") {
			case 0, 1:
				c.owe(n)
			case 2:
				c.pay(n)
			case 3:
				c.settle()
			default:
				_ = c.Close()
			}
			sum := int64(0)
			for _, c := range conns {
				if c.owed.Load() < 0 {
					rt.Fatalf("a connection owes %d", c.owed.Load())
				}
				sum += beyond(c.owed.Load())
			}
			if r.total.Load() != sum {
				rt.Fatalf("the sum is %d, the accounts have %d", r.total.Load(), sum)
			}
		}
	})
}

// When too much is held, those who hold most are closed, and no more than must be.
func TestThoseWhoHoldMostAreClosed(t *testing.T) {
	r, conns := accounts(100<<20, 5)
	for n, mb := range []int64{1, 60, 10, 20, 5} {
		conns[n].owe(mb<<20 + freeReceiving)
	}
	r.relieve()
	if r.ended.Load() != 1 || r.total.Load() != 36<<20 {
		t.Errorf("%d were closed, and %d MB are left", r.ended.Load(), r.total.Load()>>20)
	}
	for n, c := range conns {
		_ = c.SetReadDeadline(time.Unix(1, 0))
		_, err := c.Read(make([]byte, 1))
		if closed := !errors.Is(err, os.ErrDeadlineExceeded); closed != (n == 1) {
			t.Errorf("connection %d: %v", n, err)
		}
	}
}

// A connection whose calls come to an end owes nothing, however long it lives; one whose calls do not, does.
func TestCallsPayForWhatTheyBrought(t *testing.T) {
	_, conns := accounts(1<<40, 2)
	honest, hog := conns[0], conns[1]
	message := wrapperspb.String(strings.Repeat("x", 1<<20))
	ctx := peer.NewContext(context.Background(), &peer.Peer{Addr: honest.RemoteAddr()})
	for range 1000 {
		honest.owe(1<<20 + 300)
		hog.owe(1<<20 + 300)
		paid(ctx, message)
	}
	for range 100_000 { // small ones: all headers
		honest.owe(200)
		paid(ctx, nil)
	}
	if honest.owed.Load() > freeReceiving || hog.owed.Load() < 1000<<20 {
		t.Errorf("the honest one owes %d, the other %d", honest.owed.Load(), hog.owed.Load())
	}
	paid(context.Background(), message) // a call from elsewhere
}

// A JSON body counts until it is answered, an upload never: it is not kept.
func TestBodiesPayForWhatTheyBrought(t *testing.T) {
	l := limitsOf(t, LimitsConfig{})
	_, conns := accounts(1<<40, 1)
	c := conns[0]
	for method, want := range map[string]int64{http.MethodPost: 1 << 20, http.MethodPut: 0} {
		h := l.front(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil || c.owed.Load() != want {
				t.Errorf("%s owes %d while it is answered, want %d: %v", method, c.owed.Load(), want, err)
			}
		}))
		r := httptest.NewRequestWithContext(withConn(t.Context(), c), method, "/", strings.NewReader(strings.Repeat("x", 1<<20)))
		c.owe(1 << 20)
		h.ServeHTTP(httptest.NewRecorder(), r)
		if c.owed.Load() != 0 {
			t.Errorf("%s owes %d when it is answered", method, c.owed.Load())
		}
	}
}

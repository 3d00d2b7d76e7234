package server

import (
	"context"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// Only what a trusted proxy says of its caller counts, over HTTP and gRPC alike.
func TestAddressOfTheClient(t *testing.T) {
	p, err := parseProxies([]string{"127.0.0.1", "10.0.0.0/8", "2001:db8::/32"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, caller string
		forwarded    []string
		want         string
	}{
		{"no proxy", "192.0.2.1", nil, "192.0.2.1"},
		{"no proxy, who says otherwise", "192.0.2.1", []string{"198.51.100.7"}, "192.0.2.1"},
		{"a proxy", "127.0.0.1", []string{"198.51.100.7"}, "198.51.100.7"},
		{"a proxy of a client that lies", "127.0.0.1", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		{"a proxy of a client that lies in a header of its own", "127.0.0.1", []string{"203.0.113.9", "198.51.100.7"}, "198.51.100.7"},
		{"two proxies", "127.0.0.1", []string{"203.0.113.9, 198.51.100.7, 10.1.2.3"}, "198.51.100.7"},
		{"a client in the proxies' network", "127.0.0.1", []string{"10.9.9.9"}, "10.9.9.9"},
		{"a proxy that says nothing", "10.0.0.1", nil, "10.0.0.1"},
		{"a proxy that says nonsense", "10.0.0.1", []string{"198.51.100.7, unknown"}, "10.0.0.1"},
		{"with ports", "10.0.0.1", []string{"198.51.100.7:4711"}, "198.51.100.7"},
		{"IPv6", "2001:db8::1", []string{"[2001:db9::7]:4711"}, "2001:db9::7"},
		{"IPv6 in brackets", "2001:db8::1", []string{"[2001:db9::7]"}, "2001:db9::7"},
		{"IPv4 as IPv6", "::ffff:10.0.0.1", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			from := netip.AddrPortFrom(netip.MustParseAddr(c.caller), 99)
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
			r.RemoteAddr = from.String()
			r.Header["X-Forwarded-For"] = c.forwarded
			got := p.request(r)
			if host, _, _ := net.SplitHostPort(got.RemoteAddr); strings.TrimPrefix(host, "::ffff:") != c.want {
				t.Errorf("HTTP: %s, want %s", got.RemoteAddr, c.want)
			}
			ctx := peer.NewContext(metadata.NewIncomingContext(t.Context(), metadata.MD{forwardedFor: c.forwarded}),
				&peer.Peer{Addr: net.TCPAddrFromAddrPort(from)})
			ctx, addr := p.call(ctx)
			if behind, ok := peer.FromContext(ctx); !ok || addr.String() != c.want || addrOf(behind.Addr).String() != c.want {
				t.Errorf("gRPC: %s and %v, want %s", addr, behind, c.want)
			}
		})
	}
	if _, addr := p.call(context.Background()); addr.IsValid() {
		t.Error("a call from nowhere has an address")
	}
	for _, bad := range []string{"x", "10.0.0.0/33", "", "example.org"} {
		if _, err := parseProxies([]string{bad}); err == nil || !strings.Contains(err.Error(), "--trusted-proxies") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

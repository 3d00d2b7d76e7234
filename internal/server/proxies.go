package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// forwardedFor is the header, and the metadata, in which each proxy adds the address that it was called from.
const forwardedFor = "x-forwarded-for"

// proxies are the networks whose word about their callers is believed.
type proxies []netip.Prefix

// parseProxies reads networks such as 10.0.0.0/8, and single addresses.
func parseProxies(texts []string) (proxies, error) {
	var all proxies
	for _, text := range texts {
		if addr, err := netip.ParseAddr(text); err == nil {
			all = append(all, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxies: %q is no address and no network such as 10.0.0.0/8", text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

func (p proxies) trust(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(n netip.Prefix) bool { return n.Contains(a) })
}

// isProxy reports whether an address is that of a trusted proxy.
func (l *limits) isProxy(a net.Addr) bool { return l.proxies.trust(addrOf(a)) }

// client is who called, where caller made the connection and says that it did so for the addresses of forwarded. Each proxy
// adds to the end, so the last address that a trusted proxy gave is the client; what comes before it anybody can write.
func (p proxies) client(caller netip.Addr, forwarded []string) netip.Addr {
	for _, values := range slices.Backward(forwarded) {
		parts := strings.Split(values, ",")
		for _, part := range slices.Backward(parts) {
			if !p.trust(caller) {
				return caller
			}
			addr, ok := parseHost(strings.TrimSpace(part))
			if !ok {
				return caller
			}
			caller = addr
		}
	}
	return caller
}

// parseHost reads an address with or without port.
func parseHost(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		withPort, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone(""), true
}

// addrOf is the IP address of a network address; the zero Addr for what has none, such as sockets and pipes.
func addrOf(a net.Addr) netip.Addr {
	if counted, ok := a.(*connAddr); ok {
		a = counted.Addr
	}
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	if a == nil {
		return netip.Addr{}
	}
	addr, _ := parseHost(a.String())
	return addr
}

// request gives a request the address of its client for that of the proxy, which everything behind goes by.
func (p proxies) request(r *http.Request) *http.Request {
	caller, ok := parseHost(r.RemoteAddr)
	if !ok || !p.trust(caller) {
		return r
	}
	client := p.client(caller, r.Header.Values(forwardedFor))
	if client == caller {
		return r
	}
	r = r.WithContext(r.Context()) // a copy: net/http goes on with its own
	r.RemoteAddr = netip.AddrPortFrom(client, 0).String()
	return r
}

// call is request for a gRPC call over a connection of its own.
func (p proxies) call(ctx context.Context) (context.Context, netip.Addr) {
	from, ok := peer.FromContext(ctx)
	if !ok {
		return ctx, netip.Addr{}
	}
	caller := addrOf(from.Addr)
	if !p.trust(caller) {
		return ctx, caller
	}
	client := p.client(caller, metadata.ValueFromIncomingContext(ctx, forwardedFor))
	if client == caller {
		return ctx, caller
	}
	behind := *from
	behind.Addr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(client, 0))
	if proxy, ok := from.Addr.(*connAddr); ok {
		behind.Addr = &connAddr{Addr: behind.Addr, conn: proxy.conn}
	}
	return peer.NewContext(ctx, &behind), client
}

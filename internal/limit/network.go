package limit

import "net/netip"

// Network is what an address is limited as: an IPv4 address is itself, also when written as IPv6. Of an IPv6
// address it is the /64, for whoever has one address of it has them all (RFC 6177, RFC 8981). Zones are dropped.
func Network(a netip.Addr) netip.Addr {
	if a = a.Unmap(); !a.Is6() {
		return a
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil { // cannot be: 64 is within the address
		return a
	}
	return p.Addr()
}

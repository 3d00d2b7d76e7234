package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"

	"github.com/stint-jobs/stint/internal/auth"
)

// Development mode takes whoever calls for the local user. That is right for programs of that user alone: others of the
// machine, and a proxy with the whole network behind it, reach loopback as well. So each connection is asked whose it is,
// and what shows a proxy is refused, also when it runs as the same user.

// sockets are the kernel's tables of TCP connections, of which each has the uid of its process (proc_net_tcp in the kernel's documentation).
var sockets = []string{"/proc/net/tcp", "/proc/net/tcp6"}

// peerUID is the uid of the process at the other end of a connection within this machine. known is false where no table has it.
func peerUID(conn net.Conn) (uid int, known bool) {
	far, near := addrPortOf(conn.RemoteAddr()), addrPortOf(conn.LocalAddr())
	for _, table := range sockets {
		if uid, known = uidIn(table, far, near); known {
			return uid, true
		}
	}
	return 0, false
}

func addrPortOf(a net.Addr) netip.AddrPort {
	if counted, ok := a.(*connAddr); ok {
		a = counted.Addr
	}
	if tcp, ok := a.(*net.TCPAddr); ok {
		at := tcp.AddrPort()
		return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
	}
	return netip.AddrPort{}
}

// uidIn looks a socket up by its own address and the one that it is connected to.
func uidIn(table string, own, other netip.AddrPort) (uid int, known bool) {
	f, err := os.Open(table) //nolint:gosec // one of the two above
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// sl local_address rem_address st tx:rx tr:tm retrnsmt uid ...
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 || socketAddr(fields[1]) != own || socketAddr(fields[2]) != other {
			continue
		}
		if uid, err = strconv.Atoi(fields[7]); err == nil {
			return uid, true
		}
	}
	return 0, false
}

// socketAddr reads an address of those tables: words of 32 bits in the machine's order, and a port.
func socketAddr(text string) netip.AddrPort {
	host, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(host)
	number, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil {
		return netip.AddrPort{}
	}
	for i := 0; i+4 <= len(b); i += 4 {
		binary.BigEndian.PutUint32(b[i:], binary.NativeEndian.Uint32(b[i:]))
	}
	addr, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(number))
}

// localPeer finds out once whether a connection is of a process of the server's own user.
type localPeer struct {
	once sync.Once
	own  bool
}

func (c *countedConn) ofOwnUser() bool {
	c.local.once.Do(func() {
		uid, known := peerUID(c.Conn)
		c.local.own = known && uid == os.Getuid()
	})
	return c.local.own
}

// Why development mode does not serve a caller.
const (
	otherUser = "This server is in development mode, which is for programs of the user that it runs as alone. Start it with --auth token for others."
	behindOne = "This request came through a proxy, and this server is in development mode, in which everybody behind the proxy would be its operator. Start it with --auth token."
)

// proxyHeaders are what proxies add, in lower case; those that begin with x-forwarded- besides.
var proxyHeaders = []string{"forwarded", "via", "x-real-ip"}

// showsProxy reports whether a header is one that proxies add.
func showsProxy(name string) bool {
	name = strings.ToLower(name)
	return slices.Contains(proxyHeaders, name) || strings.HasPrefix(name, "x-forwarded-")
}

// notLocal is why development mode does not serve a request; empty for one that it serves.
func notLocal(r *http.Request) string {
	if c, ok := r.Context().Value(connKey{}).(*countedConn); !ok || !c.ofOwnUser() {
		return otherUser
	}
	if r.ProtoMajor == 1 && r.ProtoMinor == 0 { // what nginx speaks to its upstreams unless it is told otherwise
		return behindOne
	}
	for name := range r.Header {
		if showsProxy(name) {
			return behindOne
		}
	}
	return ""
}

// notLocalCall is notLocal for gRPC.
func notLocalCall(ctx context.Context, info *tap.Info) error {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return auth.NotLocal(otherUser)
	}
	if addr, ok := p.Addr.(*connAddr); !ok || !addr.conn.ofOwnUser() {
		return auth.NotLocal(otherUser)
	}
	for name := range info.Header {
		if showsProxy(name) {
			return auth.NotLocal(behindOne)
		}
	}
	return nil
}

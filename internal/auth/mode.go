package auth

import (
	"fmt"
	"net"
	"net/netip"
)

// Mode says whether callers need credentials.
type Mode string

// The modes.
const (
	// ModeAuto is ModeDev where only this machine can reach the server, and ModeToken otherwise.
	ModeAuto Mode = "auto"
	// ModeDev takes a call without credentials for one of the local user, as operator.
	ModeDev Mode = "dev"
	// ModeToken needs an API token with every call.
	ModeToken Mode = "token"
)

// Resolve decides ModeAuto by the addresses, HOST:PORT, that the server listens
// on. ModeDev where others can reach the server is an error: it would hand them everybody's jobs.
func (m Mode) Resolve(listen ...string) (Mode, error) {
	exposed := ""
	for _, addr := range listen {
		if !Loopback(addr) {
			exposed = addr
		}
	}
	switch {
	case m == ModeToken, m == ModeAuto && exposed != "":
		return ModeToken, nil
	case m == ModeAuto, m == ModeDev && exposed == "":
		return ModeDev, nil
	case m == ModeDev:
		return "", fmt.Errorf("development mode takes everybody for the local user, and others can reach %s: listen on 127.0.0.1, or use tokens", exposed)
	default:
		return "", fmt.Errorf("unknown mode %q: there are auto, dev and token", string(m))
	}
}

// Loopback reports whether only this machine can reach an address, HOST:PORT. A
// name other than localhost could mean anything.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

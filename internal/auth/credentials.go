package auth

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// Credentials are what a call brings to show who makes it, whatever way it
// came. The fields are no more than claims until Identify has checked them, but for
// Socket, Certificate and Address, which the connection itself tells.
type Credentials struct {
	// Socket is set for connections over the operator's unix socket.
	Socket bool
	// Authorization are the values of the header or metadata of that name.
	Authorization []string
	// Session is the secret of a browser's session; empty without one.
	Session string
	// Certificate is the client's, verified by the TLS handshake; nil without one.
	Certificate *x509.Certificate
	// ActFor are the users whom the caller, a service account, makes the call for.
	ActFor []string
	// Address is where the call came from, without port; empty where there is none.
	Address string
}

// actForHeader is the header or metadata by which a service account acts for a user.
const actForHeader = "Stint-Act-For"

// The cookie of a browser's session. Under TLS it has the prefix that browsers
// take only from this very host, over TLS and for all paths.
const (
	// SessionCookie is its name without TLS.
	SessionCookie = "stint_session"
	// SecureSessionCookie is its name under TLS.
	SecureSessionCookie = "__Host-stint_session"
)

// ofCall fills in those of a gRPC call.
func (c *Credentials) ofCall(ctx context.Context) {
	c.Authorization = metadata.ValueFromIncomingContext(ctx, "authorization")
	c.ActFor = metadata.ValueFromIncomingContext(ctx, actForHeader)
	p, ok := peer.FromContext(ctx)
	if !ok {
		return
	}
	switch info := p.AuthInfo.(type) {
	case SocketPeer:
		c.Socket = true
	case MemoryPeer:
		c.fromGateway(ctx)
	case credentials.TLSInfo:
		c.Certificate = verifiedLeaf(info.State.VerifiedChains)
		c.Address = hostOf(p.Addr.String())
	default:
		c.Address = hostOf(p.Addr.String())
	}
}

// credentialsOfRequest are those of an HTTP request, for the gateway to hand on
// and for handlers that answer without gRPC.
//
// The session is taken from the cookie of that name alone: where browsers come
// by TLS, a cookie without the prefix may be somebody else's work.
func credentialsOfRequest(r *http.Request, sessionCookie string) Credentials {
	c := Credentials{Authorization: r.Header.Values("Authorization"), ActFor: r.Header.Values(actForHeader), Address: hostOf(r.RemoteAddr)}
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		c.Session = cookie.Value
	}
	if r.TLS != nil {
		c.Certificate = verifiedLeaf(r.TLS.VerifiedChains)
	}
	return c
}

func verifiedLeaf(chains [][]*x509.Certificate) *x509.Certificate {
	if len(chains) == 0 || len(chains[0]) == 0 {
		return nil
	}
	return chains[0][0]
}

// hostOf is the IP address of HOST:PORT; empty for what has none, such as sockets and pipes.
func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	return ip.Unmap().WithZone("").String()
}

package auth

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
)

// What the gateway tells the gRPC server about who sent a request. These keys
// mean something on its own connection in memory alone: from anybody else they are
// metadata like any other, and no header of a request becomes one of them.
const (
	keyAddress     = "stint-client-address"
	keySession     = "stint-client-session"
	keyCertificate = "stint-client-certificate"
)

// MemoryPeer marks the gateway's connection, which does not leave the process.
type MemoryPeer struct{ credentials.CommonAuthInfo }

// AuthType names the way of authentication.
func (MemoryPeer) AuthType() string { return "memory" }

// MemoryCreds are the credentials of the gRPC server that the gateway calls.
// They refuse connections that are not in memory. Clients need none.
func MemoryCreds() credentials.TransportCredentials { return memoryCreds{} }

type memoryCreds struct{}

// ServerHandshake sees to it that nobody from outside takes the gateway's place.
func (memoryCreds) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if network := conn.RemoteAddr().Network(); network != "bufconn" {
		return nil, nil, errors.Join(fmt.Errorf("a connection over %s is not in memory", network), conn.Close())
	}
	return conn, MemoryPeer{credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}, nil
}

// ClientHandshake is for no one: the gateway needs no credentials.
func (memoryCreds) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("credentials of memory are for servers")
}

// Info describes the protocol.
func (memoryCreds) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "memory"}
}

// Clone answers the same, for there is no state.
func (c memoryCreds) Clone() credentials.TransportCredentials { return c }

// OverrideServerName does nothing: there are no server names.
func (memoryCreds) OverrideServerName(string) error { return nil }

// CallerMetadata is what the gateway tells the gRPC server about who sent a
// request, besides the Authorization header.
func (a *Authenticator) CallerMetadata(r *http.Request) metadata.MD {
	c := credentialsOfRequest(r, a.cfg.SessionCookie)
	md := metadata.MD{}
	if c.Address != "" {
		md.Set(keyAddress, c.Address)
	}
	if c.Session != "" {
		md.Set(keySession, c.Session)
	}
	if len(c.ActFor) > 0 {
		md.Set(actForHeader, c.ActFor...)
	}
	if c.Certificate != nil {
		md.Set(keyCertificate, base64.StdEncoding.EncodeToString(c.Certificate.Raw))
	}
	return md
}

// fromGateway takes what CallerMetadata wrote.
func (c *Credentials) fromGateway(ctx context.Context) {
	first := func(key string) string {
		if values := metadata.ValueFromIncomingContext(ctx, key); len(values) > 0 {
			return values[0]
		}
		return ""
	}
	c.Address, c.Session = first(keyAddress), first(keySession)
	if raw, err := base64.StdEncoding.DecodeString(first(keyCertificate)); err == nil && len(raw) > 0 {
		c.Certificate, _ = x509.ParseCertificate(raw) // the handshake has read it before
	}
}

package server

import (
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// Names that TLS clients and servers agree on a protocol by (ALPN).
const (
	alpnHTTP2 = "h2"
	alpnHTTP1 = "http/1.1"
)

// SplitCredentials are the credentials of a gRPC server that serves a Split
// with TLS: the handshake has been done already. Connections that are not of TLS
// are taken as they are, for the gateway's listener in memory; a Split
// with TLS never hands over such a connection.
func SplitCredentials() credentials.TransportCredentials {
	return splitCredentials{TransportCredentials: insecure.NewCredentials()}
}

type splitCredentials struct {
	credentials.TransportCredentials
}

// ServerHandshake tells gRPC what the handshake found out.
func (c splitCredentials) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	looked, ok := conn.(*lookedConn)
	if !ok || looked.state == nil {
		return c.TransportCredentials.ServerHandshake(conn)
	}
	return conn, credentials.TLSInfo{
		State:          *looked.state,
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
	}, nil
}

// Clone is a copy, as gRPC wants it.
func (c splitCredentials) Clone() credentials.TransportCredentials {
	return splitCredentials{TransportCredentials: c.TransportCredentials.Clone()}
}

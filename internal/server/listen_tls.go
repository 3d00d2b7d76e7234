package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// Names that TLS clients and servers agree on a protocol by (ALPN).
const (
	alpnHTTP2 = "h2"
	alpnHTTP1 = "http/1.1"
)

// helloConn notes what the client of a connection offered in its TLS hello.
type helloConn struct {
	net.Conn

	web bool
}

// splitTLS is a copy of config that notes for each connection what the client offers.
func splitTLS(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.NextProtos = []string{alpnHTTP2, alpnHTTP1}
	inner := config.GetConfigForClient
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if conn, ok := hello.Conn.(*helloConn); ok {
			conn.web = len(hello.SupportedProtos) == 0 || slices.Contains(hello.SupportedProtos, alpnHTTP1)
		}
		if inner == nil {
			return nil, nil // nil is the config itself
		}
		chosen, err := inner(hello)
		if err != nil || chosen == nil {
			return chosen, err
		}
		chosen = chosen.Clone()
		chosen.NextProtos = config.NextProtos
		return chosen, nil
	}
	return config
}

// handshake does the TLS handshake.
func (s *Split) handshake(ctx context.Context, conn net.Conn) (net.Conn, bool, error) {
	hello := &helloConn{Conn: conn}
	secure := tls.Server(hello, s.options.TLS)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, false, err
	}
	return secure, !hello.web, nil
}

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
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return c.TransportCredentials.ServerHandshake(conn)
	}
	state := secure.ConnectionState()
	if state.NegotiatedProtocol != alpnHTTP2 {
		return nil, nil, errors.New("serve gRPC: the client did not agree on HTTP/2")
	}
	return conn, credentials.TLSInfo{
		State:          state,
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
	}, nil
}

// Clone is a copy, as gRPC wants it.
func (c splitCredentials) Clone() credentials.TransportCredentials {
	return splitCredentials{TransportCredentials: c.TransportCredentials.Clone()}
}

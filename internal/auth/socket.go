package auth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/credentials"
)

// SocketPeer marks a connection over the operator's unix socket. Its calls are
// those of the operator `local admin`.
type SocketPeer struct {
	credentials.CommonAuthInfo
	// UID is the system user at the other end.
	UID uint32
	// PID is the process at the other end.
	PID int32
}

// AuthType names the way of authentication.
func (SocketPeer) AuthType() string { return "unix-socket" }

// SocketCreds are the credentials of a gRPC server on the operator's unix
// socket. They admit processes of this process's own user and of root, as the kernel names them, whatever the
// file mode of the socket, and refuse connections that are no unix sockets. Clients need none.
func SocketCreds() credentials.TransportCredentials { return socketCreds{} }

type socketCreds struct{}

// ServerHandshake asks the kernel who is at the other end.
func (socketCreds) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	p, err := socketPeer(conn)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("identify peer: %w", err), conn.Close())
	}
	if p.UID != 0 && int(p.UID) != os.Geteuid() {
		return nil, nil, errors.Join(fmt.Errorf("system user %d may not use the operator's socket", p.UID), conn.Close())
	}
	return conn, p, nil
}

func socketPeer(conn net.Conn) (SocketPeer, error) {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return SocketPeer{}, fmt.Errorf("%T is no unix socket", conn)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return SocketPeer{}, err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) { cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, credErr); err != nil {
		return SocketPeer{}, err
	}
	return SocketPeer{
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
		UID:            cred.Uid,
		PID:            cred.Pid,
	}, nil
}

// ClientHandshake is for no one: a client of the socket needs no credentials.
func (socketCreds) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("socket credentials are for servers")
}

// Info describes the protocol.
func (socketCreds) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "unix-socket"}
}

// Clone answers the same, for there is no state.
func (c socketCreds) Clone() credentials.TransportCredentials { return c }

// OverrideServerName does nothing: there are no server names.
func (socketCreds) OverrideServerName(string) error { return nil }
